"""Crops of images with one class: where they lie, how large they are, and what evaluation sees."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fakes.pictures import noise_image
from topformer_cli.data.class_augment import (
    ClassAugmentSettings,
    augment_image,
    centre_input,
    choose_crop,
    erase,
    mix_pairs,
)

SIDES = st.integers(1, 900)


class Centre:
    """The protocol of ImageNet, or a small one."""

    def __init__(self, short_side: int = 256, crop: tuple[int, int] = (224, 224)) -> None:
        self.short_side, self.crop = short_side, crop


@given(height=SIDES, width=SIDES, seed=st.integers(0, 99))
def test_crops_lie_within_the_image(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = choose_crop((height, width), ClassAugmentSettings(), rng)
    assert 0 <= rows[0] < rows[1] <= height
    assert 0 <= columns[0] < columns[1] <= width


def test_area_and_ratio_are_drawn_from_their_ranges() -> None:
    settings = ClassAugmentSettings(area=(0.2, 0.5), ratio=(0.5, 2.0))
    rng = np.random.default_rng(0)
    areas, ratios, middles = [], [], []
    for _ in range(2000):
        (top, bottom), (left, right) = choose_crop((400, 500), settings, rng)
        areas.append((bottom - top) * (right - left) / 200_000)
        ratios.append((right - left) / (bottom - top))
        middles.append((top + bottom) / 2 / 400)
    assert min(areas) == pytest.approx(0.2, abs=0.01)
    assert max(areas) == pytest.approx(0.5, abs=0.01)
    assert np.mean(areas) == pytest.approx(0.35, abs=0.02)
    assert (min(ratios), max(ratios)) == (pytest.approx(0.5, abs=0.02), pytest.approx(2, abs=0.08))
    assert np.mean(np.log(ratios)) == pytest.approx(0, abs=0.05)
    assert np.mean(middles) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("size", "expected"), [((10, 900), 4 / 3), ((900, 10), 3 / 4)])
def test_long_images_give_their_middle(size: tuple[int, int], expected: float) -> None:
    settings = ClassAugmentSettings(area=(0.9, 1.0))
    rows, columns = choose_crop(size, settings, np.random.default_rng(0))
    assert (columns[1] - columns[0]) / (rows[1] - rows[0]) == pytest.approx(expected, rel=0.06)
    for span, side in ((rows, size[0]), (columns, size[1])):
        assert span[0] + span[1] == pytest.approx(side, abs=1)


def test_a_training_crop_has_its_size_and_depends_on_the_generator_alone() -> None:
    image = noise_image(np.random.default_rng(0), 60, 80)
    settings = ClassAugmentSettings(crop=(32, 64))
    first, again, other = (
        augment_image(image, settings, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (first.shape, first.dtype) == ((32, 64, 3), np.uint8)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_whole_image_and_nothing_else_is_the_image_itself() -> None:
    image = noise_image(np.random.default_rng(0), 64, 64)
    whole = ClassAugmentSettings(
        crop=(64, 64), area=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, photometric=False
    )
    assert np.array_equal(augment_image(image, whole, np.random.default_rng(0)), image)
    turned = ClassAugmentSettings(
        crop=(64, 64), area=(1.0, 1.0), ratio=(1.0, 1.0), flip=1.0, photometric=False
    )
    assert np.array_equal(augment_image(image, turned, np.random.default_rng(0)), image[:, ::-1])


def test_a_rectangle_becomes_noise_and_nothing_else_changes() -> None:
    image = np.full((100, 120, 3), 7, np.uint8)
    areas = []
    for seed in range(40):
        erased = erase(image, np.random.default_rng(seed))
        changed = (erased != 7).any(2)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        box = erased[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.array_equal(np.delete(erased[:, 0], np.s_[rows[0] : rows[-1] + 1], 0).max(), 7)
        assert changed.sum() >= 0.98 * box[:, :, 0].size
        areas.append(box[:, :, 0].size / changed.size)
    assert (image == 7).all()
    assert 0.015 < min(areas) < 0.1 < 0.25 < max(areas) < 0.34
    noise = erase(np.zeros((600, 600, 3), np.uint8), np.random.default_rng(3))
    inside = noise[noise.any(2)]
    assert inside.mean(0) == pytest.approx([123.7, 116.3, 103.5], abs=3)
    assert inside.std(0) == pytest.approx([57, 56, 55], abs=3)


def test_erasing_happens_as_often_as_the_settings_say() -> None:
    image = np.full((32, 32, 3), 7, np.uint8)
    settings = ClassAugmentSettings(crop=(32, 32), photometric=False, erase=0.2)
    rng = np.random.default_rng(0)
    erased = [bool((augment_image(image, settings, rng) != 7).any()) for _ in range(1000)]
    assert np.mean(erased) == pytest.approx(0.2, abs=0.04)


def test_neighbours_are_mixed_by_their_shares() -> None:
    images = [np.full((2, 2, 3), value, np.uint8) for value in (0, 200, 10, 110, 30)]
    mixed = mix_pairs(images, [0.25, 0.25, 1.0, 1.0, 0.5])
    assert [int(one[0, 0, 0]) for one in mixed] == [150, 50, 10, 110, 30]
    assert {one.dtype for one in mixed} == {np.dtype(np.uint8)}


def test_shrinking_takes_means() -> None:
    board = np.indices((128, 128)).sum(0) % 2 * 255
    image = np.repeat(board[:, :, None], 3, 2).astype(np.uint8)
    settings = ClassAugmentSettings(
        crop=(32, 32), area=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, photometric=False
    )
    small = augment_image(image, settings, np.random.default_rng(0))
    assert set(np.unique(small)) <= {127, 128}


@given(height=st.integers(20, 500), width=st.integers(20, 500))
def test_evaluation_sees_the_centre_of_the_resized_image(height: int, width: int) -> None:
    image = noise_image(np.random.default_rng(0), height, width)
    found = centre_input(image, Centre(73, (64, 32)))
    # As torchvision does: the long side is cut to whole pixels, the crop's corner is rounded.
    short = min(height, width)
    size = (int(73 * height / short), int(73 * width / short))
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    top, left = round((size[0] - 64) / 2.0), round((size[1] - 32) / 2.0)
    expected = np.asarray(resized.crop((left, top, left + 32, top + 64)))
    assert math.isclose(height / width, size[0] / size[1], rel_tol=0.05)
    assert np.array_equal(found, expected)
    assert found.flags.c_contiguous


def test_imagenets_protocol_gives_224() -> None:
    assert centre_input(np.zeros((375, 500, 3), np.uint8), Centre()).shape == (224, 224, 3)
