"""Copies are told from other images by a few bytes each."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.data.checks.alike import CELLS, Cells, likeness, much_alike, same_files
from topformer_cli.data.lint import read_image


def scene(seed: int, height: int = 180, width: int = 240) -> NDArray[np.uint8]:
    """Shapes of many sizes over each other, as a photograph has them."""
    rng = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(60):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(pixels, centre, int(rng.integers(3, 60)), colour, -1)
    return pixels


def encoded(pixels: NDArray[np.uint8], kind: str = "JPEG", quality: int = 90) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return file.getvalue()


def cells(data: bytes) -> Cells:
    return likeness(data, read_image(data, "one")).cells


def pairs(first: list[bytes], second: list[bytes]) -> list[tuple[int, int]]:
    return sorted(
        much_alike(*(np.stack([cells(data) for data in part]) for part in (first, second)))
    )


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "BMP"]),
    quality=st.integers(50, 100),
    share=st.sampled_from([0.5, 1.0]),
)
def test_a_copy_looks_the_same(seed: int, kind: str, quality: int, share: float) -> None:
    pixels = scene(seed, 360, 480)
    copy = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    others = [encoded(scene(seed + number)) for number in range(1, 6)]
    copies = [*others[:2], encoded(np.asarray(copy, np.uint8), kind, quality)]
    assert pairs([encoded(pixels), *others[2:]], copies) == [(0, 2)]


def test_unrelated_images_do_not() -> None:
    images = [encoded(scene(seed)) for seed in range(80)]
    assert pairs(images[:40], images[40:]) == []


def test_plain_images_are_not_compared() -> None:
    plain = [encoded(np.full((60, 80, 3), value, np.uint8)) for value in (0, 128, 255)]
    assert np.isnan(cells(plain[0])).all()
    assert pairs(plain, plain) == []
    assert pairs([encoded(scene(1))], plain) == []


def test_each_image_of_the_larger_part_is_named_once() -> None:
    one, other = encoded(scene(1)), encoded(scene(2))
    assert pairs([one, other, one], [one, one]) in (
        [(0, a), (2, b)] for a in range(2) for b in range(2)
    )
    assert pairs([other], [one, other, other]) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (33, 7), (64, 64), (257, 513)])
def test_images_of_any_size_have_cells(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert cells(encoded(pixels)).shape == (CELLS**2,)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_same_files_are_grouped(values: list[int]) -> None:
    groups = [group.tolist() for group in same_files(np.array(values, np.uint64))]
    assert all(len(group) > 1 and len({values[i] for i in group}) == 1 for group in groups)
    assert sorted(i for group in groups for i in group) == [
        i for i, value in enumerate(values) if values.count(value) > 1
    ]
    assert len(groups) == len({value for value in values if values.count(value) > 1})


def test_real_images_of_two_splits_are_not_alike(shared: Path) -> None:
    folder = shared / "data" / "camvid" / "images"
    train, val = (
        [path.read_bytes() for path in sorted((folder / split).glob("*.jpg"))[::step]]
        for split, step in (("train", 6), ("val", 2))
    )
    assert pairs(train, val) == []
    with Image.open(io.BytesIO(train[3])) as opened:
        copy = np.asarray(opened.resize((240, 180)))
    assert pairs(train, [*val, encoded(copy, quality=60)]) == [(3, len(val))]
