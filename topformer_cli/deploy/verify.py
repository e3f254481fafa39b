"""Proof that a written file computes what the network computes."""

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

    images [N, 3, H, W], normalised. reference: the logits it must give. tolerance: the largest
    accepted max|difference| / max|reference|.
    """

    images: FloatArray
    reference: FloatArray
    tolerance: float


def prove(name: str, path: Path, proof: Proof) -> ParityRecord:
    """Verify a file of a format and return its parity with the bound it met.

    Raises:
        ParityError: the file lies outside the bound.
    """
    parity = VERIFIERS[name](path, proof.images, proof.reference)
    require(parity, path.name, proof.tolerance)
    return ParityRecord(**parity.to_json(), bound=proof.tolerance)


def compute(module: nn.Module, images: FloatArray) -> FloatArray:
    """Compute a module's logits [N, classes, h, w], image by image as the files do."""
    with torch.inference_mode():
        outputs = [module(torch.from_numpy(image[None])).numpy() for image in images]
    return np.concatenate(outputs)
