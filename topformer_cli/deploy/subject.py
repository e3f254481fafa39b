"""What is exported: a network of ours in torch, or an ONNX file of the user's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topformer_cli.deploy.box_decoding import BoxDecoding
from topformer_cli.deploy.manifest import Images, Source, TensorInput, TensorOutput
from topformer_cli.deploy.verify import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Everything that the formats are written from and held against.

    write_onnx writes the ONNX file. write_tflite is absent where only an ONNX file is there.
    """

    card: Mapping[str, Any]
    source: Source
    inputs: tuple[TensorInput, ...]
    outputs: tuple[TensorOutput, ...]
    proof: Proof
    images: Images
    decoding: BoxDecoding | None = None
    write_onnx: Callable[[Path], None]
    write_tflite: Callable[[Path], None] | None = None
