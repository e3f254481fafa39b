"""An ONNX file of the user's as something to export: its inputs, what it computes, how exactly."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.deploy.artifact import describe_file
from topformer_cli.deploy.manifest import OutputKind, Source, TensorInput, TensorOutput
from topformer_cli.deploy.onnx_graph import (
    compute_graph,
    graph_inputs,
    noise_for,
    relative_difference,
)
from topformer_cli.deploy.subject import Subject
from topformer_cli.deploy.tnn.emit.node import static_shape
from topformer_cli.deploy.to_onnx import CARD_KEY
from topformer_cli.deploy.verify import Proof
from topformer_cli.errors import ExportError
from topformer_cli.parity import tolerance_for
from topformer_cli.rundir import atomic_write

_TYPES: Final = {ir.DataType.FLOAT: "float32", ir.DataType.UINT8: "uint8"}
_ONE_ROUNDING: Final = 2.0**-23

Images = Callable[[Mapping[str, Any], tuple[int, int]], NDArray[Any]]
"""Makes the network's input from the user's pictures, for a card and an input size."""


def subject_of(path: Path, model: ir.Model, images: Images | None = None) -> Subject:
    """Describe a graph read from a file: held against what onnxruntime computes from it.

    Without images the inputs are noise.

    Raises:
        ExportError: an input's shape or type cannot be taken, or there are images for a network
            that has no identity card or several inputs.
    """
    card = _card(model)
    names = [str(value.name) for value in graph_inputs(model.graph)]
    sample = noise_for(model)
    if images is not None:
        sample[names[0]] = _image_input(path, model, card, images)[:1]
    reference = compute_graph(model, sample)
    outputs = [reference[str(value.name)] for value in model.graph.outputs]
    tolerance = tolerance_for(_rounding(model, sample, reference))
    record = describe_file(path)
    return Subject(
        card=card,
        source=Source(kind="onnx", name=path.name, sha256=record.sha256),
        inputs=tuple(_taken(value, card) for value in graph_inputs(model.graph)),
        outputs=tuple(
            _given(str(value.name), array, card)
            for value, array in zip(model.graph.outputs, outputs, strict=True)
        ),
        proof=Proof([[sample[name] for name in names]], [outputs], tolerance),
        images="noise" if images is None else "given",
        write_onnx=lambda target: atomic_write(target, ir.to_proto(model).SerializeToString()),
    )


def _card(model: ir.Model) -> dict[str, Any]:
    """Return the identity card of a file that this tool wrote, or nothing."""
    try:
        card = json.loads(model.metadata_props.get(CARD_KEY, "{}"))
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _image_input(
    path: Path, model: ir.Model, card: Mapping[str, Any], images: Images
) -> NDArray[Any]:
    (first, *others) = graph_inputs(model.graph)
    shape = static_shape(first)
    if others or not card or len(shape) != 4 or shape[:2] != (1, 3):
        message = (
            f"{path}: --images needs one input [1, 3, H, W] and an identity card with its "
            "normalisation; leave the option out, the file is then verified on noise"
        )
        raise ExportError(message)
    return images(card, (shape[2], shape[3]))


def _taken(value: ir.Value, card: Mapping[str, Any]) -> TensorInput:
    shape = static_shape(value)
    kind = _TYPES[value.dtype or ir.DataType.FLOAT]
    if not card:
        return TensorInput(
            name=str(value.name),
            shape=shape,
            layout=None,
            colour=None,
            type=kind,
            values="as in the ONNX file",
        )
    values = "0..255" if kind == "uint8" else "normalised"
    return TensorInput(name=str(value.name), shape=shape, type=kind, values=values)


def _given(name: str, array: NDArray[Any], card: Mapping[str, Any]) -> TensorOutput:
    kind: OutputKind = "other"
    if card and name == "logits":
        kind = "logits"
    return TensorOutput(name=name, shape=array.shape, kind=kind, meaning=f"output {name}")


def _rounding(
    model: ir.Model, sample: Mapping[str, NDArray[Any]], reference: Mapping[str, NDArray[Any]]
) -> float:
    """Return how far the outputs move when every input is off by one rounding."""
    generator = np.random.default_rng(1)
    moved = {
        name: array
        * (1 + _ONE_ROUNDING * generator.choice([-1, 1], array.shape)).astype(np.float32)
        if array.dtype == np.float32
        else array
        for name, array in sample.items()
    }
    outputs = compute_graph(model, moved)
    return max(relative_difference(reference[name], outputs[name]) for name in reference)
