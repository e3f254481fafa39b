"""Write ONNX and TNN files of a model, verified."""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topformer_cli.api.models import Model
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.data.decode import decode_image
from topformer_cli.data.scenes import render_scene
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.export import FORMATS, ExportRequest, export
from topformer_cli.engine.predict import normalised
from topformer_cli.errors import DataError, ExportError, UsageError
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.topformer import TopFormer
from topformer_cli.parity import EXPORT_TOLERANCE, compare
from topformer_cli.predictor import FloatArray

VERIFIED_IMAGES = 2
ROUNDINGS = 3
"""An exported file may differ by this many times the network's own float32 rounding error."""
WIDEST_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChoices:
    """What the user asked for; the rest follows from the model."""

    formats: tuple[str, ...] = FORMATS
    input_hw: tuple[int, int] | None = None
    output_dir: Path | None = None


def export_model(model: Model, choices: ExportChoices, places: Places) -> Artifact:
    """Export a model and verify every file against the network it was made from.

    Raises:
        ExportError: the input size or the network cannot be exported; nothing was written.
        ParityError: a file does not compute the same; nothing was written.
    """
    if not choices.formats or set(choices.formats) - set(FORMATS):
        given = ",".join(choices.formats)
        message = f"--format {given!r}: choose from {', '.join(FORMATS)}"
        raise UsageError(message)
    height, width = choices.input_hw or model.spec.input_size
    network = model.network
    if not isinstance(network, TopFormer):
        message = f"{model.file} is a network for {model.spec.task}; only segmentation is exported"
        raise ExportError(message)
    fixed = fix_input_size(network, height, width)
    images = _images(model, (height, width), places)
    proof = _prove(model, images)
    request = ExportRequest(
        name=export_name(model, (height, width)),
        output_dir=export_folder(model, choices.output_dir),
        input_hw=(height, width),
        formats=choices.formats,
        images=images,
        reference=proof.reference,
        tolerance=proof.tolerance,
        checkpoint_sha256=sha256(model.file),
    )
    card = {**model.spec.to_json(), "input_size": [height, width]}
    try:
        return export(fixed, card, request)
    except OSError as error:
        message = (
            f"{request.output_dir}: cannot be written ({error.strerror or error}); nothing was "
            "replaced; free some space, or choose another --output-dir"
        )
        raise ExportError(message) from error


def export_name(model: Model, input_hw: tuple[int, int]) -> str:
    """Name the files after size, data set and input."""
    return f"topformer-{model.spec.size}-{model.spec.dataset}-{input_hw[0]}x{input_hw[1]}"


def export_folder(model: Model, asked: Path | None) -> Path:
    """Return the folder asked for, else the run's own, else `export`."""
    if asked is not None:
        return asked
    return model.run.exports if model.run is not None else Path("export")


def fresh_artifact(model: Model, places: Places) -> tuple[Artifact, bool]:
    """Return the export of this very checkpoint, and whether it had to be made."""
    name = export_name(model, model.spec.input_size)
    path = export_folder(model, None) / f"{name}.json"
    if path.is_file():
        try:
            artifact = load_artifact(path)
        except ExportError:
            artifact = None
        if artifact is not None and artifact.manifest.checkpoint_sha256 == sha256(model.file):
            return artifact, False
    return export_model(model, ExportChoices(), places), True


def open_artifact(path: Path) -> Artifact:
    """Open an export by its manifest or by any of its files.

    Raises:
        ExportError: there is no such export, or its files do not belong together.
    """
    return load_artifact(path)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _images(model: Model, input_hw: tuple[int, int], places: Places) -> FloatArray:
    """Return pictures of the model's set at the input size; rendered ones if it is not prepared."""
    try:
        prepared = open_set(model.recipe.dataset, places)
    except DataError:
        pictures = [
            render_scene(np.random.default_rng(index), input_hw)[0]
            for index in range(VERIFIED_IMAGES)
        ]
    else:
        split = "val" if prepared.length("val") else "train"
        pictures = [
            decode_image(prepared.sample(split, index).image)
            for index in range(min(VERIFIED_IMAGES, prepared.length(split)))
        ]
    resized = [cv2.resize(picture, input_hw[::-1]).astype(np.uint8) for picture in pictures]
    return np.concatenate([normalised(picture, model.spec) for picture in resized])


@dataclass(frozen=True, slots=True)
class _Proof:
    """What exported files are held against: logits of the images, and the accepted difference."""

    reference: FloatArray
    tolerance: float


def _prove(model: Model, images: FloatArray) -> _Proof:
    """Compute the logits in float64, and how far float32 rounding alone moves them.

    An exported file cannot be closer to the function than the network itself is in float32: where
    that comes near the bound (weights that were never trained), the bound gives way.
    """
    exact = _logits(copy.deepcopy(model.network).double(), images.astype(np.float64))
    rounding = compare(exact, _logits(model.network, images)).relative
    return _Proof(exact.astype(np.float32), _tolerance(rounding))


def _tolerance(rounding: float) -> float:
    return min(max(EXPORT_TOLERANCE, ROUNDINGS * rounding), WIDEST_TOLERANCE)


@torch.inference_mode()
def _logits(network: nn.Module, images: NDArray[Any]) -> NDArray[Any]:
    network.eval()
    return np.concatenate([network(torch.from_numpy(image[None])).numpy() for image in images])
