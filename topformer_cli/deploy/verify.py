"""Proof that a written file computes what the network computes."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from topformer_cli.deploy.artifact import ParityRecord
from topformer_cli.deploy.predictors import OnnxPredictor, TnnPredictor
from topformer_cli.parity import Parity, compare, require
from topformer_cli.predictor import FloatArray

_ROUNDINGS: Final = 4
_WIDEST_BOUND: Final = 1e-3


def verify_onnx(path: Path, images: FloatArray, reference: FloatArray) -> Parity:
    """Compare an ONNX file, run in onnxruntime on one thread, with the reference output.

    Shapes: images [N, 3, H, W], reference [N, classes, h, w].

    Raises:
        ExportError: the file cannot be loaded or takes other images.
        ParityError: the output has another shape or values that are not finite.
    """
    return compare(reference, OnnxPredictor(path)(images))


def verify_tnn(proto_path: Path, images: FloatArray, reference: FloatArray) -> Parity:
    """Compare a TNN pair, read back from disk and interpreted, with the reference output.

    Shapes: images [N, 3, H, W], reference [N, classes, h, w].

    Raises:
        ExportError: the files are damaged, no pair, or take other images.
        ParityError: the output has another shape or values that are not finite.
    """
    return compare(reference, TnnPredictor(proto_path)(images))


VERIFIERS: Final[dict[str, Callable[[Path, FloatArray, FloatArray], Parity]]] = {
    "onnx": verify_onnx,
    "tnn": verify_tnn,
}


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What a written file is held against.

    module: the network that was exported. images [N, 3, H, W], normalised. reference: the logits it
    must give. tolerance: the largest accepted max|difference| / max|reference|.
    """

    module: nn.Module
    images: FloatArray
    reference: FloatArray
    tolerance: float


def prove(name: str, path: Path, proof: Proof) -> ParityRecord:
    """Verify a file of a format and return its parity with the bound it met.

    The bound is the proof's tolerance. Attention is unscaled, and some networks amplify rounding
    until torch's own float32 lies further from its float64 than that. Their files cannot be closer:
    for them the bound is 4 times that distance, 1e-3 at most.

    Raises:
        ParityError: the file lies outside the bound.
    """
    parity = VERIFIERS[name](path, proof.images, proof.reference)
    bound = proof.tolerance
    if parity.relative > bound:
        bound = max(bound, min(_ROUNDINGS * _rounding(proof), _WIDEST_BOUND))
    require(parity, path.name, bound)
    return ParityRecord(**parity.to_json(), bound=bound)


def compute(module: nn.Module, images: FloatArray) -> FloatArray:
    """Compute a module's logits [N, classes, h, w], image by image as the files do."""
    dtype = next((weight.dtype for weight in module.parameters()), torch.float32)
    with torch.inference_mode():
        outputs = [
            module(torch.from_numpy(images[i : i + 1]).to(dtype)).numpy()
            for i in range(len(images))
        ]
    return np.concatenate(outputs)


def _rounding(proof: Proof) -> float:
    exact = compute(copy.deepcopy(proof.module).double(), proof.images)
    return compare(exact, compute(proof.module, proof.images)).relative
