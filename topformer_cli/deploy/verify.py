"""Proof that a written file computes what the network computes."""

from pathlib import Path

from topformer_cli.deploy.predictors import OnnxPredictor, TnnPredictor
from topformer_cli.parity import Parity, compare
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
