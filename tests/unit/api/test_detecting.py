"""What is said and written of boxes: counts, COCO's results form, numbers of images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.api.detecting import (
    Seen,
    image_ids,
    results_told,
    summary,
    to_json,
    train_ids,
    write_coco_results,
)
from topformer_cli.api.drawing import Drawn
from topformer_cli.engine.box_matches import Detections
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import ModelSpec


def spec(codes: tuple[str, ...] = ("3", "1", "90")) -> ModelSpec:
    return ModelSpec(
        task="detection",
        size="tiny",
        fuse=None,
        classes=("car", "person", "toothbrush"),
        palette=((0, 0, 0),) * 3,
        input_size=(64, 96),
        dataset="mine",
        codes=codes,
    )


def found(*labels: int) -> Detections:
    boxes = np.array([[1.00049, 2.0, 11.0, 22.5]] * len(labels)).reshape(-1, 4)
    return Detections(boxes, np.full(len(labels), 0.87654321), np.array(labels, np.int64))


def seen(name: str, *frames: Detections, announced: int = 0) -> Seen:
    return Drawn(Path(name), Path(f"{name}.out"), frames, announced)


def test_a_class_may_have_commas_in_its_name() -> None:
    card = replace(spec(), classes=("car", "light, red", "light"))
    for given, wanted in (
        ("car", [0]),
        ("light, red", [1]),
        (" LIGHT, red ", [1]),
        ("light,car", [2, 0]),
        ("90, 3", [2, 0]),
    ):
        assert train_ids(given, card) == wanted
    with pytest.raises(UsageError, match=r"--classes 'red': no class of mine"):
        train_ids("car, light, red", card)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (seen("a.jpg", found()), "nothing of score 0.3 or more"),
        (seen("a.jpg", found(0, 1, 0)), "2 car, 1 person"),
        (
            seen("a.mp4", found(0), found(1, 1), found(0)),
            "3 frames, at once at most 2 person, 1 car",
        ),
        (seen("a.MOV", found()), "1 frame, nothing of score 0.3 or more"),
    ],
)
def test_what_was_found_is_told_in_a_line(one: Seen, words: str) -> None:
    assert summary(one, spec(), 0.3) == words


def test_a_line_names_the_most_frequent_classes() -> None:
    many = ModelSpec.from_json(
        {**spec(()).to_json(), "classes": [f"c{n}" for n in range(9)], "palette": [[0, 0, 0]] * 9},
        "it",
    )
    line = summary(seen("a.jpg", found(8, 8, *range(8))), many, 0.3)
    assert line == "2 c8, 1 c0, 1 c1, 1 c2, 1 c3, 1 c4, 3 other classes"


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["000000000139.jpg", "42.png"], [139, 42]),
        (["12.jpg", "street.jpg"], [1, 2]),
        (["12.jpg", "012.png"], [1, 2]),
        (["7.mp4", "9.jpg"], [1, 2, 3]),
    ],
)
def test_images_have_the_numbers_that_they_are_named_by(
    names: list[str], numbers: list[int]
) -> None:
    files = [seen(name, *[found()] * (2 if name.endswith("mp4") else 1)) for name in names]
    assert list(image_ids(files)) == numbers


def test_results_have_cocos_form_and_lose_nothing(tmp_path: Path) -> None:
    files = [seen("a.jpg", found(2)), seen("b.mp4", found(), found(1, 0)), seen("c.jpg", found())]
    write_coco_results(tmp_path / "r.json", files, spec())
    box = {"bbox": [1.0, 2.0, 10.0, 20.5], "score": 0.87654}
    assert json.loads((tmp_path / "r.json").read_text()) == [
        {"image_id": 1, "category_id": 90, **box, "file_name": "a.jpg"},
        {"image_id": 3, "category_id": 1, **box, "file_name": "b.mp4", "frame": 2},
        {"image_id": 3, "category_id": 3, **box, "file_name": "b.mp4", "frame": 2},
    ]
    write_coco_results(tmp_path / "r.json", [seen("a.jpg", found())], spec())
    assert json.loads((tmp_path / "r.json").read_text()) == []


def test_numbers_are_explained(tmp_path: Path) -> None:
    files = [seen("5.jpg", found(2))]
    told = results_told(files, spec())
    assert told == "1 box; image_id: the files' names; category_id: the numbers of mine"
    older = results_told([seen("a.mp4", found(2))], spec(()))
    assert "image_id: pictures and frames from 1 on" in older
    assert "category_id: classes from 1 on, in the card's order" in older
    write_coco_results(tmp_path / "r.json", files, spec(()))
    assert json.loads((tmp_path / "r.json").read_text())[0]["category_id"] == 3


@pytest.mark.parametrize(("read", "is_cut"), [(5, True), (8, True), (9, False), (10, False)])
def test_a_video_that_ends_early_is_told(read: int, is_cut: bool) -> None:
    one = seen("a.mp4", *[found()] * read, announced=10)
    assert (one.cut is not None) == is_cut
    if one.cut:
        assert one.cut.startswith(f"a.mp4 ends after {read} frames, its header tells of 10")


def test_a_record_has_corners_and_frames() -> None:
    record = to_json(seen("a.mp4", found(), found(1), announced=2), spec())
    assert (record["file"], record["frames"], record["announced_frames"]) == ("a.mp4", 2, 2)
    box = {"name": "person", "score": 0.87654, "corners": [1.0, 2.0, 11.0, 22.5]}
    assert record["boxes"] == [{"frame": 2, **box}]
    record = to_json(seen("a.jpg", found(1)), spec())
    assert record == {"file": "a.jpg", "output": "a.jpg.out", "boxes": [box]}
