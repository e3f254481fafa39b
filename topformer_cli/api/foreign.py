"""Convert an ONNX file of the user's."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.exporting import (
    ExportChoices,
    check_formats,
    given_pictures,
    tnn_words,
    writing_to,
)
from topformer_cli.deploy.export import Exported, Order, export_subject
from topformer_cli.deploy.foreign import subject_of
from topformer_cli.deploy.from_onnx import image_shapes, load_graph
from topformer_cli.deploy.tnn.convert import check_operators
from topformer_cli.engine.predict import normalised
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import ModelSpec


def export_file(path: Path, choices: ExportChoices) -> Exported:
    """Write an ONNX file's network in other formats, held against onnxruntime.

    Raises:
        UsageError: a choice that only a network of ours has.
        ExportError: the file cannot be read or converted; nothing was written.
        ParityError: a file does not compute the same; nothing took its final name.
    """
    check_formats(choices.formats)
    _require_usual(path, choices)
    images = partial(_network_input, path, choices.images) if choices.images else None
    order = Order(
        name=_name(path, choices),
        output_dir=choices.output_dir or Path("export"),
        formats=choices.formats,
        tnn=choices.tnn,
    )
    _spare(path, order)
    shapes = image_shapes(path, choices.input_hw) if choices.input_hw else None
    model = load_graph(path, shapes)
    if "tnn" in choices.formats and choices.tnn_home is None:
        check_operators(model, path.name)
    subject = subject_of(path, model, images)
    with writing_to(order.output_dir):
        return export_subject(subject, order)


def _spare(path: Path, order: Order) -> None:
    """Refuse an export that would take the place of the file that it is made from."""
    written = order.output_dir / f"{order.name}.onnx"
    if "onnx" in order.formats and written.exists() and written.samefile(path):
        message = (
            f"--from {path}: the export would replace this very file; choose another "
            "--output-dir, or --format tnn"
        )
        raise UsageError(message)


def _require_usual(path: Path, choices: ExportChoices) -> None:
    usual = ExportChoices()
    for option, given, expected in (
        ("--output", choices.ending, usual.ending),
        ("--input-type", choices.input_type, usual.input_type),
    ):
        if given != expected:
            message = f"{option} {given}: --from {path} is converted as it is; leave the option out"
            raise UsageError(message)
    if "tflite" in choices.formats:
        message = (
            f"--format tflite: is written from a checkpoint, not from {path.name}; "
            "choose onnx or tnn with --from"
        )
        raise UsageError(message)


def _network_input(
    path: Path, folder: Path, card: Mapping[str, Any], input_hw: tuple[int, int]
) -> NDArray[Any]:
    spec = ModelSpec.from_json(card, str(path))
    pictures = given_pictures(folder, input_hw)
    return np.concatenate([normalised(picture, spec) for picture in pictures])


def _name(path: Path, choices: ExportChoices) -> str:
    """Name the files after the ONNX file, in letters that every tool takes."""
    stem = re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip("-._+") or "network"
    size = "x".join(map(str, choices.input_hw)) if choices.input_hw else ""
    return "-".join(filter(None, [stem, size, *tnn_words(choices)]))
