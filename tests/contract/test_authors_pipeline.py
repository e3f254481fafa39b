"""Training crops have the distribution of the authors' pipeline, restated in scripts/benchmarks.

Each comparison is of statistics of many independent samples of either side. That it can fail is
shown with pipelines that are changed a little.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.benchmarks import authors_pipeline
from scripts.benchmarks.authors_pipeline import Settings
from tests.fakes.draws import draw
from topformer_cli.data.augment import (
    AugmentSettings,
    Window,
    augment,
    change_colours,
    choose_colours,
    choose_window,
    resized_size,
    varied,
)
from topformer_cli.data.draws import COLOURS, CROP_TRIES, DRAWS, FLIP, RATIO
from topformer_cli.data.labels import IGNORE

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Pictures = list[tuple[Pixels, Pixels]]

OURS = AugmentSettings(crop=(128, 128), scale=(512, 128))
THEIRS = Settings(crop=(128, 128), scale=(512, 128), reduce_zero_label=False)
PLACED, DRAWN = 2000, 600
HISTOGRAM = 0.06
"""Distance of the distributions of levels; equal ones lie 0.03 apart with so few samples."""

BUT_CORNERS = [0, 1, 2, 3, 6, 8]
LIMIT = 4.5
"""Standard errors; one in 10,000 comparisons of equal distributions lies beyond 4."""


def picture(seed: int) -> tuple[Pixels, Pixels]:
    """Regions of a few classes, each of a colour of its own, with shading and grain."""
    rng = np.random.default_rng(seed)
    height, width = (128, 170) if seed % 3 else (190, 140)
    classes = rng.choice(20, rng.integers(2, 6), replace=False)
    fields = [
        cv2.resize(rng.standard_normal((4, 5)).astype(np.float32), (width, height), interpolation=2)
        for _ in classes
    ]
    fields[0] += 0.9  # so that some crops are of one class
    regions = np.argmax(fields, 0)
    shade = cv2.resize(rng.standard_normal((8, 9)).astype(np.float32), (width, height)) * 20
    grain = rng.standard_normal((height, width)) * 6
    pixels = rng.uniform(40, 210, (len(classes), 3))[regions] + (shade + grain)[..., None]
    mask = classes[regions].astype(np.uint8)
    mask[:6] = IGNORE
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Pictures are so small that threads only wait for one another."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return [picture(seed) for seed in range(12)]


def differs(ours: Numbers, theirs: Numbers) -> bool:
    """Say whether means or spreads of samples [n, k] lie further apart than chance has them."""
    error = np.sqrt(ours.var(0) / len(ours) + theirs.var(0) / len(theirs))
    apart = np.abs(ours.mean(0) - theirs.mean(0)) > LIMIT * error + 1e-9
    spreads = [np.abs(one - one.mean(0)) for one in (ours, theirs)]
    error = np.sqrt(sum(one.var(0) / len(one) for one in spreads))
    wider = np.abs(spreads[0].mean(0) - spreads[1].mean(0)) > LIMIT * error + 1e-9
    return bool(apart.any() or wider.any())


def histogram_distance(ours: Pixels, theirs: Pixels) -> float:
    """Return the largest difference of two distributions of levels, over the channels."""
    shares = [
        np.stack([np.bincount(one[..., channel].ravel(), minlength=256) for channel in range(3)])
        / one[..., 0].size
        for one in (ours, theirs)
    ]
    return float(np.abs(np.cumsum(shares[0] - shares[1], axis=1)).max())


def our_geometry(pictures: Pictures, settings: AugmentSettings = OURS) -> Numbers:
    """Scale, corner and kept share of classes of many crops; corners are shares of the margin."""
    rows = []
    for number in range(PLACED):
        _, mask = pictures[number % len(pictures)]
        numbers = draw(0, number, DRAWS)
        height, width = resized_size(mask.shape, settings, float(numbers[RATIO]))
        window = choose_window(mask, settings, numbers)
        top = window.rows[0] * height / mask.shape[0] / max(height - 128, 1)
        left = window.columns[0] * width / mask.shape[1] / max(width - 128, 1)
        rows.append(
            [height, width, window.height, window.width, top, left, *shares(window.of(mask))]
        )
    return np.array(rows)


def their_geometry(pictures: Pictures, settings: Settings = THEIRS) -> Numbers:
    """The same of the authors' steps."""
    rows = []
    for number in range(PLACED):
        image, mask = pictures[number % len(pictures)]
        rng = np.random.default_rng((1, number))
        height, width = authors_pipeline.resized_size(mask.shape, settings, rng)
        _, labels = authors_pipeline.resize(image, mask, (height, width))
        box = authors_pipeline.choose_box(labels, settings, rng)
        cut = authors_pipeline.cut(labels, box)
        top, left = box[0] / max(height - 128, 1), box[2] / max(width - 128, 1)
        rows.append([height, width, *cut.shape, top, left, *shares(cut)])
    return np.array(rows)


def shares(labels: Pixels) -> list[float]:
    """The largest class's share, the ignored share and the number of classes."""
    counts = np.bincount(labels.ravel(), minlength=256)
    known = counts[:IGNORE]
    return [
        known.max() / max(known.sum(), 1),
        counts[IGNORE] / labels.size,
        np.count_nonzero(known),
    ]


@pytest.fixture(scope="module")
def places(pictures: Pictures) -> Numbers:
    return their_geometry(pictures)


def test_scales_and_corners_are_distributed_as_theirs(pictures: Pictures, places: Numbers) -> None:
    # A start is rounded down to a source pixel, half of one on average, of a margin of 64 or so.
    ours = our_geometry(pictures)
    assert not differs(ours[:, BUT_CORNERS], places[:, BUT_CORNERS])
    assert ours[:, 4:6].mean(0) == pytest.approx(places[:, 4:6].mean(0), abs=0.04)
    assert ours[:, 4:6].std(0) == pytest.approx(places[:, 4:6].std(0), rel=0.07)


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(OURS, ratio=(0.5, 1.7)),
        dataclasses.replace(OURS, cat_max_ratio=1.0),
        dataclasses.replace(OURS, cat_max_ratio=0.45),
        dataclasses.replace(OURS, scale=(512, 110)),
    ],
    ids=["ratio", "no test of labels", "stricter test", "scale"],
)
def test_another_geometry_is_noticed(
    pictures: Pictures, places: Numbers, changed: AugmentSettings
) -> None:
    ours = our_geometry(pictures, changed)
    assert differs(ours[:, BUT_CORNERS], places[:, BUT_CORNERS])


def resized_window(mask: Pixels, number: int) -> tuple[Window, Pixels, Pixels]:
    """A window, its labels as we resize them, and those of the same crop of the resized whole."""
    numbers = draw(0, number, DRAWS)
    height, width = resized_size(mask.shape, OURS, float(numbers[RATIO]))
    window = choose_window(mask, OURS, numbers)
    whole = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    # Of the crops that may begin in this source pixel, the first.
    top = int(np.ceil(window.rows[0] * height / mask.shape[0]))
    left = int(np.ceil(window.columns[0] * width / mask.shape[1]))
    theirs = whole[top : top + window.height, left : left + window.width]
    ours = cv2.resize(window.of(mask), (window.width, window.height), interpolation=0)
    return window, np.asarray(ours, np.uint8), np.asarray(theirs, np.uint8)


def agreement(mask: Pixels, shift: int = 0) -> float:
    """The share of equal labels over many windows."""
    equal, compared = 0, 0
    for number in range(60):
        _, ours, theirs = resized_window(mask, number)
        rows, columns = min(len(ours), len(theirs)), min(ours.shape[1], theirs.shape[1])
        inside = ours[shift:rows, :columns] == theirs[: rows - shift, :columns]
        equal, compared = equal + int(inside.sum()), compared + inside.size
    return equal / compared


def test_labels_of_the_same_window_agree(pictures: Pictures) -> None:
    # What differs lies within a source pixel of a border between two regions.
    assert np.mean([agreement(mask) for _, mask in pictures]) > 0.98
    assert np.mean([agreement(mask, shift=3) for _, mask in pictures]) < 0.95


def test_crops_are_accepted_as_theirs(pictures: Pictures) -> None:
    same = []
    for number in range(PLACED):
        _, mask = pictures[number % len(pictures)]
        once = dataclasses.replace(OURS, cat_max_ratio=1.0)
        window = choose_window(mask, once, draw(0, number, DRAWS))
        size = (window.width, window.height)
        cut = np.asarray(cv2.resize(window.of(mask), size, interpolation=0), np.uint8)
        same.append(varied(mask, window, 0.75) == authors_pipeline.accepted(cut, 0.75))
    assert np.mean(same) > 0.98


Sampler = Callable[[Pixels, Pixels, int], tuple[Pixels, Pixels]]


def our_sample(
    image: Pixels, mask: Pixels, number: int, settings: AugmentSettings = OURS
) -> tuple[Pixels, Pixels]:
    return augment(image, mask, settings, draw(2, number, DRAWS))


def their_sample(image: Pixels, mask: Pixels, number: int) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng((3, number))
    cropped, labels = authors_pipeline.crop_and_flip(image[..., ::-1].copy(), mask, THEIRS, rng)
    # Padding comes last, so it keeps its colour: here that of our padding.
    coloured = authors_pipeline.distort(np.ascontiguousarray(cropped), rng)[..., ::-1]
    padded = np.empty((*THEIRS.crop, 3), np.uint8)
    padded[...] = (124, 116, 104)
    padded[: coloured.shape[0], : coloured.shape[1]] = coloured
    return padded, np.asarray(authors_pipeline.pad(labels, THEIRS.crop, IGNORE), np.uint8)


def moments(sampler: Sampler, pictures: Pictures) -> tuple[Numbers, Pixels]:
    """Mean and deviation by channel, shares of labels and symmetry of samples; and some of them."""
    rows, kept = [], []
    for number in range(DRAWN):
        pixels, labels = sampler(*pictures[number % len(pictures)], number)
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., :2]
        middles = [pixels[:, :64].mean() - pixels[:, 64:].mean()]
        means = [*pixels.mean((0, 1)), *pixels.std((0, 1)), *grey.mean((0, 1)), *grey.std((0, 1))]
        rows.append([*means, *middles, *shares(labels)])
        kept.append(pixels[::4, ::4])
    return np.array(rows), np.stack(kept)


@pytest.fixture(scope="module")
def theirs(pictures: Pictures) -> tuple[Numbers, Pixels]:
    return moments(their_sample, pictures)


def test_samples_are_distributed_as_theirs(
    pictures: Pictures, theirs: tuple[Numbers, Pixels]
) -> None:
    numbers, kept = moments(our_sample, pictures)
    assert not differs(numbers, theirs[0])
    assert histogram_distance(kept, theirs[1]) < HISTOGRAM


def colours_twice(image: Pixels, mask: Pixels, number: int) -> tuple[Pixels, Pixels]:
    """A mutation: colours are changed before the crop too."""
    numbers = draw(2, number, DRAWS)
    return augment(change_colours(image, choose_colours(numbers[COLOURS])), mask, OURS, numbers)


def swapped(image: Pixels, mask: Pixels, number: int) -> tuple[Pixels, Pixels]:
    """A mutation: red and blue have changed places."""
    pixels, labels = our_sample(image, mask, number)
    return pixels[..., ::-1].copy(), labels


@pytest.mark.parametrize(
    "changed",
    [
        colours_twice,
        swapped,
        functools.partial(our_sample, settings=dataclasses.replace(OURS, photometric=False)),
    ],
    ids=["colours twice", "swapped", "no colours"],
)
def test_another_distribution_is_noticed(
    pictures: Pictures, theirs: tuple[Numbers, Pixels], changed: Sampler
) -> None:
    numbers, kept = moments(changed, pictures)
    assert differs(numbers, theirs[0])
    if changed in (colours_twice, swapped):
        assert histogram_distance(kept, theirs[1]) > HISTOGRAM


def test_half_of_the_samples_are_mirrored() -> None:
    flips = np.mean([draw(0, number, DRAWS)[FLIP] < OURS.flip for number in range(4000)])
    assert flips == pytest.approx(0.5, abs=0.03)
    assert CROP_TRIES == authors_pipeline.TRIES


def test_real_pictures_are_sampled_as_the_authors_do(shared: Path) -> None:
    folder = shared / "data" / "ade20k_sample"
    if not folder.is_dir():
        pytest.skip("the sample of ADE20K is not beside this checkout")
    real: Pictures = []
    for path in sorted((folder / "images").iterdir()):
        mask = (folder / "annotations" / path.name).with_suffix(".png")
        image = authors_pipeline.load_image(path.read_bytes())[..., ::-1].copy()
        small = (image.shape[1] * 160 // image.shape[0], 160)
        labels: Any = authors_pipeline.load_labels(mask.read_bytes(), reduce_zero_label=True)
        labels = cv2.resize(labels, small, interpolation=cv2.INTER_NEAREST)
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        real.append((image, np.asarray(labels, np.uint8)))
    numbers, kept = moments(our_sample, real)
    expected, others = moments(their_sample, real)
    assert not differs(numbers, expected)
    assert histogram_distance(kept, others) < HISTOGRAM
