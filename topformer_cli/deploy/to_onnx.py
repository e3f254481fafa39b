"""From a torch module to an ONNX file of one static shape, with its identity card inside."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

from topformer_cli.deploy.parts import note_parts, parts_of
from topformer_cli.errors import ExportError
from topformer_cli.rundir import atomic_write

OPSET: Final = 20
"""The opset that torch's exporter writes by default; a newer one changes no operator used here."""

CARD_KEY: Final = "topformer"
"""The metadata key under which the identity card stands, as JSON."""

_LOGGERS: Final = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def export_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    *,
    names: tuple[str, ...] = ("input", "logits"),
    metadata: Mapping[str, str],
) -> None:
    """Write a module in evaluation mode as an ONNX file, weights inside, checked by onnx.

    Shapes: the example [1, 3, H, W] fixes the input shape. names: of the input and the outputs.

    Raises:
        ExportError: the module is in training mode, or torch cannot export it.
    """
    write_onnx(trace_onnx(module, example, names=names, metadata=metadata), path)


def write_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph that onnx has checked."""
    onnx.checker.check_model(model, full_check=True)
    atomic_write(path, model.SerializeToString())


def trace_onnx(
    module: nn.Module, example: Tensor, *, names: tuple[str, ...], metadata: Mapping[str, str]
) -> onnx.ModelProto:
    """Return the graph of a module in evaluation mode, made by torch's dynamo exporter.

    Raises:
        ExportError: the module is in training mode, or torch cannot export it.
    """
    if module.training:
        message = f"{type(module).__name__} is in training mode; call eval() before exporting it"
        raise ExportError(message)
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[names[0]],
                output_names=list(names[1:]),
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).strip().splitlines()[0]
            message = f"torch cannot export {type(module).__name__} to ONNX: {reason}"
            raise ExportError(message) from error
    if program is None:
        message = f"torch exported nothing for {type(module).__name__}"
        raise ExportError(message)
    model = program.model
    parts = parts_of(model)
    # The exporter notes stack traces, with the paths of this machine, on every node.
    ClearMetadataAndDocStringPass()(model)
    note_parts(model, parts)
    model.metadata_props.update(metadata)
    return ir.serde.serialize_model(model)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the exporter's progress notes, such as which optional packages it did not find."""
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
