"""The golden of a bundle: one picture, and what every step on the way makes of it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.bundle.records import Sample
from topformer_cli.deploy.bundle.reference import (
    OVERLAY_ALPHA,
    Bytes,
    colour_layer,
    labels_of_logits,
    labels_of_map,
    resize_like_the_app,
    to_tensor,
)
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.deploy.runtimes import OPENERS
from topformer_cli.errors import ExportError


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A picture and what becomes of it.

    Shapes: picture [H0, W0, 3]; tensor [1, 3, H, W]; output [1, C, h, w], only the channels that
    count; labels [H, W]; picture_labels [H0, W0]; layer [H0, W0, 4] RGBA. computed_by: the format
    whose file gave the output.
    """

    picture: Bytes
    tensor: NDArray[Any]
    output: NDArray[Any]
    labels: Bytes
    picture_labels: Bytes
    layer: Bytes
    computed_by: str

    @property
    def picture_hw(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.picture.shape[0], self.picture.shape[1]


_MEANINGS: Final = {
    "picture": "the picture, RGB",
    "tensor": "the network's input",
    "output": "the network's output, only the channels that count",
    "labels": "class of every pixel at input size",
    "picture_labels": "class of every pixel of the picture",
    "layer": f"RGBA to lay over the picture, alpha {OVERLAY_ALPHA}",
}


def make_golden(artifact: Artifact, picture: Bytes) -> Golden:
    """Run a picture through an exported model.

    Raises:
        ExportError: no format of it can be computed here.
    """
    manifest = artifact.manifest
    kind = next((name for name in OPENERS if name in artifact.formats), None)
    if kind is None:
        message = f"{artifact.path}: no format of {', '.join(artifact.formats)} can be run here"
        raise ExportError(message)
    height, width = manifest.input.shape[2:]
    tensor = to_tensor(resize_like_the_app(picture, (height, width)), manifest)
    output = open_predictor(artifact, kind)(tensor)
    labelled = manifest.output.kind == "labels"
    output = output.astype("<i4" if labelled else "<f4")
    sizes = (height, width), (picture.shape[0], picture.shape[1])
    labels, picture_labels = (
        labels_of_map(output[0, 0], size) if labelled else labels_of_logits(output[0], size)
        for size in sizes
    )
    palette = np.asarray(artifact.card["palette"], np.uint8)
    layer = colour_layer(picture_labels, palette, OVERLAY_ALPHA)
    return Golden(picture, tensor, output, labels, picture_labels, layer, kind)


def write_golden(golden: Golden, sample: Sample, artifact: Artifact, folder: Path) -> None:
    """Write raw arrays (little-endian, C order), pictures of them, and golden.json."""
    folder.mkdir()
    files = {name: _raw(getattr(golden, name), folder / f"{name}.bin") for name in _MEANINGS}
    for name, image in _images(golden, artifact):
        image.save(folder / f"{name}.png")
    record = {
        "picture": sample.origin,
        "output_computed_by": golden.computed_by,
        "resize": "half-pixel bilinear in units of 1/2048, rounded to the nearest byte",
        "arrays": {name: {"meaning": _MEANINGS[name], **file} for name, file in files.items()},
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / "golden.json").write_text(text, encoding="utf-8")


def _raw(array: NDArray[Any], path: Path) -> dict[str, Any]:
    little = array.astype(array.dtype.newbyteorder("<"))
    content = little.tobytes()
    path.write_bytes(content)
    return {
        "file": path.name,
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _images(golden: Golden, artifact: Artifact) -> Iterator[tuple[str, Image.Image]]:
    picture = Image.fromarray(golden.picture)
    yield "picture", picture
    table = np.asarray(artifact.card["palette"], np.uint8)
    for name in ("labels", "picture_labels"):
        labels: Bytes = getattr(golden, name)
        image = Image.frombytes("P", (labels.shape[1], labels.shape[0]), labels.tobytes())
        image.putpalette(table.ravel().tolist())
        yield name, image
    layer = Image.fromarray(golden.layer, "RGBA")
    yield "overlay", Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")
