"""The table of TNN layer types; a new one is a record in a module here and one line in LAYERS."""

from typing import Final

from topformer_cli.deploy.tnn.layers.activation import (
    Clip,
    HardSigmoid,
    HardSwish,
    ReLU,
    ReLU6,
    Sigmoid,
)
from topformer_cli.deploy.tnn.layers.channels import Concat, SplitV
from topformer_cli.deploy.tnn.layers.convolution import Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Mul, Sub
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.pooling import Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape
from topformer_cli.deploy.tnn.layers.softmax import Softmax, SoftmaxCaffe
from topformer_cli.deploy.tnn.layers.upsample import Upsample

LAYERS: Final[dict[str, type[LayerRecord]]] = {
    "Add": Add,
    "Clip": Clip,
    "Concat": Concat,
    "Convolution": Convolution,
    "Div": Div,
    "HardSigmoid": HardSigmoid,
    "HardSwish": HardSwish,
    "MatMul": MatMul,
    "Mul": Mul,
    "Permute": Permute,
    "Pooling": Pooling,
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "Reshape": Reshape,
    "Sigmoid": Sigmoid,
    "Softmax": Softmax,
    "SoftmaxCaffe": SoftmaxCaffe,
    "SplitV": SplitV,
    "Sub": Sub,
    "Upsample": Upsample,
}
"""The word in a .tnnproto file -> the record it stands for."""
