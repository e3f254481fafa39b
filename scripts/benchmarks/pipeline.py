"""Images/s per core of the input pipeline against the authors' steps (authors_pipeline.py).

    python scripts/benchmarks/pipeline.py [IMAGES] [ROUNDS]

One thread, CPU time, every row in every round; medians of the rounds' ratios. No collation and no
transfer between processes is in any row. A step of a batch needs what the rows say is left. How
often the authors test a crop for its largest class depends on the pictures, so it is printed.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from PIL import Image

from scripts.benchmarks import authors_pipeline, photos
from topformer_cli.data.augment import AugmentSettings
from topformer_cli.data.decoded import DecodedSet
from topformer_cli.data.draws import sample_generator
from topformer_cli.data.prepare import prepare
from topformer_cli.data.samples import MaskSamples
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import Normalise

Row = Callable[[int, int], object]
"""Makes the sample of an image in a round."""


def write_pictures(folder: Path, count: int) -> None:
    """Write a custom set as ADE20K's files are: JPEG of quality 90 to 95, masks by Pillow."""
    rng = np.random.default_rng(0)
    for number, (pixels, ids) in enumerate(photos.pictures(count + 1)):
        split = "train" if number else "val"
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(
            folder / "images" / split / f"{number:06d}.jpg",
            quality=int(rng.integers(90, 96)), subsampling=2,
        )  # fmt: skip
        Image.fromarray(ids).save(folder / "masks" / split / f"{number:06d}.png")
    names = "\n".join(f"class {number}" for number in range(photos.CLASSES))
    (folder / "classes.txt").write_text(names + "\n")


def prepared_pictures(folder: Path) -> PreparedSet:
    """Prepare what was written."""
    request = FolderRequest(
        name="pictures",
        images=folder / "images",
        masks=folder / "masks",
        classes=str(folder / "classes.txt"),
        cache_dir=folder / "cache",
    )
    prepare(request)
    return PreparedSet.open("pictures", request.cache_dir)


def authors(folder: Path) -> Row:
    """Make samples as the authors do."""
    images = sorted((folder / "images" / "train").iterdir())
    masks = sorted((folder / "masks" / "train").iterdir())
    settings = authors_pipeline.Settings(reduce_zero_label=True)

    def make(index: int, number: int) -> object:
        rng = np.random.default_rng((number, index))
        data = images[index].read_bytes(), masks[index].read_bytes()
        return authors_pipeline.sample(*data, settings, rng)

    return make


@dataclass(frozen=True)
class Colours:
    """The mean and the deviation of ImageNet."""

    mean: tuple[float, ...] = (123.675, 116.28, 103.53)
    std: tuple[float, ...] = (58.395, 57.12, 57.375)


def ours(samples: MaskSamples, *, normalise: bool = False) -> Row:
    """Make samples as training does."""
    finish = Normalise(Colours(), torch.device("cpu")) if normalise else None

    def make(index: int, number: int) -> object:
        generator = sample_generator(number, index)
        arrays = samples.augment(samples.decode(index), generator)
        image, labels = (torch.from_numpy(array) for array in arrays)
        return (finish(image[None]) if finish else image), labels

    return make


def rows(folder: Path, prepared: PreparedSet) -> dict[str, Row]:
    """Return what is compared, by what it contains; the authors' first."""
    full = AugmentSettings()
    plain = AugmentSettings(photometric=False)
    decoded = DecodedSet.open_or_build(prepared, folder / "cache", 1, lambda *_counts: None)
    return {
        "authors: decode, resize, crop, flip, photometric, normalise, pad, to tensors; fp32": (
            authors(folder)
        ),
        "ours, like for like: decode, crop, photometric, normalise; fp32": (
            ours(MaskSamples(prepared, full), normalise=True)
        ),
        "ours: decode, crop, photometric; uint8, normalisation left to the device": (
            ours(MaskSamples(prepared, full))
        ),
        "ours: decode, crop; uint8, photometric and normalisation left to the device": (
            ours(MaskSamples(prepared, plain))
        ),
        "ours, decoded set: crop, photometric; uint8, normalisation left to the device": (
            ours(MaskSamples(prepared, full, decoded))
        ),
        "ours, decoded set: crop; uint8, photometric and normalisation left to the device": (
            ours(MaskSamples(prepared, plain, decoded))
        ),
    }


def tests_an_image(folder: Path) -> float:
    """Return how often the authors' steps look for the largest class of a crop."""
    make, count = authors(folder), 0
    accepted = authors_pipeline.accepted

    def counted(labels: photos.Pixels, cat_max_ratio: float) -> bool:
        nonlocal count
        count += 1
        return accepted(labels, cat_max_ratio)

    authors_pipeline.accepted = counted
    images = len(list((folder / "images" / "train").iterdir()))
    for index in range(images):
        make(index, 0)
    authors_pipeline.accepted = accepted
    return count / images


def seconds(row: Row, images: int, number: int) -> float:
    """Return the CPU time of a sample of every image."""
    start = time.process_time()
    for index in range(images):
        row(index, number)
    return time.process_time() - start


def main(images: int, rounds: int) -> None:
    """Interleave the rows and print medians."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pictures(folder, images)
        compared = rows(folder, prepared_pictures(folder))
        spent: dict[str, list[float]] = {text: [] for text in compared}
        for number in range(rounds + 1):
            for text, row in compared.items():
                taken = seconds(row, images, number)
                if number:  # the first round warms up
                    spent[text].append(taken)
        tests = tests_an_image(folder)
        size = sum(one.stat().st_size for one in (folder / "images" / "train").iterdir())
    print(f"{images} pictures of {size / images / 1e3:.0f} KB, {rounds} rounds, load {load()}")
    print(f"the authors test {tests:.2f} crops an image")
    first = next(iter(spent.values()))
    for text, samples in spent.items():
        ratio = statistics.median(a / b for a, b in zip(first, samples, strict=True))
        per_image = statistics.median(samples) / images
        print(f"{1e3 * per_image:6.2f} ms {1 / per_image:6.0f} images/s {ratio:6.2f}x  {text}")


def load() -> str:
    """Return how busy the machine is."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], "200", "7")[:2]))
