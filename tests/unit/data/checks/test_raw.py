"""Every kind of fault in folders of images and masks is found, by a real file made wrong."""

import dataclasses
import os
import shutil
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.fakes import broken
from tests.fakes.broken import Break, image, mask
from tests.fakes.pictures import COLOURS, noise_image, noise_mask
from tests.unit.data.checks.conftest import Found, checked, found, only
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.custom import FolderRequest, folder_source
from topformer_cli.errors import DataError

CASES: list[tuple[Break, Found, str]] = [
    (broken.without_mask, {"no-mask": ("wrong", 1)}, "images/train/train_0001.jpg has no mask"),
    (broken.without_image, {"no-image": ("wrong", 1)}, "train_0001.png has no image"),
    (broken.of_one_stem, {"twice": ("wrong", 1)}, "has the same stem as train_0001.jpeg"),
    (broken.empty_image, {"empty": ("wrong", 1)}, "images/train/train_0001.jpg is empty"),
    (broken.empty_mask, {"empty": ("wrong", 1)}, "masks/train/train_0001.png is empty"),
    (broken.cut_image, {"unreadable": ("wrong", 1)}, "train_0001.jpg cannot be read"),
    (broken.cut_mask, {"unreadable": ("wrong", 1)}, "train_0001.png cannot be read"),
    (broken.no_image, {"unreadable": ("wrong", 1)}, "train_0001.jpg cannot be read"),
    (broken.dangling, {"unreadable": ("wrong", 1)}, "(No such file or directory)"),
    (broken.turned, {"exif": ("note", 1)}, "orientation 6 and fits its mask only when that is"),
    (broken.wrongly_tagged, {"exif": ("note", 1)}, "orientation 6 and fits its mask as it is"),
    (broken.upside_down, {"exif": ("wrong", 1)}, "EXIF orientation 3 and its mask fits both ways"),
    (broken.other_size, {"size": ("wrong", 1)}, "is 32x24 and its mask 31x24"),
    (broken.jpeg_mask, {"mask-format": ("wrong", 1)}, "is not a PNG file; save masks as 8-bit"),
    (broken.colours, {"mask-colours": ("note", 1)}, "in colours, each of which has a class"),
    (broken.unknown_colour, {"mask-colours": ("wrong", 1)}, "colour 9,8,7 (3 pixels, 1 such"),
    (broken.sixteen_bits, {"mask-16-bit": ("wrong", 1)}, "has 16 bits a value; save it as"),
    (broken.one_bit, {"mask-bits": ("wrong", 1)}, "is a grey PNG with 1 bit a value"),
    (broken.two_bits, {"mask-bits": ("wrong", 1)}, "is a grey PNG with 2 bits a value"),
    (broken.four_bits, {"mask-bits": ("wrong", 1)}, "is a grey PNG with 4 bits a value"),
    (broken.opaque_alpha, {"mask-alpha": ("wrong", 1)}, "is a grey PNG with an alpha channel"),
    (broken.unknown_ids, {"ids": ("wrong", 1)}, "value 7 (5 pixels) outside the 3 classes (0 to"),
    (
        broken.from_one,
        {"ids": ("wrong", 8), "off-by-one": ("wrong", 8), "absent": ("note", 2)},
        "and 0 in none: they count from 1; begin the class list with a line for 0",
    ),
    (
        broken.one_more,
        {"ids": ("wrong", 1), "off-by-one": ("wrong", 1)},
        "add --ignore 0; if 3 is a class, add its name to the list",
    ),
    (broken.all_ignored, {"all-ignored": ("note", 1)}, "has no pixel of any class"),
    (broken.mostly_ignored, {"ignored": ("note", 1)}, "val has 58.3% of its pixels ignored"),
    (broken.absent_class, {"absent": ("note", 1)}, "val lacks 1 of 3 classes: car"),
    (broken.in_two_splits, {"in-two-splits": ("wrong", 1)}, "val_0001.jpg is the same file as"),
    (broken.saved_again, {"similar": ("note", 1)}, "val/val_0001.jpg looks like"),
    (broken.twice, {"repeated": ("note", 1)}, "train_0003.jpg is the same file as"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "expected", "said"), CASES)
def test_finds_it_and_nothing_else(
    request_: FolderRequest, damage: Break, expected: Found, said: str
) -> None:
    damage(request_)
    report = checked(request_)
    assert found(report) == expected
    assert said in only(report, "off-by-one" if "off-by-one" in expected else next(iter(expected)))
    assert report.images in (7, 8)


@pytest.mark.parametrize("damage", [case[0] for case in CASES])
def test_prepare_refuses_what_is_wrong_in_the_same_words(
    request_: FolderRequest, damage: Break
) -> None:
    damage(request_)
    report = checked(request_)
    per_file = {line.check.kind for line in report.wrong} - {"off-by-one", "in-two-splits"}
    if not per_file:
        prepare(request_)
        return
    with pytest.raises(DataError) as caught:
        prepare(request_)
    for line in report.wrong:
        if line.check.kind in per_file:
            assert str(line.findings[0]) in str(caught.value)


def test_a_sound_set_has_a_line_for_every_check(request_: FolderRequest) -> None:
    report = checked(request_)
    assert found(report) == {}
    assert report.images == 8
    assert len(report.lines) == 21
    assert {line.count for line in report.lines} == {0}
    [ignored] = [line for line in report.lines if line.check.kind == "ignored"]
    assert ignored.example == "train 0.0%, val 0.0%"


def test_finds_all_that_is_wrong_with_one_pair(request_: FolderRequest) -> None:
    broken.cut_image(request_)
    broken.sixteen_bits(request_)
    broken.twice(request_)
    broken.in_two_splits(request_)
    assert found(checked(request_)) == {
        "unreadable": ("wrong", 3),
        "mask-16-bit": ("wrong", 1),
    }


def test_colours_without_a_class_list_of_colours_are_wrong(request_: FolderRequest) -> None:
    broken.colours(request_)
    report = checked(dataclasses.replace(request_, classes="sky,road,car"))
    assert found(report) == {"mask-colours": ("wrong", 1)}
    assert "give every class its colour" in only(report, "mask-colours")


def _palette(request: FolderRequest) -> None:
    values = noise_mask(np.random.default_rng(3))
    picture = Image.new("P", (32, 24))
    picture.putdata(values.ravel().tolist())
    picture.putpalette([value for colour in COLOURS for value in colour])
    for bits in (2, 8):
        picture.save(mask(request, f"train/train_000{bits // 4}"), bits=bits)


def _converted(mode: str) -> Break:
    def change(request: FolderRequest) -> None:
        pixels = noise_image(np.random.default_rng(4))
        Image.fromarray(pixels).convert(mode).save(image(request))

    return change


def _progressive(request: FolderRequest) -> None:
    Image.fromarray(noise_image(np.random.default_rng(4))).save(image(request), progressive=True)


def _suffix(suffix: str) -> Break:
    def change(request: FolderRequest) -> None:
        pixels = noise_image(np.random.default_rng(4))
        image(request).unlink()
        Image.fromarray(pixels).save(image(request).with_suffix(suffix))
        mask(request).rename(
            mask(request).with_suffix(suffix.upper() if suffix == ".PNG" else ".png")
        )

    return change


def _unicode(request: FolderRequest) -> None:
    for root, suffix in ((request.images, ".jpg"), (request.masks, ".png")):
        folder = root / "train" / "Straße am Fluß"
        folder.mkdir()
        (root / f"train/train_0001{suffix}").rename(folder / f"図 1{suffix}")


def _symlinked(request: FolderRequest) -> None:
    elsewhere = request.images.parent / "elsewhere"
    (request.images / "train").rename(elsewhere)
    (request.images / "train").symlink_to(elsewhere)
    for path in sorted((request.masks / "val").iterdir()):
        moved = elsewhere.parent / path.name
        path.rename(moved)
        path.symlink_to(os.path.relpath(moved, path.parent))


def _hidden(request: FolderRequest) -> None:
    for root, suffix in ((request.images, ".jpg"), (request.masks, ".png")):
        (root / f"train/._train_0001{suffix}").write_bytes(b"\0\5\26\7")
        (root / "train/.DS_Store").write_bytes(b"\0")
        (root / "train/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
        (root / ".cache").mkdir()
        (root / f".cache/other{suffix}").write_bytes(b"")


@pytest.mark.parametrize(
    "change",
    [
        _palette,
        _converted("L"),
        _converted("CMYK"),
        _progressive,
        _suffix(".JPG"),
        _suffix(".PNG"),
        _suffix(".webp"),
        _unicode,
        _symlinked,
        _hidden,
    ],
)
def test_finds_nothing_in_what_is_fine(
    request_: FolderRequest, change: Callable[[FolderRequest], None]
) -> None:
    change(request_)
    assert found(checked(request_)) == {}
    assert prepare(request_).counts == {"train": 5, "val": 3}


def test_a_loop_of_links_ends(request_: FolderRequest) -> None:
    (request_.images / "train" / "again").symlink_to(request_.images)
    assert found(checked(request_)) == {}


def test_a_flat_folder_needs_no_division(request_: FolderRequest) -> None:
    flat = dataclasses.replace(
        request_, images=request_.images / "train", masks=request_.masks / "train"
    )
    broken.unknown_ids(request_)
    broken.twice(request_)
    report = checked(flat)
    assert report.images == 5
    assert found(report) == {"ids": ("wrong", 1), "repeated": ("note", 1)}
    assert "train_0001.png: mask value 7" in only(report, "ids")
    kinds = {line.check.kind for line in report.lines}
    assert not kinds & {"in-two-splits", "similar", "count", "missing"}


def test_a_folder_without_masks_is_one_finding(request_: FolderRequest) -> None:
    shutil.rmtree(request_.masks / "train")
    (request_.masks / "train").mkdir()
    report = checked(request_)
    assert found(report) == {"no-mask": ("wrong", 1)}
    assert report.images == 3


def test_progress_comes_to_the_number_of_images(request_: FolderRequest) -> None:
    calls: list[tuple[str, int, int]] = []
    check(RawSet(folder_source(request_, [])), lambda *now: calls.append(now))
    assert calls[-1] == ("check", 8, 8)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)
