"""Crop-first augmentation against a plain restatement of the authors' steps."""

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.draws import draw
from tests.fakes.pictures import noise_image
from topformer_cli.data.augment import (
    PAD_COLOUR,
    AugmentSettings,
    augment,
    change_colours,
    choose_colours,
    choose_window,
    fitted_size,
)
from topformer_cli.data.draws import COLOURS, DRAWS

Pixels = NDArray[np.uint8]

GEOMETRY = AugmentSettings(crop=(96, 128), scale=(512, 128), photometric=False)


def scene(seed: int, height: int = 150, width: int = 200) -> tuple[Pixels, Pixels]:
    """A smooth picture, and labels that can be read off its colours."""
    rng = np.random.default_rng(seed)
    image = noise_image(rng, height, width)
    mask = (image[..., 0] // 64).astype(np.uint8)
    mask[:20, :30] = 255
    return image, mask


def drawn(
    image: Pixels, mask: Pixels, settings: AugmentSettings, number: int
) -> tuple[Pixels, Pixels]:
    """Ours with the numbers of one sample."""
    return augment(image, mask, settings, draw(0, number, DRAWS))


def authors(
    image: Pixels, mask: Pixels, settings: AugmentSettings, number: int
) -> tuple[Pixels, Pixels]:
    """Resize all, crop, flip and pad, one after the other."""
    rng = np.random.default_rng((1, number))
    ratio = rng.random() * (settings.ratio[1] - settings.ratio[0]) + settings.ratio[0]
    long, short = int(settings.scale[0] * ratio), int(settings.scale[1] * ratio)
    height, width = mask.shape
    factor = min(long / max(height, width), short / min(height, width))
    size = int(width * factor + 0.5), int(height * factor + 0.5)
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    def box() -> tuple[slice, slice]:
        top = int(rng.integers(0, max(mask.shape[0] - settings.crop[0], 0) + 1))
        left = int(rng.integers(0, max(mask.shape[1] - settings.crop[1], 0) + 1))
        return slice(top, top + settings.crop[0]), slice(left, left + settings.crop[1])

    chosen = box()
    for _ in range(10):
        values, counts = np.unique(mask[chosen], return_counts=True)
        counts = counts[values != 255]
        if len(counts) > 1 and counts.max() / counts.sum() < settings.cat_max_ratio:
            break
        chosen = box()
    image, mask = image[chosen], mask[chosen]
    if rng.random() < settings.flip:
        image, mask = image[:, ::-1], mask[:, ::-1]
    below, right = settings.crop[0] - mask.shape[0], settings.crop[1] - mask.shape[1]
    padding = ((0, below), (0, right))
    image = np.stack(
        [
            np.pad(image[..., c], padding, constant_values=value)
            for c, value in enumerate(PAD_COLOUR)
        ],
        axis=-1,
    )
    return image, np.pad(mask, padding, constant_values=255)


def statistics_of(function: object, draws: int) -> NDArray[np.float64]:
    """Mean colour, padding and label shares of many draws, and the spread of each."""
    assert callable(function)
    rows = []
    for number in range(draws):
        image, mask = scene(number % 7)
        crop, labels = function(image, mask, GEOMETRY, number)
        shares = [np.mean(labels == value) for value in (0, 1, 2, 3, 255)]
        halves = crop[:, :64].mean() - crop[:, 64:].mean()
        rows.append([*crop.mean(axis=(0, 1)), crop.std(), halves, *shares])
    return np.array(rows)


def test_has_the_authors_distribution() -> None:
    ours, theirs = statistics_of(drawn, 1500), statistics_of(authors, 1500)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 1500)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.12)


@pytest.mark.parametrize("seed", range(12))
def test_geometry_is_the_authors_up_to_a_source_pixel(seed: int) -> None:
    """The same window, resized alone or cut from the resized whole, is the same picture."""
    image, mask = scene(seed)
    window = choose_window(mask, GEOMETRY, draw(0, seed, DRAWS))
    rows, columns = window.rows, window.columns
    step_y = window.height / (rows[1] - rows[0])
    step_x = window.width / (columns[1] - columns[0])
    whole = cv2.resize(image, (round(200 * step_x), round(150 * step_y)))
    top, left = round(rows[0] * step_y), round(columns[0] * step_x)
    expected = whole[top : top + window.height, left : left + window.width]
    ours = cv2.resize(window.of(image), (window.width, window.height))[: expected.shape[0]]
    assert np.abs(ours[:, : expected.shape[1]].astype(int) - expected).mean() < 3


@pytest.mark.parametrize("seed", range(8))
def test_labels_stay_on_their_pixels(seed: int) -> None:
    image, mask = scene(seed)
    mask[:] = image[..., 0] // 64
    crop, labels = drawn(image, mask, GEOMETRY, seed)
    inside = labels != 255
    distance = np.abs(crop[..., 0].astype(int) - (labels * 64 + 32))
    assert np.mean(distance[inside] <= 36) > 0.99


def test_pads_below_and_right_with_the_mean_colour() -> None:
    image, mask = scene(0)
    settings = dataclasses.replace(GEOMETRY, ratio=(0.5, 0.5), flip=0.0)
    crop, labels = drawn(image, mask, settings, 0)
    assert np.all(crop[64:] == PAD_COLOUR)
    assert np.all(crop[:, 85:] == PAD_COLOUR)
    assert np.all(labels[64:] == 255)
    assert not np.all(crop[:64, :85] == PAD_COLOUR)


def test_flip_mirrors_both() -> None:
    image, mask = scene(3)
    plain, mirrored = (
        drawn(
            image,
            mask,
            dataclasses.replace(GEOMETRY, ratio=(1.0, 1.0), crop=(128, 171), flip=probability),
            0,
        )
        for probability in (0.0, 1.0)
    )
    assert np.array_equal(plain[0][:, ::-1], mirrored[0])
    assert np.array_equal(plain[1][:, ::-1], mirrored[1])


def test_avoids_crops_of_one_class() -> None:
    mask = np.zeros((200, 800), np.uint8)
    mask[:, 700:] = 1
    mask[:, :8] = 255
    settings = AugmentSettings(crop=(100, 100), scale=(800, 200), ratio=(1.0, 1.0))

    def varied_share(cat_max_ratio: float) -> float:
        chosen = dataclasses.replace(settings, cat_max_ratio=cat_max_ratio)
        windows = [choose_window(mask, chosen, draw(0, n, DRAWS)) for n in range(300)]
        return float(np.mean([len(np.unique(w.of(mask)[w.of(mask) < 255])) > 1 for w in windows]))

    # A single draw is varied with probability about 1/7; eleven draws with the test, 0.5 or more.
    assert varied_share(1.0) < 0.25
    assert varied_share(0.75) > 0.45


def test_an_image_of_one_class_and_a_wholly_ignored_one_still_give_a_crop() -> None:
    for value in (0, 255):
        mask = np.full((300, 300), value, np.uint8)
        image = np.zeros((300, 300, 3), np.uint8)
        crop, labels = drawn(image, mask, GEOMETRY, 1)
        assert crop.shape == (96, 128, 3)
        assert set(np.unique(labels)) <= {value, 255}


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (31, 33)])
def test_takes_images_of_any_shape(shape: tuple[int, int]) -> None:
    image, mask = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    for seed in range(20):
        crop, labels = drawn(image, mask, AugmentSettings(), seed)
        assert crop.shape == (512, 512, 3)
        assert labels.shape == (512, 512)


def test_fitted_size_rounds_as_the_authors_do() -> None:
    assert fitted_size(512, 683, (2048, 512)) == (512, 683)
    assert fitted_size(256, 2000, (2048, 512)) == (262, 2048)
    assert fitted_size(375, 500, (520, 520)) == (390, 520)


def distorted(pixels: Pixels, number: int) -> Pixels:
    """Ours with the numbers of one sample."""
    return change_colours(pixels, choose_colours(draw(2, number, DRAWS)[COLOURS]))


def authors_colours(pixels: Pixels, number: int) -> Pixels:
    """Brightness, contrast, saturation, hue, contrast: each with probability 1/2, step by step."""
    rng = np.random.default_rng((2, number))

    def linear(values: Pixels, factor: float, shift: float) -> Pixels:
        return np.asarray(np.clip(values.astype(np.float32) * factor + shift, 0, 255), np.uint8)

    if rng.integers(2):
        pixels = linear(pixels, 1, rng.uniform(-32, 32))
    first = rng.integers(2)
    if first and rng.integers(2):
        pixels = linear(pixels, rng.uniform(0.5, 1.5), 0)
    if rng.integers(2):
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = linear(hsv[..., 1], rng.uniform(0.5, 1.5), 0)
        pixels = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
    if rng.integers(2):
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + rng.integers(-18, 18)) % 180
        pixels = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
    if not first and rng.integers(2):
        pixels = linear(pixels, rng.uniform(0.5, 1.5), 0)
    return pixels


def test_colours_have_the_authors_distribution() -> None:
    image = noise_image(np.random.default_rng(2), 24, 32)

    def moments(function: object) -> NDArray[np.float64]:
        assert callable(function)
        draws = [function(image.copy(), n) for n in range(3000)]
        return np.array([[*d.mean(axis=(0, 1)), *d.std(axis=(0, 1))] for d in draws])

    ours, theirs = moments(distorted), moments(authors_colours)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / 3000)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * error)
    assert ours.std(axis=0) == pytest.approx(theirs.std(axis=0), rel=0.1)


def test_a_sixteenth_of_the_pictures_keeps_its_colours() -> None:
    image = noise_image(np.random.default_rng(2), 24, 32)
    kept = [np.array_equal(distorted(image, n), image) for n in range(2000)]
    # 1/16, and a little more where a small change rounds away.
    assert 0.045 < np.mean(kept) < 0.095
