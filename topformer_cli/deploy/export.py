"""From a network to verified files with a manifest.

Everything is written and verified under a hidden folder first; only then the files take their
names, and the manifest last of all.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from topformer_cli import __version__
from topformer_cli.deploy.artifact import (
    SUFFIXES,
    Artifact,
    Manifest,
    TensorInput,
    TensorOutput,
    describe_file,
)
from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.deploy.to_onnx import CARD_KEY, export_onnx, load_onnx
from topformer_cli.deploy.verify import Proof, compute, prove
from topformer_cli.errors import ExportError
from topformer_cli.parity import EXPORT_TOLERANCE
from topformer_cli.predictor import FloatArray
from topformer_cli.rundir import atomic_write

INPUT_NAME: Final = "input"
OUTPUT_NAME: Final = "logits"
FORMATS: Final = tuple(SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported, where to, and how it is verified.

    input_hw: height and width in pixels. images: normalised RGB [N, 3, H, W] for the verification,
    seeded noise when absent. reference: the network's logits for these images before it was brought
    into its inference form; computed from the given module when absent. tolerance: the largest
    accepted max|difference| / max|reference|; a caller widens it for a network that amplifies
    rounding, and the manifest records it.
    """

    name: str
    output_dir: Path
    input_hw: tuple[int, int]
    formats: tuple[str, ...] = FORMATS
    images: FloatArray | None = None
    reference: FloatArray | None = None
    tolerance: float = EXPORT_TOLERANCE
    checkpoint_sha256: str | None = None


def export(module: nn.Module, card: Mapping[str, Any], request: ExportRequest) -> Artifact:
    """Write a network in evaluation mode in the wanted formats and verify what was written.

    Raises:
        ExportError: the request is wrong, or the network holds what cannot be exported.
        ParityError: a written file does not compute the same; nothing takes its final name.
    """
    _check(request)
    given_images, given = request.images, request.reference
    noise = _noise(request.input_hw)
    images = noise if given_images is None else np.array(given_images, dtype=np.float32)
    reference = given if given is not None else compute(module, images)
    proof = Proof(images, reference, request.tolerance)
    plain_card: dict[str, Any] = json.loads(json.dumps(dict(card)))
    with _staging(request) as folder:
        _write(module, plain_card, folder / request.name, proof.images[:1], request)
        parity = {
            name: prove(name, folder / f"{request.name}{SUFFIXES[name][0]}", proof)
            for name in request.formats
        }
        files = [
            folder / f"{request.name}{suffix}"
            for name in request.formats
            for suffix in SUFFIXES[name]
        ]
        manifest = Manifest(
            name=request.name,
            card=plain_card,
            input=TensorInput(name=INPUT_NAME, shape=(1, *images.shape[1:])),
            output=_output(proof),
            files=tuple(describe_file(path) for path in files),
            parity=parity,
            images="noise" if request.images is None else "given",
            versions=_versions(),
            checkpoint_sha256=request.checkpoint_sha256,
        )
        return _place(files, manifest, request.output_dir)


def _check(request: ExportRequest) -> None:
    unknown = sorted(set(request.formats) - set(FORMATS))
    if unknown or not request.formats:
        message = f"format {', '.join(unknown) or 'missing'}: choose from {', '.join(FORMATS)}"
        raise ExportError(message)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", request.name):
        message = f"name {request.name!r}: use letters, digits, '-', '_', '.' and '+' only"
        raise ExportError(message)
    wanted = (3, *request.input_hw)
    if request.images is not None and request.images.shape[1:] != wanted:
        message = f"images of shape {request.images.shape} for an input of {wanted}"
        raise ExportError(message)


def _noise(input_hw: tuple[int, int]) -> FloatArray:
    # Two pictures, so that a file which ignores its input does not pass.
    shape = (2, 3, *input_hw)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@contextlib.contextmanager
def _staging(request: ExportRequest) -> Iterator[Path]:
    """Yield a hidden folder in the output folder; one that a killed export left goes first."""
    request.output_dir.mkdir(parents=True, exist_ok=True)
    prefix = f".{request.name}-export-"
    for old in request.output_dir.glob(f"{prefix}*"):
        if not _alive(old.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=request.output_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _write(
    module: nn.Module,
    card: Mapping[str, Any],
    stem: Path,
    example: FloatArray,
    request: ExportRequest,
) -> None:
    onnx_path = stem.with_name(f"{stem.name}.onnx")
    export_onnx(
        module,
        torch.from_numpy(example),
        onnx_path,
        input_name=INPUT_NAME,
        output_name=OUTPUT_NAME,
        metadata={CARD_KEY: json.dumps(card, ensure_ascii=False)},
    )
    if "tnn" in request.formats:
        write_tnn(onnx_path, stem)


def write_tnn(onnx_path: Path, stem: Path) -> None:
    """Convert an ONNX file to `<stem>.tnnproto` and `<stem>.tnnmodel`.

    Raises:
        ExportError: what the file holds cannot be written as TNN; nothing was written.
    """
    model = rewrite(load_onnx(onnx_path)).model
    converted = to_tnn(model, onnx_path.name)
    proto = write_proto(converted.network)
    atomic_write(stem.with_name(f"{stem.name}.tnnmodel"), write_model(converted.resources))
    atomic_write(stem.with_name(f"{stem.name}.tnnproto"), proto)


def _output(proof: Proof) -> TensorOutput:
    _, classes, height, width = proof.reference.shape
    stride = proof.images.shape[2] // height
    shape = (1, classes, height, width)
    return TensorOutput(name=OUTPUT_NAME, shape=shape, meaning=f"logits at 1/{stride}")


def _versions() -> dict[str, str]:
    return {
        "topformer": __version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }


def _place(files: list[Path], manifest: Manifest, output_dir: Path) -> Artifact:
    """Give the verified files their names; without its manifest a set of files is not whole."""
    staged = files[0].with_name(f"{manifest.name}.json")
    atomic_write(staged, manifest.model_dump_json(indent=2) + "\n")
    final = output_dir / staged.name
    final.unlink(missing_ok=True)
    for path in (*files, staged):
        path.replace(output_dir / path.name)
    return Artifact(final, manifest)
