"""`topformer eval --predictions`: somebody's boxes get COCO's numbers, and mistakes one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import run_cli
from tests.cli.test_road import quietly
from tests.fakes.coco_oracle import official
from tests.fakes.scored_files import FOUND, TRUTH, Files, with_area
from topformer_cli.results.detection import NUMBERS


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_prints_what_the_eval_of_a_run_prints(files: Files) -> None:
    done = quietly(files.score())
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert lines[0] == "3 boxes of found.json in the 3 images of truth.json"
    assert [line.split() for line in lines[4:6]] == [["cat", "2", "25.25"], ["dog", "1", "100.00"]]
    assert "AP 62.62   AP50 62.62   AP75 62.62   AP small/medium/large 0.00/100.00/–" in done.out
    assert f"the boxes are those of {files.found}: what found them is not known" in done.out
    assert "paper" not in done.out
    assert "warning" not in done.err


def test_the_record_has_all_numbers(files: Files) -> None:
    record = quietly(files.score("--json")).record
    theirs = official(
        {**TRUTH, "annotations": [with_area(one) for one in TRUTH["annotations"]]}, FOUND
    )
    for name, value in zip(NUMBERS, theirs.numbers, strict=True):
        assert record[name] == (None if value < 0 else pytest.approx(100 * value, abs=1e-9))
    assert (record["predictions"], record["annotations"]) == (str(files.found), str(files.truth))
    assert (record["classes"], record["class_objects"]) == (["cat", "dog"], [2, 1])
    assert (record["images"], record["boxes"], record["notes"]) == (3, 3, [])


@pytest.mark.parametrize(
    ("names", "called"),
    [
        ({"1": "1", "2": "2"}, ("1.jpg", "2.jpg", "3.jpg")),
        ({"1": "one.jpg", "2": "two.jpg"}, ("val/one.jpg", "val/two.jpg", "1.jpg")),
        ({"1": "a/1.jpg", "2": "b/1.jpg"}, ("a/1.jpg", "b/1.jpg", "1.jpg")),
        ({"1": "seen\\1.png", "2": "2.png"}, ("1.jpg", "2.jpg", "3.jpg")),
    ],
)
def test_images_are_found_by_their_names(
    files: Files, names: dict[str, str], called: tuple[str, ...]
) -> None:
    """As `detect` writes them, which numbers pictures from 1 where it knows no better."""
    usual = quietly(files.score("--json")).record
    numbers = {"1": 2, "2": 1}
    found = [
        {**one, "file_name": names[one["file_name"]], "image_id": numbers[one["file_name"]]}
        for one in FOUND
    ]
    images = [{**one, "file_name": name} for one, name in zip(TRUTH["images"], called, strict=True)]
    renumbered = [{**one, "id": 2 + place} for place, one in enumerate(images)]
    objects = [{**one, "image_id": one["image_id"] // 10 + 1} for one in TRUTH["annotations"]]
    for truth in (
        {**TRUTH, "images": images},
        {**TRUTH, "images": renumbered, "annotations": objects},
    ):
        files.write(found, truth)
        record = quietly(files.score("--json")).record
        assert (record["ap"], record["class_ap"]) == (usual["ap"], usual["class_ap"])
        (note,) = record["notes"]
        assert "images are told by file_name: the image_id of" in note
        assert note in quietly(files.score()).out


def test_frames_of_videos_go_by_their_numbers(files: Files) -> None:
    usual = quietly(files.score("--json")).record
    found = [{**one, "file_name": "clip.mp4", "frame": one["image_id"] // 10} for one in FOUND]
    files.write(found, TRUTH)
    record = quietly(files.score("--json")).record
    assert (record["ap"], record["notes"]) == (usual["ap"], [])


def test_a_threshold_ends_with_7(files: Files) -> None:
    assert files.score("--fail-under", "62").code == 0
    done = files.score("--fail-under", "63", "--json")
    assert done.code == 7
    assert done.record["ap"] == pytest.approx(62.62, abs=0.01)
    assert done.err.splitlines()[-1] == "topformer: AP 62.62 is below --fail-under 63"


def test_no_box_at_all_is_a_result(files: Files) -> None:
    files.write([], TRUTH)
    done = quietly(files.score("--json"))
    assert (done.record["ap"], done.record["boxes"]) == (0.0, 0)
    assert f"warning: {files.found} holds no box" in done.err


def test_a_set_without_objects_has_no_score(files: Files) -> None:
    files.write(FOUND, {**TRUTH, "annotations": []})
    done = quietly(files.score())
    assert "AP –   AP50 –" in done.out
    assert files.score("--fail-under", "1").code == 7


def test_boxes_of_a_real_set(shared: Path, tmp_path: Path) -> None:
    truth = shared / "data" / "coco_tiny" / "annotations" / "instances_val2017.json"
    rng = np.random.default_rng(0)
    found = []
    for one in json.loads(truth.read_text())["annotations"]:
        for _ in range(int(rng.integers(0, 3))):
            bbox = np.array(one["bbox"]) + rng.normal(0, 4, 4)
            bbox[2:] = np.abs(bbox[2:])
            category = one["category_id"] if rng.random() > 0.1 else 1
            score = round(float(rng.random()), 2)  # ties occur
            entry = {"image_id": one["image_id"], "category_id": category, "score": score}
            found.append({**entry, "bbox": bbox.tolist()})
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    record = quietly(
        run_cli("eval", "--predictions", path, "--annotations", truth, "--json")
    ).record
    theirs = official(truth, path)
    for name, value in zip(NUMBERS, theirs.numbers, strict=True):
        assert record[name] == pytest.approx(100 * value, abs=1e-9)
    expected = [100 * theirs.class_ap[code] for code in sorted(theirs.class_ap)]
    assert record["class_ap"] == pytest.approx(expected, abs=1e-9)
    assert len(record["classes"]) == 80
