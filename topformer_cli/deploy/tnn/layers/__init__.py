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
from topformer_cli.deploy.tnn.layers.channelwise import BatchNormCxx, InstBatchNormCxx, PReLU
from topformer_cli.deploy.tnn.layers.convolution import Convolution, Deconvolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from topformer_cli.deploy.tnn.layers.inner_product import InnerProduct
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.parts import Expand, PadV2, Reorg, StridedSliceV2
from topformer_cli.deploy.tnn.layers.pooling import Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.reduction import (
    ArgMaxOrMin,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
)
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape
from topformer_cli.deploy.tnn.layers.softmax import Softmax, SoftmaxCaffe
from topformer_cli.deploy.tnn.layers.unary import (
    Abs,
    Ceil,
    Elu,
    Exp,
    Floor,
    Gelu,
    Log,
    Neg,
    Power,
    Reciprocal,
    Selu,
    Sign,
    Softplus,
    Sqrt,
    Tanh,
)
from topformer_cli.deploy.tnn.layers.upsample import Upsample

LAYERS: Final[dict[str, type[LayerRecord]]] = {
    "Abs": Abs,
    "Add": Add,
    "ArgMaxOrMin": ArgMaxOrMin,
    "BatchNormCxx": BatchNormCxx,
    "Ceil": Ceil,
    "Clip": Clip,
    "Concat": Concat,
    "Convolution": Convolution,
    "Deconvolution": Deconvolution,
    "Div": Div,
    "Elu": Elu,
    "Exp": Exp,
    "Expand": Expand,
    "Floor": Floor,
    "GELU": Gelu,
    "HardSigmoid": HardSigmoid,
    "HardSwish": HardSwish,
    "InnerProduct": InnerProduct,
    "InstBatchNormCxx": InstBatchNormCxx,
    "Log": Log,
    "MatMul": MatMul,
    "Maximum": Maximum,
    "Minimum": Minimum,
    "Mul": Mul,
    "Neg": Neg,
    "PReLU": PReLU,
    "PadV2": PadV2,
    "Permute": Permute,
    "Pooling": Pooling,
    "Power": Power,
    "ReLU": ReLU,
    "ReLU6": ReLU6,
    "Reciprocal": Reciprocal,
    "ReduceMax": ReduceMax,
    "ReduceMean": ReduceMean,
    "ReduceMin": ReduceMin,
    "ReduceSum": ReduceSum,
    "Reorg": Reorg,
    "Reshape": Reshape,
    "Selu": Selu,
    "Sigmoid": Sigmoid,
    "Sign": Sign,
    "Softmax": Softmax,
    "SoftmaxCaffe": SoftmaxCaffe,
    "Softplus": Softplus,
    "SplitV": SplitV,
    "Sqrt": Sqrt,
    "StridedSliceV2": StridedSliceV2,
    "Sub": Sub,
    "Tanh": Tanh,
    "Upsample": Upsample,
}
"""The word in a .tnnproto file -> the record it stands for."""
