"""What is wrong with files to be scored: one line that names the value, the place, the remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import run_cli
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly
from tests.fakes.coco_oracle import official
from tests.fakes.scored_files import FOUND, TRUTH, Files, with_area

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


Spoil = Callable[[Files], Any]


def _entry(index: int, **values: Any) -> Spoil:
    """Change an entry of the results; None takes a key away."""

    def spoil(files: Files) -> None:
        found = [dict(one) for one in FOUND]
        found[index].update(values)
        found = [{k: v for k, v in one.items() if v is not None} for one in found]
        files.write(found, TRUTH)

    return spoil


def _nameless(index: int, **values: Any) -> Spoil:
    """Change an entry of results without file names, of which COCO's form says nothing."""

    def spoil(files: Files) -> None:
        found = [{k: v for k, v in one.items() if k != "file_name"} for one in FOUND]
        found[index].update(values)
        files.write(found, TRUTH)

    return spoil


def _all(**values: Any) -> Spoil:
    return lambda files: files.write(5 * [{**one, **values} for one in FOUND], TRUTH)


def _truth(**values: Any) -> Spoil:
    return lambda files: files.write(FOUND, {**TRUTH, **values})


def _images(*names: str) -> Spoil:
    """Call the annotated images otherwise."""
    images = [{**one, "file_name": name} for one, name in zip(TRUTH["images"], names, strict=True)]
    return _truth(images=images)


def _object(index: int, **values: Any) -> Spoil:
    objects = [dict(one) for one in TRUTH["annotations"]]
    objects[index].update(values)
    return _truth(annotations=objects)


RESULTS: list[tuple[Spoil, str]] = [
    (lambda files: files.found.unlink(), "found.json cannot be read (No such file or directory); "),
    (lambda files: files.found.write_text("AP 3"), "found.json: the file: invalid json: "),
    (lambda files: files.found.write_text(""), "found.json: the file: invalid json: "),
    (lambda files: files.found.write_text("3"), "found.json: the file: input should be a valid "),
    (lambda files: files.write(TRUTH, TRUTH), "found.json is an object, as annotations are; give "),
    (lambda files: files.write([3], TRUTH), "found.json: 0: input should be an object; give COCO"),
    (_entry(1, score=None), "entries without score: 1 of 3 (entry 1); give COCO's results: a list"),
    (_entry(1, bbox=None), "entries without bbox: 1 of 3 (entry 1); give"),
    (_entry(1, image_id=None), "entries without image_id: 1 of 3 (entry 1); give"),
    (_entry(1, category_id=None), "entries without category_id: 1 of 3 (entry 1); give"),
    (
        _entry(2, bbox=None, segmentation={"size": [100, 200], "counts": "abc"}),
        "entries with a segmentation and no bbox: 1 of 3 (entry 2); these are results of masks; ",
    ),
    (
        _entry(1, bbox=[1, 2, 3]),
        "found.json: 1.bbox.3: field required, picture 1; give COCO's results",
    ),
    (_entry(1, score="high"), "found.json: 1.score: input should be a valid number"),
    (_entry(1, image_id="one.jpg"), "found.json: 1.image_id: input should be a valid integer"),
    (_entry(1, image_id=1 << 63), "found.json: 1.image_id: input should be less than"),
    (
        _entry(1, bbox=[1, NAN, 3, 4]),
        "boxes that are none: 1 of 3 (entry 1: bbox.1 is nan); bbox is [left, top, width, height]",
    ),
    (_entry(1, bbox=[1, 2, INF, 4]), "(entry 1: bbox.2 is inf); "),
    (_entry(1, bbox=[1, 2, -3, 4]), "(entry 1: bbox has a negative size -3 x 4); "),
    (_entry(1, bbox=[1, 2, 1e200, 1e200]), "(entry 1: bbox has an infinite area: 1e+200 x "),
    (_entry(0, score=NAN), "scores that are none: 1 of 3 (entry 0: score is nan); a score is"),
    (_entry(0, score=-INF), "scores that are none: 1 of 3 (entry 0: score is -inf); a score is"),
    (
        _nameless(2, image_id=11),
        "1 of 3 (entry 2: image 11); give the annotations that these boxes were made for",
    ),
    (
        _all(image_id=0, file_name=None),
        "does not list: 15 of 15 (entry 0: image 0, entry 1: image 0, entry 2: image 0, ...); ",
    ),
    (
        _entry(2, category_id=1),
        "1 of 3 (entry 2: category 1); use the ids of its `categories`, such as 3",
    ),
    (_entry(1, file_name=None), "without a picture's file_name: 1 of 3 (entry 1); give it to all"),
    (
        _entry(2, file_name="8.jpg"),
        "boxes of files that TRUTH does not list: 1 of 3 (entry 2: '8.jpg', image 20); give the "
        "annotations that these boxes were made for, or take file_name out to go by image_id, if",
    ),
    (
        _entry(2, file_name="8.jpg", image_id=8),
        "boxes of files that TRUTH does not list, nor all the image ids: 1 of 3 (entry 2: '8.jpg', "
        "image 8); give the annotations that these boxes were made for",
    ),
    (
        _entry(2, image_id=10),
        "boxes whose file_name and image_id contradict each other: 3 of 3 (entry 0: '1', image 10,",
    ),
    (
        _entry(1, image_id=30),
        "boxes whose file_name and image_id contradict each other: 2 of 3 (entry 0: '1', image 10,",
    ),
    (
        _images("a/1.jpg", "b/1.jpg", "2.jpg"),
        "boxes of file names that several images of TRUTH have: 2 of 3 (entry 0: '1', entry 1: '1')"
        "; give file_name with its folders, or take it out to go by image_id",
    ),
]
"""What is wrong with results, and what is said of it."""

ANNOTATIONS: list[tuple[Spoil, str]] = [
    (lambda files: files.truth.unlink(), "truth.json cannot be read (No such file or directory)"),
    (lambda files: files.truth.write_text("{"), "truth.json: the file: invalid json: "),
    (lambda files: files.write(FOUND, FOUND), "truth.json is a list, as results are; give the ann"),
    (lambda files: files.write(FOUND, {}), "truth.json: images: field required (and 2 more); give"),
    (_truth(images=[]), "truth.json: no images; give a file that lists the images of its boxes"),
    (_truth(images=[*TRUTH["images"]] * 2), "image id 10 occurs 2 times (and 2 more problems); "),
    (_truth(categories=[]), "truth.json: no categories; give each category its own name and id"),
    (
        _truth(categories=[*TRUTH["categories"], {"id": 3, "name": "cow"}]),
        "truth.json: category id 3 occurs 2 times; give each category its own name and id",
    ),
    (
        _truth(categories=[*TRUTH["categories"], {"id": 4, "name": "cat"}]),
        "truth.json: category 'cat' occurs 2 times; give each category its own name and id",
    ),
    (_object(1, id=7), "truth.json: annotation id 7 occurs 2 times; give each annotation its own"),
    (_object(1, image_id=40), "annotation 1 (id 6) names image 40, which the JSON does not list; "),
    (_object(1, category_id=1), "annotation 1 (id 6) names category 1, which the JSON does not li"),
    (_object(1, bbox=[1, 2, -3, 4]), "annotation 1 (id 6): bbox has a negative size -3 x 4; corr"),
    (_object(1, bbox=[1, 2, NAN, 4]), "annotation 1 (id 6): bbox.2 is nan; correct it or take it"),
    (_object(1, area=INF), "annotation 1 (id 6): area is inf; correct it or take it out"),
    (
        _truth(annotations=[{**one, "image_id": 1} for one in TRUTH["annotations"]]),
        "annotation 0 (id 5) names image 1, which the JSON does not list (and 2 more problems); ",
    ),
]


@pytest.mark.parametrize(("spoil", "said"), [*RESULTS, *ANNOTATIONS])
def test_wrong_files_are_told_in_one_line(files: Files, spoil: Spoil, said: str) -> None:
    spoil(files)
    line = refused(files.score(), 3)
    assert said.replace("TRUTH", str(files.truth)) in line
    assert str(files.found) in line or str(files.truth) in line


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_entry(2, bbox=[50, 50, 0, 20]), "1 of 3 boxes are without area: they count as wrong"),
        (_nameless(2, image_id=10), "in 1 of 2 images with objects there is no box at all"),
        (_all(bbox=[10, 50, 60, 90]), "15 of 15 boxes leave their images: bbox should be left, to"),
        (_all(bbox=[0.1, 0.1, 0.5, 0.5]), "no box is larger than a pixel: bbox should be in pixe"),
        (_object(1, bbox=[1, 2, 3, 0]), "1 of 3 annotated boxes are without area, which no box c"),
        (_object(1, bbox=[190, 2, 30, 9]), "1 of 3 annotated boxes are beyond the edges of thei"),
    ],
)
def test_what_is_only_odd_is_scored_and_noted(files: Files, spoil: Spoil, said: str) -> None:
    spoil(files)
    record = quietly(files.score("--json")).record
    assert [said in note for note in record["notes"]].count(True) == 1
    assert said in quietly(files.score()).out
    found = json.loads(files.found.read_text())
    truth = json.loads(files.truth.read_text())
    truth["annotations"] = [with_area(one) for one in truth["annotations"]]
    assert record["ap"] == pytest.approx(100 * official(truth, found).numbers[0], abs=1e-9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--weights", "WEIGHTS"), "--weights: of no use with --predictions, which is scored"),
        (("runs/train/latest",), "TARGET: of no use with --predictions"),
        (("--size", "tiny", "--device", "cpu"), "--size, --device: of no use with --predictions"),
        (("--split", "val"), "--split: of no use"),
        (("--dataset", "coco"), "--dataset: of no use"),
        (("--partial-weights",), "--partial-weights: of no use"),
    ],
)
def test_what_names_a_network_does_not_go_with_it(
    files: Files, words: tuple[str, ...], said: str
) -> None:
    given = [files.found if word == "WEIGHTS" else word for word in words]
    assert said in refused(files.score(*given), 2)


def test_one_file_needs_the_other(files: Files) -> None:
    line = refused(run_cli("eval", "--predictions", files.found), 2)
    assert "found.json: needs --annotations JSON, to hold the boxes against" in line
    line = refused(run_cli("eval", "--annotations", files.truth), 2)
    assert "truth.json: needs --predictions JSON, the boxes to score" in line


def test_a_threshold_is_a_number(files: Files) -> None:
    done = files.score("--fail-under", "nan")
    assert done.code == 2
    assert "expected a finite number" in " ".join(done.err.split())
