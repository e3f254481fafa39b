"""The table of ONNX operators that become TNN layers; a new one is an emitter here and one line."""

from typing import Final

from topformer_cli.deploy.tnn.emit.activation import (
    CLIP,
    HARD_SIGMOID,
    HARD_SWISH,
    RELU,
    SIGMOID,
)
from topformer_cli.deploy.tnn.emit.channels import CONCAT, SPLIT
from topformer_cli.deploy.tnn.emit.convolution import CONV
from topformer_cli.deploy.tnn.emit.elementwise import ELEMENTWISE
from topformer_cli.deploy.tnn.emit.matmul import MATMUL
from topformer_cli.deploy.tnn.emit.node import Emitter
from topformer_cli.deploy.tnn.emit.pooling import GLOBAL_POOLING, POOLING
from topformer_cli.deploy.tnn.emit.resize import RESIZE
from topformer_cli.deploy.tnn.emit.shape import RESHAPE, TRANSPOSE
from topformer_cli.deploy.tnn.emit.softmax import SOFTMAX

EMITTERS: Final[dict[str, Emitter]] = {
    "Add": ELEMENTWISE,
    "AveragePool": POOLING,
    "Clip": CLIP,
    "Concat": CONCAT,
    "Conv": CONV,
    "Div": ELEMENTWISE,
    "GlobalAveragePool": GLOBAL_POOLING,
    "GlobalMaxPool": GLOBAL_POOLING,
    "HardSigmoid": HARD_SIGMOID,
    "HardSwish": HARD_SWISH,
    "MatMul": MATMUL,
    "MaxPool": POOLING,
    "Mul": ELEMENTWISE,
    "Relu": RELU,
    "Reshape": RESHAPE,
    "Resize": RESIZE,
    "Sigmoid": SIGMOID,
    "Softmax": SOFTMAX,
    "Split": SPLIT,
    "Sub": ELEMENTWISE,
    "Transpose": TRANSPOSE,
}
