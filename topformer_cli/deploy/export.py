"""From a network to verified files with a manifest.

Everything is written and verified under a hidden folder first; only then the files take their
names, and the manifest last of all. Files that fail their proof are kept in
`<name>-parity-failed/`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topformer_cli import __version__
from topformer_cli.deploy.artifact import SUFFIXES, Artifact, describe_file
from topformer_cli.deploy.litert import write_tflite
from topformer_cli.deploy.manifest import (
    Images,
    Manifest,
    OutputKind,
    ParityRecord,
    RewriteRecord,
    Source,
    TensorInput,
    TensorOutput,
)
from topformer_cli.deploy.staging import keep_failed, place, staging
from topformer_cli.deploy.subject import Subject
from topformer_cli.deploy.tnn.write import TnnChoices, TnnWritten
from topformer_cli.deploy.tnn_files import make_tnn
from topformer_cli.deploy.to_onnx import CARD_KEY, export_onnx
from topformer_cli.deploy.verify import Proof, compute, prove
from topformer_cli.errors import ExportError, ParityError
from topformer_cli.parity import EXPORT_TOLERANCE

INPUT_NAME: Final = "input"
OUTPUT_NAMES: Final[dict[OutputKind, str]] = {
    "logits": "logits",
    "full": "logits",
    "labels": "labels",
}
FORMATS: Final = tuple(SUFFIXES)
USUAL_FORMATS: Final = ("onnx", "tnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which files are made, of what name, and where."""

    name: str
    output_dir: Path
    formats: tuple[str, ...] = USUAL_FORMATS
    tnn: TnnChoices = field(default_factory=TnnChoices)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest(Order):
    """How a network is exported and verified.

    input_hw: height and width in pixels. output: what the given module ends in. images
    [N, 3, H, W] for the verification, as the module takes them (uint8 or normalised float32), and
    shown, what they are; seeded noise when absent. reference: the logits that the module must give
    for these images (for `labels` those that decide them); computed from it when absent.
    tolerance: the largest accepted max|difference| / max|reference|; a caller widens it for a
    network that amplifies rounding, and the manifest records it.
    """

    input_hw: tuple[int, int]
    output: OutputKind = "logits"
    images: NDArray[Any] | None = None
    shown: Images = "given"
    reference: NDArray[Any] | None = None
    tolerance: float = EXPORT_TOLERANCE
    source: Source = field(default_factory=Source)


@dataclass(frozen=True, slots=True)
class Exported:
    """An artifact, and how its TNN files came to be, if it has any."""

    artifact: Artifact
    tnn: TnnWritten | None


def export(module: nn.Module, card: Mapping[str, Any], request: ExportRequest) -> Exported:
    """Write a network in evaluation mode in the wanted formats and verify what was written.

    Raises:
        ExportError: the request is wrong, or the network holds what cannot be exported.
        ParityError: a written file does not compute the same; nothing takes its final name.
    """
    _check(request)
    return export_subject(_subject(module, card, request), request)


def export_subject(subject: Subject, order: Order) -> Exported:
    """Write a subject in the wanted formats, verify what was written, and place it.

    Raises:
        ExportError: the order is wrong, or the subject holds what cannot be written.
        ParityError: a written file does not compute the same; nothing takes its final name.
    """
    _check(order)
    if "tflite" in order.formats and subject.write_tflite is None:
        message = f"{subject.source.name}: a LiteRT file is written from a network, not from ONNX"
        raise ExportError(message)
    with staging(order.output_dir, order.name) as folder:
        try:
            return _make(subject, order, folder)
        except ParityError as error:
            kept = keep_failed(folder, order.output_dir, order.name)
            message = f"{error}; the files are kept in {kept}"
            raise ParityError(message) from error


def _check(order: Order) -> None:
    unknown = sorted(set(order.formats) - set(FORMATS))
    if unknown or not order.formats:
        message = f"format {', '.join(unknown) or 'missing'}: choose from {', '.join(FORMATS)}"
        raise ExportError(message)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", order.name):
        message = f"name {order.name!r}: use letters, digits, '-', '_', '.' and '+' only"
        raise ExportError(message)


def _subject(module: nn.Module, card: Mapping[str, Any], request: ExportRequest) -> Subject:
    wanted = (3, *request.input_hw)
    if request.images is not None and request.images.shape[1:] != wanted:
        message = f"images of shape {request.images.shape} for an input of {wanted}"
        raise ExportError(message)
    if request.output == "labels" and request.reference is None:
        message = "a label map is held against the logits that decide it; give them as reference"
        raise ExportError(message)
    images = _noise(request.input_hw) if request.images is None else np.array(request.images)
    reference = compute(module, images) if request.reference is None else request.reference
    proof = Proof.of_images(images, reference, request.tolerance)
    plain_card = json.loads(json.dumps(dict(card)))
    example = torch.from_numpy(images[:1])
    raw = images.dtype == np.uint8
    names = (INPUT_NAME, OUTPUT_NAMES[request.output])
    metadata = {CARD_KEY: json.dumps(plain_card, ensure_ascii=False)}
    return Subject(
        card=plain_card,
        source=request.source,
        inputs=(
            TensorInput(
                name=INPUT_NAME,
                shape=(1, *images.shape[1:]),
                type="uint8" if raw else "float32",
                values="0..255" if raw else "normalised",
            ),
        ),
        outputs=(_output(request, reference),),
        proof=replace(proof, labels=request.output == "labels"),
        images="noise" if request.images is None else request.shown,
        write_onnx=partial(export_onnx, module, example, names=names, metadata=metadata),
        write_tflite=partial(write_tflite, module, example, names=names, metadata=metadata),
    )


def _noise(input_hw: tuple[int, int]) -> NDArray[np.float32]:
    # Two pictures, so that a file which ignores its input does not pass.
    shape = (2, 3, *input_hw)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _output(request: ExportRequest, reference: NDArray[Any]) -> TensorOutput:
    _, channels, height, width = reference.shape
    stride = request.input_hw[0] // height
    meaning = {
        "logits": f"logits at 1/{stride}",
        "full": "logits at input size",
        "labels": "label map at input size",
    }[request.output]
    shape = (1, 1 if request.output == "labels" else channels, height, width)
    return TensorOutput(
        name=OUTPUT_NAMES[request.output], shape=shape, kind=request.output, meaning=meaning
    )


def _make(subject: Subject, order: Order, folder: Path) -> Exported:
    stem = folder / order.name
    subject.write_onnx(stem.with_name(f"{order.name}.onnx"))
    parity: dict[str, ParityRecord] = {}
    tnn = None
    # TNN first: what has no layer there is told before anything is proved.
    for kind in sorted(order.formats, key=lambda kind: kind != "tnn"):
        if kind == "tnn":
            tnn, parity[kind] = make_tnn(stem, order.tnn, subject.proof)
            continue
        path = stem.with_name(f"{order.name}{SUFFIXES[kind][0]}")
        if kind == "tflite" and subject.write_tflite is not None:
            subject.write_tflite(path)
        parity[kind] = prove(kind, path, subject.proof)
    files = [
        folder / f"{order.name}{suffix}" for kind in order.formats for suffix in SUFFIXES[kind]
    ]
    manifest = Manifest(
        name=order.name,
        source=subject.source,
        card=dict(subject.card),
        inputs=subject.inputs,
        outputs=_padded(subject.outputs, tnn),
        files=tuple(describe_file(path) for path in files),
        parity={kind: parity[kind] for kind in order.formats},
        images=subject.images,
        decoding=subject.decoding,
        tnn_storage=order.tnn.storage,
        rewrites=_rewrites(tnn),
        left_out=tuple(sorted(order.tnn.left_out)),
        notes=tnn.notes if tnn else (),
        converter="official" if order.tnn.tnn_home else "topformer",
        versions=_versions(order.formats),
    )
    return Exported(Artifact(place(files, manifest, order.output_dir), manifest), tnn)


def _padded(outputs: tuple[TensorOutput, ...], tnn: TnnWritten | None) -> tuple[TensorOutput, ...]:
    """Note how many channels the TNN file's outputs have, where they are padded."""
    if tnn is None:
        return outputs
    return tuple(
        one.model_copy(update={"tnn_channels": tnn.channels[one.name]})
        if one.name in tnn.channels
        else one
        for one in outputs
    )


def _rewrites(tnn: TnnWritten | None) -> tuple[RewriteRecord, ...]:
    steps = tnn.steps if tnn else ()
    return tuple(
        RewriteRecord(name=step.name, matched=len(step.outcome.matched))
        for step in steps
        if step.outcome.matched
    )


def _versions(formats: tuple[str, ...]) -> dict[str, str]:
    libraries = ["torch", "onnx", "onnxruntime"]
    if "tflite" in formats:
        libraries += ["litert-torch", "ai-edge-litert"]
    return {"topformer": __version__, **{name: version(name) for name in libraries}}
