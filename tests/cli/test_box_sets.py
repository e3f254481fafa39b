"""Sets of boxes with something wrong, through `data prepare` and `data check`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly
from tests.fakes.box_pictures import make_blocks
from topformer_cli.data.sources.boxes import BoxRequest

Record = dict[str, Any]
Change = Callable[[Record], Any]


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> BoxRequest:
    return make_blocks(tmp_path_factory.mktemp("blocks"), 4, 2)


def words(request: BoxRequest, change: Change, folder: Path) -> list[str | Path]:
    """The options for the set with its training JSON changed."""
    assert request.val is not None
    record = json.loads(request.train.read_text())
    change(record)
    path = folder / "spoilt.json"
    path.write_text(json.dumps(record))
    return ["--images", request.images, "--coco", path, "--coco-val", request.val]


def _box(**values: Any) -> Change:
    return lambda record: record["annotations"][3].update(values)


def _image(**values: Any) -> Change:
    return lambda record: record["images"][1].update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _box(bbox=[1, 2, -4, 5]),
            "annotation 3 (id 23): bbox has a negative size -4 x 5; correct",
        ),
        (_box(bbox=[1, float("nan"), 4, 5]), "annotation 3 (id 23): bbox.1 is nan; correct it or"),
        (
            _box(category_id=77),
            "annotation 3 (id 23) names category 77, which the JSON does not li",
        ),
        (
            _box(image_id=77),
            "annotation 3 (id 23) names image 77, which the JSON does not list; li",
        ),
        (_box(id=10), "spoilt.json: annotation id 10 occurs 2 times; give each annotation its own"),
        (_image(file_name="003.png"), "spoilt.json: file name 003.png occurs 2 times; give each"),
        (_image(file_name="no.png"), "images/no.png is missing; add it, or take it out of the JS"),
        (_image(height=0), "002.png is 128x96 and the JSON's size 128x0; correct the size there"),
        (lambda record: record.update(images=[]), "spoilt.json: no images; give a file that lists"),
        (
            lambda record: record["categories"].append({"id": 4, "name": "x"}),
            "category id 4 occurs",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    blocks: BoxRequest, nowhere: Road, change: Change, said: str
) -> None:
    options = words(blocks, change, nowhere.folder)
    assert said in refused(nowhere.data("prepare", "mine", *options), 3)
    assert not (nowhere.cache / "data" / "mine").exists()
    assert nowhere.data("check", *options).code == 3


def test_what_is_odd_is_kept_and_told(blocks: BoxRequest, nowhere: Road) -> None:
    def change(record: Record) -> None:
        record["annotations"][0]["bbox"] = [5, 5, 0, 9]
        record["annotations"][1]["bbox"] = [100, 5, 900, 9]
        record["annotations"] = [one for one in record["annotations"] if one["image_id"] != 3]

    options = words(blocks, change, nowhere.folder)
    done = quietly(nowhere.data("prepare", "mine", *options))
    said = " ".join(done.err.split())
    assert "warning: a box without area, a box below a pixel, a box beyond the image: train" in said
    assert "warning: 1 of 4 training images have no box: they do not train" in said
    for arguments in (("mine",), tuple(options)):
        checks = {
            one["kind"]: (one["state"], one["count"])
            for one in quietly(nowhere.data("check", *arguments, "--json")).record["checks"]
        }
        assert checks["empty-box"] == checks["outside-box"] == checks["no-boxes"] == ("note", 1)


def test_pictures_that_no_file_lists_are_counted(blocks: BoxRequest, nowhere: Road) -> None:
    def change(record: Record) -> None:
        gone = {one["id"] for one in record["images"][:2]}
        record["images"] = record["images"][2:]
        record["annotations"] = [o for o in record["annotations"] if o["image_id"] not in gone]

    options = words(blocks, change, nowhere.folder)
    done = quietly(nowhere.data("prepare", "mine", *options))
    said = "images holds 2 pictures that no JSON lists, the first: 001.png; list them"
    assert said in " ".join(done.err.split())
    done = quietly(nowhere.data("check", *options, "--json"))
    [line] = [one for one in done.record["checks"] if one["kind"] == "unlisted"]
    assert (line["state"], line["count"]) == ("note", 2)
    done = quietly(nowhere.data("check", *words(blocks, lambda _: None, nowhere.folder), "--json"))
    [line] = [one for one in done.record["checks"] if one["kind"] == "unlisted"]
    assert line["state"] == "ok"


def test_a_set_without_a_box_to_train_on_is_told_before_training(
    blocks: BoxRequest, nowhere: Road
) -> None:
    def crowds_alone(record: Record) -> None:
        for one in record["annotations"]:
            one["iscrowd"] = 1

    said = "no training image of 32 pixels or more has a box of a pixel or more that is no crowd"
    for change in (lambda record: record.update(annotations=[]), crowds_alone):
        options = words(blocks, change, nowhere.folder)
        done = quietly(nowhere.data("prepare", "mine", *options))
        assert f"{said}; `topformer train` will refuse" in " ".join(done.err.split())
        checks = quietly(nowhere.data("check", *options, "--json")).record["checks"]
        [line] = [one for one in checks if one["kind"] == "nothing-to-train"]
        assert line["state"] == "note"
        assert said in line["example"]


def test_a_prepare_that_finished_nothing_leaves_nothing(blocks: BoxRequest, nowhere: Road) -> None:
    def resized(record: Record) -> None:
        for one in record["images"]:
            one["height"] = 500

    images, _, train, *_ = words(blocks, resized, nowhere.folder)[1:]
    options = ("--images", images, "--coco", train, "--val-fraction", "0.5")
    assert nowhere.data("prepare", "mine", *options).code == 3
    assert not list(nowhere.cache.rglob("*.partial"))
