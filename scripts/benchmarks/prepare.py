"""`topformer data prepare`, against converters with Pillow as one would write them.

    python scripts/benchmarks/prepare.py [FOLDER] [COUNT] [WORKERS]

FOLDER keeps the pictures between runs (see photos.py); the default is 2000 of them, and as many
processes as there are cores. Each side is a program of its own and starts with its imports.

prepare    decodes every image to its end, checks its size and EXIF tag against the mask, decodes
           the mask, checks and counts its values by class, hashes both, writes Arrow files to disk
           (fsync), the card and its statistics
pillow     opens each image and compares its size with the mask's (no pixel of it is decoded),
           decodes the mask, takes its values by np.unique and its train ids by a table, saves
           those as PNG and copies the image; nothing is counted or synced to disk
checked    the same, and decodes each image to its end
x WORKERS  with a multiprocessing.Pool of as many processes
"""

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from photos import CLASSES, write_tree
from PIL import Image

ROUNDS = 5


def convert(image: Path, out: Path, *, checked: bool) -> None:
    """Convert one pair with Pillow."""
    mask = image.parents[2] / "masks" / image.parent.name / f"{image.stem}.png"
    with Image.open(image) as picture, Image.open(mask) as labels:
        if checked:
            picture.load()
        ids = np.asarray(labels)
        if picture.size != labels.size:
            message = f"{image} and {mask} differ in size"
            raise ValueError(message)
    if np.unique(ids)[-1] >= CLASSES:
        message = f"{mask} has values beyond {CLASSES}"
        raise ValueError(message)
    table = np.arange(256, dtype=np.uint8)
    Image.fromarray(table[ids]).save(out / "masks" / image.parent.name / mask.name)
    shutil.copyfile(image, out / "images" / image.parent.name / image.name)


def pillow(tree: Path, out: Path, workers: int, *, checked: bool) -> None:
    """Convert a whole set with Pillow."""
    for kind in ("images", "masks"):
        for split in ("train", "val"):
            (out / kind / split).mkdir(parents=True)
    work = partial(convert, out=out, checked=checked)
    images = sorted((tree / "images").rglob("*.jpg"))
    if workers == 1:
        for image in images:
            work(image)
        return
    with multiprocessing.Pool(workers) as pool:
        pool.map(work, images, chunksize=32)


def seconds(words: list[str]) -> float:
    """Run a program with a fresh folder for its output."""
    with tempfile.TemporaryDirectory(prefix="prepare-") as out:
        os.sync()  # nobody waits for what others have written
        start = time.perf_counter()
        subprocess.run([sys.executable, *words, out], check=True, capture_output=True)
        return time.perf_counter() - start


def programs(tree: Path, workers: int) -> dict[str, list[str]]:
    """Return the command lines of all sides; the folder for the output comes last."""
    custom = ["--images", str(tree / "images"), "--masks", str(tree / "masks")]
    custom += ["--classes", str(tree / "classes.txt"), "--workers", str(workers), "-q"]
    ours = ["-m", "topformer_cli", "data", "prepare", "photos", *custom, "--cache-dir"]
    sides = {f"prepare x {workers}": ours}
    for name in ("pillow", "checked"):
        for count in (1, workers):
            words = [__file__, "--convert", name, str(count), str(tree)]
            sides[f"{name} x {count}"] = words
    return sides


def main(tree: Path, count: int, workers: int) -> None:
    """Interleave all sides and print medians and ratios."""
    if not (tree / "classes.txt").is_file():
        write_tree(tree, count)
    count = len(list((tree / "images").rglob("*.jpg")))
    sides = programs(tree, workers)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, words in sides.items():
            times[name].append(seconds(words))
    ours = times[f"prepare x {workers}"]
    print(
        f"{count} pictures, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {ROUNDS} rounds"
    )
    for name, taken in times.items():
        ratio = statistics.median(other / own for other, own in zip(taken, ours, strict=True))
        middle = statistics.median(taken)
        print(f"{name:>12}: median {middle:6.2f} s, {count / middle:5.0f} images/s, x {ratio:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--convert"]:
        _, _, name, processes, source, target = sys.argv
        pillow(Path(source), Path(target), int(processes), checked=name == "checked")
    else:
        given = dict(enumerate(sys.argv[1:]))
        place = Path(given.get(0, Path(tempfile.gettempdir()) / "topformer-photos"))
        main(place, int(given.get(1, 2000)), int(given.get(2, os.cpu_count() or 1)))
