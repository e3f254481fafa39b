"""Small sets of one class an image, in a folder a class: blocks of the class's colour."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.fakes.blocks import block_picture, save_image
from topformer_cli.data.sources.class_folders import ClassRequest


def make_class_folders(
    folder: Path, classes: Mapping[str, int], fraction: float | None = None
) -> ClassRequest:
    """Write so many pictures of each class, `train/rose` or `rose`; return the request for all."""
    rng = np.random.default_rng(len(classes))
    kinds = sorted({Path(name).name for name in classes})
    for name, count in classes.items():
        label = kinds.index(Path(name).name)
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(count):
            path = folder / "pictures" / name / f"{number:03d}.jpg"
            save_image(path, block_picture(rng, label, label, (label + 9,)).pixels)
    return ClassRequest(
        name="kinds",
        images=folder / "pictures",
        val_fraction=fraction,
        cache_dir=folder / "cache",
    )
