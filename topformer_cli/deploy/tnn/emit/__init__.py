"""The table of ONNX operators that become TNN layers; a new one is an emitter here and one line."""

from typing import Final

from topformer_cli.deploy.tnn.emit.activation import (
    CLIP,
    ELU,
    HARD_SIGMOID,
    HARD_SWISH,
    LEAKY_RELU,
    PRELU,
    RELU,
    SELU,
    SIGMOID,
)
from topformer_cli.deploy.tnn.emit.channels import CONCAT, SPLIT
from topformer_cli.deploy.tnn.emit.convolution import CONV, CONV_TRANSPOSE
from topformer_cli.deploy.tnn.emit.elementwise import ELEMENTWISE, POWER
from topformer_cli.deploy.tnn.emit.matmul import GEMM, MATMUL
from topformer_cli.deploy.tnn.emit.node import Emitter
from topformer_cli.deploy.tnn.emit.normalization import (
    BATCH_NORM,
    GROUP_NORM,
    INSTANCE_NORM,
    LAYER_NORM,
)
from topformer_cli.deploy.tnn.emit.parts import (
    DEPTH_TO_SPACE,
    EXPAND,
    GATHER,
    PAD,
    SLICE,
    SPACE_TO_DEPTH,
)
from topformer_cli.deploy.tnn.emit.pooling import GLOBAL_POOLING, POOLING
from topformer_cli.deploy.tnn.emit.reduction import ARG, LOG_SOFTMAX, REDUCTION
from topformer_cli.deploy.tnn.emit.resize import RESIZE
from topformer_cli.deploy.tnn.emit.shape import RESHAPE, TRANSPOSE
from topformer_cli.deploy.tnn.emit.softmax import SOFTMAX
from topformer_cli.deploy.tnn.emit.unary import ERF, GELU, MISH, SOFTSIGN, SWISH, UNARY

EMITTERS: Final[dict[str, Emitter]] = {
    "Abs": UNARY,
    "Add": ELEMENTWISE,
    "ArgMax": ARG,
    "ArgMin": ARG,
    "AveragePool": POOLING,
    "BatchNormalization": BATCH_NORM,
    "Cast": RESHAPE,
    "Ceil": UNARY,
    "Clip": CLIP,
    "Concat": CONCAT,
    "Conv": CONV,
    "ConvTranspose": CONV_TRANSPOSE,
    "DepthToSpace": DEPTH_TO_SPACE,
    "Div": ELEMENTWISE,
    "Dropout": RESHAPE,
    "Elu": ELU,
    "Erf": ERF,
    "Exp": UNARY,
    "Expand": EXPAND,
    "Flatten": RESHAPE,
    "Floor": UNARY,
    "Gather": GATHER,
    "Gelu": GELU,
    "Gemm": GEMM,
    "GlobalAveragePool": GLOBAL_POOLING,
    "GlobalMaxPool": GLOBAL_POOLING,
    "GroupNormalization": GROUP_NORM,
    "HardSigmoid": HARD_SIGMOID,
    "HardSwish": HARD_SWISH,
    "Identity": RESHAPE,
    "InstanceNormalization": INSTANCE_NORM,
    "LayerNormalization": LAYER_NORM,
    "LeakyRelu": LEAKY_RELU,
    "Log": UNARY,
    "LogSoftmax": LOG_SOFTMAX,
    "MatMul": MATMUL,
    "Max": ELEMENTWISE,
    "MaxPool": POOLING,
    "Min": ELEMENTWISE,
    "Mish": MISH,
    "Mul": ELEMENTWISE,
    "Neg": UNARY,
    "PRelu": PRELU,
    "Pad": PAD,
    "Pow": POWER,
    "Reciprocal": UNARY,
    "ReduceL1": REDUCTION,
    "ReduceL2": REDUCTION,
    "ReduceLogSum": REDUCTION,
    "ReduceLogSumExp": REDUCTION,
    "ReduceMax": REDUCTION,
    "ReduceMean": REDUCTION,
    "ReduceMin": REDUCTION,
    "ReduceSum": REDUCTION,
    "ReduceSumSquare": REDUCTION,
    "Relu": RELU,
    "Reshape": RESHAPE,
    "Resize": RESIZE,
    "Selu": SELU,
    "Sigmoid": SIGMOID,
    "Sign": UNARY,
    "Slice": SLICE,
    "Softmax": SOFTMAX,
    "Softplus": UNARY,
    "Softsign": SOFTSIGN,
    "SpaceToDepth": SPACE_TO_DEPTH,
    "Split": SPLIT,
    "Sqrt": UNARY,
    "Squeeze": RESHAPE,
    "Sub": ELEMENTWISE,
    "Sum": ELEMENTWISE,
    "Swish": SWISH,
    "Tanh": UNARY,
    "Transpose": TRANSPOSE,
    "Unsqueeze": RESHAPE,
}
