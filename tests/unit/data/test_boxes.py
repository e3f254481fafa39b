"""COCO-style JSON files become boxes, or are refused with the entry that is wrong."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.pictures import noise_image, write_jpeg
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.boxes import BoxRequest, box_source
from topformer_cli.data.sources.source import Boxes
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

Record = dict[str, Any]


def record(numbers: range) -> Record:
    """A small file: categories with gaps in their ids, out of order; one box an image but one."""
    return {
        "images": [
            {"id": 10 * n, "file_name": f"{n:03d}.jpg", "height": 24, "width": 32} for n in numbers
        ],
        "annotations": [
            {"id": n, "image_id": 10 * n, "category_id": 7, "bbox": [1, 2, 3.5, 4]}
            for n in numbers[1:]
        ],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }


def write(path: Path, content: Record | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.fixture
def request_(tmp_path: Path) -> BoxRequest:
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        write_jpeg(images / f"{number:03d}.jpg", noise_image(rng))
    return BoxRequest(
        name="pets",
        images=images,
        train=write(tmp_path / "train.json", record(range(4))),
        val=write(tmp_path / "val.json", record(range(4, 6))),
        cache_dir=tmp_path / "cache",
    )


def test_boxes_take_the_order_of_the_category_ids(request_: BoxRequest) -> None:
    source = box_source(request_)
    assert source.reading.labels.classes == ("cat", "dog")
    assert source.codes == ("3", "7")
    empty, first, *_ = (item.target for item in source.splits["train"])
    assert isinstance(empty, Boxes)
    assert isinstance(first, Boxes)
    assert empty.boxes == ()
    (box,) = first.boxes
    assert (box.category, box.bbox, box.area, box.crowd) == (1, (1.0, 2.0, 3.5, 4.0), 14.0, False)


def test_a_prepared_set_gives_the_boxes_back(request_: BoxRequest) -> None:
    card = prepare(request_)
    assert card.task == "detection"
    assert card.counts == {"train": 4, "val": 2}
    labels = card.splits["train"].labels
    assert (labels.counts, labels.images, labels.empty) == ((0, 3), (0, 3), 1)
    assert labels.objects == (0, 1, 1, 1, 1)
    sample = PreparedSet.open("pets", request_.cache_dir).boxes("train", 2)
    assert (sample.id, sample.image_id) == ("002", 20)
    assert sample.boxes.tolist() == [[1, 2, 3.5, 4]]
    assert sample.categories.tolist() == [1]
    empty = PreparedSet.open("pets", request_.cache_dir).boxes("train", 0)
    assert empty.boxes.shape == (0, 4)
    with pytest.raises(DataError, match="pets holds boxes, not masks"):
        PreparedSet.open("pets", request_.cache_dir).sample("train", 0)


@pytest.mark.parametrize("folder", ["{}", "{}2017", "{}_images"])
def test_images_may_lie_in_a_folder_of_their_split(request_: BoxRequest, folder: str) -> None:
    for split, numbers in (("train", range(4)), ("val", range(4, 6))):
        own = request_.images / folder.format(split)
        own.mkdir()
        for number in numbers:
            (request_.images / f"{number:03d}.jpg").rename(own / f"{number:03d}.jpg")
    assert prepare(request_).counts == {"train": 4, "val": 2}


def test_a_missing_image_is_named_where_it_should_lie(request_: BoxRequest) -> None:
    own = request_.images / "train2017"
    own.mkdir()
    for number in range(4):
        (request_.images / f"{number:03d}.jpg").rename(own / f"{number:03d}.jpg")
    (own / "002.jpg").unlink()
    with pytest.raises(DataError, match=re.escape(f"{own / '002.jpg'} is missing")):
        prepare(request_)


def test_one_file_is_divided_by_its_share(request_: BoxRequest, tmp_path: Path) -> None:
    whole = write(tmp_path / "all.json", record(range(6)))
    request = BoxRequest(
        name="pets",
        images=request_.images,
        train=whole,
        val_fraction=0.34,
        cache_dir=request_.cache_dir,
    )
    splits = box_source(request).splits
    assert {split: len(items) for split, items in splits.items()} == {"train": 4, "val": 2}


def _set(*path: str | int, value: Any) -> Callable[[Record], None]:
    def change(content: Record) -> None:
        target: Any = content
        for part in path[:-1]:
            target = target[part]
        target[path[-1]] = value

    return change


def _drop(*path: str | int) -> Callable[[Record], None]:
    def change(content: Record) -> None:
        target: Any = content
        for part in path[:-1]:
            target = target[part]
        del target[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_drop("categories"), r"train.json: categories: field required"),
        (_drop("annotations", 1, "bbox"), r"annotations.1.bbox: field required"),
        (_set("annotations", 0, "bbox", value=[1, 2, 3]), r"annotations.0.bbox"),
        (
            _set("annotations", 0, "bbox", value=[1, 2, float("nan"), 4]),
            r"annotation 0 \(id 1\): bbox.2 is nan",
        ),
        (_set("annotations", 0, "bbox", value=[1, 2, -3, 4]), r"negative size -3 x 4"),
        (
            _set("annotations", 0, "image_id", value=5),
            "names image 5, which the JSON does not list",
        ),
        (_set("annotations", 0, "category_id", value=5), "names category 5, which the JSON"),
        (_set("images", 1, "id", value=1 << 63), r"images.1.id: input should be less than"),
        (_set("annotations", 0, "id", value=-(1 << 70)), r"annotations.0.id: input should be"),
        (
            lambda content: content["images"][1].pop("width"),
            r"images.1.width: field required, picture 001.jpg; give a COCO-style JSON file",
        ),
        (
            _set("images", 1, "height", value=None),
            r"images.1.height: input should be a valid integer, picture 001.jpg; give",
        ),
        (_set("images", 1, "id", value=0), "image id 0 occurs 2 times; give each image its own"),
        (_set("images", 1, "file_name", value="000.jpg"), "file name 000.jpg occurs 2 times"),
        (_set("annotations", 1, "id", value=1), "annotation id 1 occurs 2 times; give each ann"),
        (_set("annotations", 0, "bbox", value=[1e200, 2, 1e200, 1e200]), "has an infinite area"),
        (_set("annotations", 0, "bbox", value=[1e308] * 4), "has an infinite area"),
        (_set("annotations", 0, "area", value=-2), "area is -2; correct it or take it out"),
        (_set("images", 1, "file_name", value="gone.jpg"), "gone.jpg is missing; add it, or take"),
        (_set("images", 1, "file_name", value="../images/001.jpg"), "outside the folder of images"),
        (_set("images", 1, "file_name", value="/etc/one.jpg"), "outside the folder of images"),
        (_set("categories", 0, "name", value="cat"), "'cat' occurs 2 times"),
        (_set("categories", 0, "id", value=3), "category id 3 occurs 2 times"),
        (_set("categories", value=[]), "no categories"),
        (_set("images", value=[]), "train.json: no images; give a file that lists the images"),
        (_set("images", 1, "id", value="one"), r"images.1.id: input should be a valid integer"),
        (_set("categories", 0, "id", value=8), "its categories are not those of"),
    ],
)
def test_wrong_entries_are_named(
    request_: BoxRequest, change: Callable[[Record], None], expected: str
) -> None:
    content = record(range(4))
    change(content)
    write(request_.train, content)
    with pytest.raises(DataError, match=expected):
        box_source(request_)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b'{"images": 3}'])
def test_what_is_no_such_file_is_refused(request_: BoxRequest, content: bytes) -> None:
    write(request_.train, content)
    with pytest.raises(DataError, match=r"train.json: .*give a COCO-style JSON file"):
        box_source(request_)


def test_a_wrong_size_in_the_json_is_found_when_the_image_is_read(request_: BoxRequest) -> None:
    content = record(range(4))
    content["images"][2]["width"] = 33
    write(request_.train, content)
    with pytest.raises(DataError, match=r"002.jpg is 32x24 .*33x24"):
        prepare(request_)


def test_a_byte_order_mark_and_a_null_crowd_are_taken(request_: BoxRequest) -> None:
    content = record(range(4))
    content["annotations"][0]["iscrowd"] = None
    write(request_.train, b"\xef\xbb\xbf" + json.dumps(content).encode())
    assert prepare(request_).splits["train"].labels.ignored == 0


def test_needs_a_validation_part(request_: BoxRequest) -> None:
    with pytest.raises(DataError, match="either --coco-val JSON or --val-fraction"):
        box_source(dataclasses.replace(request_, val=None))


@pytest.mark.parametrize(
    ("bbox", "said"),
    [
        ([1, 2, 0, 4], "a box without area: training clips them or leaves them out"),
        ([1, 2, 0.5, 4], "a box below a pixel: training"),
        ([30, 2, 20, 4], "a box beyond the image: training"),
        ([900, 2, 0, 4], "a box without area, a box beyond the image: training"),
    ],
)
def test_odd_boxes_are_kept_with_a_warning(
    request_: BoxRequest, bbox: list[float], said: str
) -> None:
    content = record(range(4))
    content["annotations"][0]["bbox"] = bbox
    write(request_.train, content)
    card = prepare(request_)
    assert [said in text for text in card.warnings].count(True) == 1
    assert PreparedSet.open("pets", request_.cache_dir).boxes("train", 1).boxes.tolist() == [bbox]


def test_images_without_boxes_are_kept_and_told(request_: BoxRequest) -> None:
    assert "1 of 4 training images have no box: they do not train" in prepare(request_).warnings
