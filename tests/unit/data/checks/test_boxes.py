"""Every kind of fault in a COCO-style set is found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.pictures import noise_image, write_jpeg
from tests.unit.data.checks.conftest import Found, found, only
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Finding
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.boxes import BoxRequest, box_source
from topformer_cli.errors import DataError

Record = dict[str, Any]
Change = Callable[[Record], None]


def record(numbers: range) -> Record:
    """Images of 40x32 with a box each, of the first category and of the second in turn."""
    return {
        "images": [
            {"id": n + 1, "file_name": f"{n:03d}.jpg", "height": 32, "width": 40} for n in numbers
        ],
        "annotations": [
            {"id": n, "image_id": n + 1, "category_id": 1 + 3 * (n % 2), "bbox": [1, 2, 8, 9.5]}
            for n in numbers
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}],
    }


@pytest.fixture
def request_(tmp_path: Path) -> BoxRequest:
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        write_jpeg(tmp_path / "images" / f"{number:03d}.jpg", noise_image(rng, 32, 40))
    (tmp_path / "train.json").write_text(json.dumps(record(range(5))))
    (tmp_path / "val.json").write_text(json.dumps(record(range(5, 8))))
    return BoxRequest(
        name="pets",
        images=tmp_path / "images",
        train=tmp_path / "train.json",
        val=tmp_path / "val.json",
        cache_dir=tmp_path / "cache",
    )


def checked(request: BoxRequest) -> CheckReport:
    faults = list[Finding]()
    source = box_source(request, faults)
    return check(RawSet(source, tuple(faults)))


def change(request: BoxRequest, edit: Change) -> None:
    content = record(range(5))
    edit(content)
    request.train.write_text(json.dumps(content))


def _box(*bbox: float, index: int = 2) -> Change:
    return lambda content: content["annotations"][index].update(bbox=list(bbox))


def _set(kind: str, index: int, name: str, value: Any) -> Change:
    return lambda content: content[kind][index].update({name: value})


def _only_cats(content: Record) -> None:
    for one in content["annotations"]:
        one["category_id"] = 1


BARE: Found = {"no-boxes": ("note", 1)}
"""What an image is whose only box is no box."""
UNLISTED: Found = {"unlisted": ("note", 1)}
"""What the folder is with a picture whose name was taken out of the JSON."""
BROKEN: Found = {"broken-box": ("wrong", 1)} | BARE

NAN, INF = float("nan"), float("inf")
CASES: list[tuple[Change, Found, str]] = [
    (_box(1, NAN, 3, 4), BROKEN, "train.json: annotation 2 (id 2): bbox.1 is nan"),
    (_box(1, 2, INF, 4), BROKEN, "annotation 2 (id 2): bbox.2 is inf"),
    (_set("annotations", 2, "area", NAN), BROKEN, "area is nan"),
    (_box(1, 2, -3, 4), BROKEN, "bbox has a negative size -3 x 4"),
    (_set("annotations", 2, "category_id", 2), {"category": ("wrong", 1)} | BARE, "names"),
    (_set("annotations", 2, "image_id", 99), {"no-image": ("wrong", 1)} | BARE, "names image 99,"),
    (_set("annotations", 2, "area", -1), BROKEN, "area is -1"),
    (_box(1e200, 2, 1e200, 1e200), BROKEN, "bbox has an infinite area: 1e+200 x 1e+200"),
    (_set("images", 2, "id", 1), {"twice": ("wrong", 1), "no-image": ("wrong", 1)}, "image id 1"),
    (_set("annotations", 2, "id", 1), {"twice": ("wrong", 1)}, "annotation id 1 occurs 2 times"),
    (
        _set("images", 2, "file_name", "gone.jpg"),
        {"missing": ("wrong", 1)} | UNLISTED,
        "gone.jpg is missing; add it, or take it out of the JSON",
    ),
    (
        _set("images", 2, "width", 41),
        {"size": ("wrong", 1)},
        "002.jpg is 40x32 and the JSON's size 41x32; correct the size there",
    ),
    (_set("annotations", 2, "iscrowd", 1), {"crowd": ("note", 1)}, "002.jpg has a box marked as"),
    (_box(1, 2, 0, 4), {"empty-box": ("note", 1)}, "002.jpg has a box without area"),
    (_box(1, 2, 0.5, 4), {"tiny-box": ("note", 1)}, "has a box less than a pixel wide or high"),
    (_box(28, 2, 14, 4), {"outside-box": ("note", 1)}, "002.jpg has a box beyond its edges"),
    (_box(-4, 2, 9, 4), {"outside-box": ("note", 1)}, "clip them"),
    (_box(-0.5, -0.5, 41, 33), {}, ""),
    (lambda content: content["annotations"].pop(), {"no-boxes": ("note", 1)}, "004.jpg has no box"),
    (_only_cats, {"absent": ("note", 1)}, "train lacks 1 of 2 classes: dog"),
    (
        _set("images", 2, "file_name", "006.jpg"),
        {"in-two-splits": ("wrong", 1)} | UNLISTED,
        "006.jpg is the same file as",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected", "said"), CASES)
def test_finds_it(request_: BoxRequest, edit: Change, expected: Found, said: str) -> None:
    change(request_, edit)
    report = checked(request_)
    assert found(report) == expected
    if expected:
        assert said in only(report, next(iter(expected)))


@pytest.mark.parametrize("edit", [case[0] for case in CASES])
def test_prepare_refuses_what_is_wrong_in_the_same_words(
    request_: BoxRequest, edit: Change
) -> None:
    change(request_, edit)
    wrong = [line for line in checked(request_).wrong if line.check.kind != "in-two-splits"]
    if not wrong:
        prepare(request_)
        return
    with pytest.raises(DataError) as caught:
        prepare(request_)
    assert any(str(finding) in str(caught.value) for line in wrong for finding in line.findings)


def test_several_boxes_of_an_image_are_one_finding(request_: BoxRequest) -> None:
    def edit(content: Record) -> None:
        for number in range(3):
            content["annotations"].append(
                {"id": 100 + number, "image_id": 1, "category_id": 1, "bbox": [1, 1, 0, number]}
            )

    change(request_, edit)
    report = checked(request_)
    assert found(report) == {"empty-box": ("note", 3)}
    [line] = report.notes
    assert [finding.count for finding in line.findings] == [3]
    assert "has 3 boxes without area" in line.example


def test_one_json_needs_no_validation_part(request_: BoxRequest) -> None:
    faults = list[Finding]()
    alone = BoxRequest(
        name="pets", images=request_.images, train=request_.train, cache_dir=request_.cache_dir
    )
    source = box_source(alone, faults)
    report = check(RawSet(source, tuple(faults)))
    assert (report.images, len(report.lines)) == (5, 18)
    assert found(report) == {"unlisted": ("note", 3)}


def test_an_image_turned_by_its_tag_is_noted(request_: BoxRequest) -> None:
    pixels = np.rot90(noise_image(np.random.default_rng(5), 32, 40), 1).copy()
    write_jpeg(request_.images / "001.jpg", pixels, orientation=6)
    report = checked(request_)
    assert found(report) == {"exif": ("note", 1)}
    assert "fits the JSON's size only when that is applied" in only(report, "exif")


def test_an_empty_and_a_cut_image(request_: BoxRequest) -> None:
    (request_.images / "001.jpg").write_bytes(b"")
    data = (request_.images / "002.jpg").read_bytes()
    (request_.images / "002.jpg").write_bytes(data[:-200])
    assert found(checked(request_)) == {"empty": ("wrong", 1), "unreadable": ("wrong", 1)}
