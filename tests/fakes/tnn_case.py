"""One ONNX operator with its inputs: what the emitters and layer records are tried with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper

Shape = tuple[int, ...]
Feeds = dict[str, np.ndarray]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@dataclass(frozen=True)
class Case:
    """One ONNX operator: shapes of its computed inputs, constants by place, attributes, layers.

    integers: the output is of whole numbers. low: the inputs lie above it. shape: of the output,
    where onnx infers none. tolerance: of the real TNN, relative to the largest output.
    """

    op: str
    inputs: Sequence[Shape]
    layers: Sequence[str]
    constants: Mapping[int, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    integers: bool = False
    low: float | None = None
    opset: int = 20
    shape: Shape | None = None
    tolerance: float = 1e-5

    def model(self) -> ir.Model:
        places = range(len(self.inputs) + len(self.constants))
        free = iter("abc")
        names = [f"c{i}" if i in self.constants else next(free) for i in places]
        names = ["" if self.constants.get(i, 0) is None else name for i, name in enumerate(names)]
        values = [
            onnx.numpy_helper.from_array(np.asarray(array), f"c{i}")
            for i, array in self.constants.items()
            if array is not None
        ]
        outputs = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, names, outputs, name="node", **self.attributes)
        kind = TensorProto.INT64 if self.integers else TensorProto.FLOAT
        graph = helper.make_graph(
            [node],
            "case",
            [_info(name, shape) for name, shape in zip("abc", self.inputs, strict=False)],
            [_info(name, self.shape, kind) for name in outputs],
            values,
        )
        opset = [helper.make_opsetid("", self.opset)]
        proto = helper.make_model(graph, opset_imports=opset, ir_version=10)
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        onnx.checker.check_model(inferred, full_check=True)
        return ir.from_proto(inferred)

    def feeds(self) -> Feeds:
        # TNNTest reads every input from the beginning of the one file it is given.
        stream = 3 * numbers(4000)
        if self.low is not None:
            stream = np.abs(stream) + np.float32(self.low)
        pairs = zip("abc", self.inputs, strict=False)
        return {name: stream[: math.prod(shape)].reshape(shape) for name, shape in pairs}


def _info(name: str, shape: Shape | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


MAP = (1, 6, 9, 11)
EVEN = (1, 8, 8, 12)
TOKENS = (1, 3, 16, 10)
ROWS = (1, 14, 10)
PAIR = (2, 10)
