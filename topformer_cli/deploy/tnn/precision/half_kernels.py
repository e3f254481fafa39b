"""What TNN's ARM device computes in half precision, and in which order it rounds.

Read in TNN at f0cb081, device/arm/acc and its compute_arm82. Every value of such a layer is a half,
and:

- Convolution and MatMul accumulate in half registers, one rounding a multiply-add, over the whole
  depth: GEMM_FP16_N8 from the bias on, eight input channels at a time inside each kernel position;
  GemmFp16SlidewC3 (three input channels) and the depthwise kernels from 0 with the bias at the end.
- Softmax subtracts, sums and multiplies by the reciprocal in half; exp itself is float32.
- A constant matrix of MatMul is cut to half, not rounded (stored in half, it is not cut).
- Div multiplies by a rounded reciprocal. Average pooling sums in float32. Everything else rounds
  once a value.
- Dense 3x3 convolutions with stride 1 are computed in Winograd's form (half_winograd.py).

Not reproduced: the order inside InnerProduct and Deconvolution (one rounding a value here), TNN's
approximation of exp.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, RELU, RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Div
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.softmax import Softmax
from topformer_cli.deploy.tnn.precision.half_storage import HALF_MAX
from topformer_cli.deploy.tnn.precision.half_winograd import winograd, winograd_form

Tensors: TypeAlias = Sequence[Tensor]

COMPUTED_IN_HALF: Final = frozenset(
    {
        "Add",
        "BatchNormCxx",
        "Concat",
        "Convolution",
        "Convolution1D",
        "Deconvolution",
        "Div",
        "Expand",
        "Flatten",
        "GLU",
        "Gather",
        "GroupNorm",
        "InnerProduct",
        "InstBatchNormCxx",
        "LSTMONNX",
        "LayerNorm",
        "MatMul",
        "Maximum",
        "Minimum",
        "Mul",
        "PReLU",
        "Permute",
        "Pooling",
        "ReLU",
        "ReLU6",
        "Reshape",
        "Scale",
        "Sigmoid",
        "Softmax",
        "SoftmaxCaffe",
        "SplitV",
        "Squeeze",
        "Sub",
        "Swish",
        "Unsqueeze",
    }
)
"""Types registered with REGISTER_ARM_PRECISION_FP16; the others are computed in float32, with
conversions where a blob goes from one kind to the other."""

_CHANNELS_AT_A_TIME: Final = 8
_LANES: Final = (8, 4, 1)


def compute_half(record: LayerRecord, inputs: Tensors, weights: Tensors) -> list[Tensor]:
    """Compute a layer as an ARMv8.2 processor does: float16 inputs and outputs, float32 weights."""
    kernel = _KERNELS.get(record.TYPE)
    if kernel is not None:
        return [kernel(record, inputs, weights)]
    outputs = record.compute([x.float() for x in inputs], [w.half().float() for w in weights])
    return [output.half() for output in outputs]


def _truncate(weight: Tensor) -> Tensor:
    # ConvertFromFloatToHalf: towards zero, and never infinite.
    exact = weight.clamp(-HALF_MAX, HALF_MAX).numpy()
    nearest = exact.astype(np.float16)
    inward = np.nextafter(nearest, np.float16(0))
    return torch.from_numpy(np.where(np.abs(nearest) > np.abs(exact), inward, nearest))


def _convolve(record: Convolution, inputs: Tensors, weights: Tensors) -> Tensor:
    image, weight = inputs[0], weights[0].half()
    bias = weights[1].half() if record.bias else torch.zeros(record.out_channels, dtype=torch.half)
    padded = F.pad(image, (record.pad_w, record.pad_w, record.pad_h, record.pad_h))
    form = winograd_form(record, _size(record, padded))
    depthwise = record.group == record.out_channels and record.in_per_group == 1
    three = record.group == 1 and image.shape[1] == 3
    bias_last = form is not None or three or (depthwise and record.group > 1)
    start = torch.zeros_like(bias) if bias_last else bias
    if form is not None:
        output = winograd(form, padded, weights[0], _size(record, padded))
    elif depthwise:
        output = _depthwise(record, padded, weight, start)
    else:
        images = torch.split(padded, record.in_per_group, 1)
        parts = zip(images, weight.chunk(record.group), start.chunk(record.group), strict=True)
        output = torch.cat([_dense(record, *part) for part in parts], 1)
    if bias_last:
        output += bias[:, None, None]
    return _ACTIVATIONS[record.activation](output)


def _dense(record: Convolution, padded: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    total = _accumulator(record, padded, start)
    for first in range(0, padded.shape[1], _CHANNELS_AT_A_TIME):
        block = padded[:, first : first + _CHANNELS_AT_A_TIME]
        for y in range(record.kernel_h):
            for x in range(record.kernel_w):
                window = _window(record, block, y, x)
                for c in range(window.shape[1]):
                    taps = weight[:, first + c, y, x, None, None]
                    total.addcmul_(taps, window[:, c : c + 1])
    return total


def _depthwise(record: Convolution, padded: Tensor, weight: Tensor, start: Tensor) -> Tensor:
    total = _accumulator(record, padded, start)
    places = list(itertools.product(range(record.kernel_h), range(record.kernel_w)))
    shape = (record.kernel_h, record.kernel_w, record.stride_h, record.stride_w)
    if shape == (3, 3, 1, 1) and record.dilation_h == record.dilation_w == 1:
        # ConvDw3x3Fp16SlideW goes column by column.
        places.sort(key=lambda place: place[::-1])
    for y, x in places:
        total.addcmul_(weight[:, 0, y, x, None, None], _window(record, padded, y, x))
    return total


def _size(record: Convolution, padded: Tensor) -> tuple[int, int]:
    reach_h = record.dilation_h * (record.kernel_h - 1) + 1
    reach_w = record.dilation_w * (record.kernel_w - 1) + 1
    height, width = padded.shape[2:]
    return (height - reach_h) // record.stride_h + 1, (width - reach_w) // record.stride_w + 1


def _accumulator(record: Convolution, padded: Tensor, start: Tensor) -> Tensor:
    shape = (padded.shape[0], len(start), *_size(record, padded))
    return start[:, None, None].expand(shape).contiguous()


def _window(record: Convolution, padded: Tensor, y: int, x: int) -> Tensor:
    """Return what one kernel position sees, [N, C, out_h, out_w]."""
    height, width = _size(record, padded)
    top, left = y * record.dilation_h, x * record.dilation_w
    rows = slice(top, top + (height - 1) * record.stride_h + 1, record.stride_h)
    columns = slice(left, left + (width - 1) * record.stride_w + 1, record.stride_w)
    return padded[:, :, rows, columns].contiguous()


def _multiply(record: MatMul, inputs: Tensors, weights: Tensors) -> Tensor:
    operands = [*inputs, *map(_truncate, weights)]
    left, right = operands[::-1] if weights and record.constant == 0 else operands
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    total = torch.zeros((*batch, left.shape[-2], right.shape[-1]), dtype=torch.half)
    for k in range(left.shape[-1]):
        total.addcmul_(left[..., k : k + 1], right[..., k : k + 1, :])
    return total


def _divide(record: Div, inputs: Tensors, weights: Tensors) -> Tensor:
    left, right = record.operands(inputs, [weight.half() for weight in weights])
    return left * (1 / right.float()).half()


def _softmax(record: Softmax, inputs: Tensors, weights: Tensors) -> Tensor:  # noqa: ARG001
    values = inputs[0].movedim(record.axis, -1)
    powers = (values - values.amax(-1, keepdim=True)).float().exp().half()
    innermost = record.axis in (-1, inputs[0].ndim - 1)
    total = _sum_in_half(powers, innermost)
    return (powers * (1 / total.float()).half()[..., None]).movedim(-1, record.axis).contiguous()


def _sum_in_half(values: Tensor, innermost: bool) -> Tensor:
    """Sum the last axis one by one, or along memory: what is over, then every lane's own sum."""
    length = values.shape[-1]
    lanes = next(n for n in _LANES if n <= length) if innermost else 1
    whole = length - length % lanes
    total = torch.zeros(values.shape[:-1], dtype=torch.half)
    if lanes == 1:
        return _add_up(total, values)
    total = _add_up(total, values[..., whole:])
    blocks = values[..., :whole].reshape(*values.shape[:-1], -1, lanes).movedim(-2, -1)
    return _add_up(total, _add_up(torch.zeros(blocks.shape[:-1], dtype=torch.half), blocks))


def _add_up(total: Tensor, values: Tensor) -> Tensor:
    for part in values.unbind(-1):
        total += part
    return total


_ACTIVATIONS: Final[dict[int, Callable[[Tensor], Tensor]]] = {
    NO_ACTIVATION: lambda x: x,
    RELU: F.relu,
    RELU6: F.relu6,
}

_KERNELS: Final[dict[str, Callable[[Any, Tensors, Tensors], Tensor]]] = {
    "Convolution": _convolve,
    "Div": _divide,
    "MatMul": _multiply,
    "Softmax": _softmax,
    "SoftmaxCaffe": _softmax,
}
