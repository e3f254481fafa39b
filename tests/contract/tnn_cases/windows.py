"""Convolutions, poolings, resizes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tests.fakes.tnn_case import EVEN, MAP, Case, Shape, numbers

HALF_PIXEL = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
PYTORCH = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
ALIGNED = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
FLOOR = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}
MATRICES = ["MatMul", "MatMul"]


def sizes(*shape: int) -> dict[int, Any]:
    return {1: None, 2: None, 3: np.array(shape, dtype=np.int64)}


def conv(weight: Shape, layers: Sequence[str] = ("Convolution",), **attributes: Any) -> Case:
    constants = {1: numbers(*weight), 2: numbers(weight[0], seed=1)}
    return Case("Conv", [MAP], layers, constants, attributes)


def deconv(weight: Shape, layers: Sequence[str] = ("Deconvolution",), **attributes: Any) -> Case:
    channels = weight[1] * attributes.get("group", 1)
    constants = {1: numbers(*weight), 2: numbers(channels, seed=1)}
    return Case("ConvTranspose", [MAP], layers, constants, attributes)


def average(layers: Sequence[str], kernel: int, stride: int, **attributes: Any) -> Case:
    window = {"kernel_shape": [kernel, kernel], "strides": [stride, stride]}
    return Case("AveragePool", [EVEN], layers, {}, window | attributes)


def maximum(layers: Sequence[str], kernel: int, stride: int, **attributes: Any) -> Case:
    window = {"kernel_shape": [kernel, kernel], "strides": [stride, stride]}
    return Case("MaxPool", [EVEN], layers, {}, window | attributes)


WINDOWS: Final[dict[str, Case]] = {
    "conv uneven": conv((8, 6, 3, 5), strides=[2, 1], pads=[1, 2, 1, 2]),
    "conv dilated": conv((8, 6, 3, 3), pads=[2, 1, 2, 1], dilations=[2, 2]),
    "conv dilated unevenly": conv((8, 6, 3, 3), pads=[2, 1, 2, 1], dilations=[2, 1]),
    "conv 1x1": conv((8, 6, 1, 1)),
    "conv depthwise": conv((6, 1, 5, 5), pads=[2, 2, 2, 2], strides=[2, 2], group=6),
    "conv multiplied": conv((12, 1, 3, 3), pads=[1, 1, 1, 1], group=6),
    "conv grouped": conv((4, 3, 3, 3), pads=[0, 1, 0, 1], strides=[1, 2], group=2),
    "conv no bias": Case("Conv", [MAP], ["Convolution"], {1: numbers(5, 6, 3, 3)}),
    "conv skewed": conv((8, 6, 3, 3), ["PadV2", "Convolution"], pads=[0, 1, 1, 2]),
    "conv same upper": conv(
        (8, 6, 3, 4), ["PadV2", "Convolution"], auto_pad="SAME_UPPER", strides=[2, 2]
    ),
    "conv same lower": conv((6, 1, 2, 3), ["PadV2", "Convolution"], auto_pad="SAME_LOWER", group=6),
    "conv same even": conv((8, 6, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv valid": conv((8, 6, 3, 3), auto_pad="VALID"),
    "conv 1-d": Case(
        "Conv",
        [(1, 6, 20)],
        ["Reshape", "Convolution", "Reshape"],
        {1: numbers(8, 6, 3), 2: numbers(8)},
        {"pads": [1, 1], "strides": [2], "dilations": [1]},
    ),
    "conv two images": Case("Conv", [(2, 6, 7, 9)], ["Convolution"], {1: numbers(8, 6, 3, 3)}),
    "deconv": deconv((6, 5, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]),
    "deconv 2x2": deconv((6, 8, 2, 2), strides=[2, 2]),
    "deconv 4x4": deconv((6, 8, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1]),
    "deconv output padding": deconv(
        (6, 5, 3, 3),
        ["Deconvolution", "StridedSliceV2"],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        output_padding=[1, 1],
    ),
    "deconv grouped": deconv((6, 2, 3, 3), strides=[2, 1], pads=[1, 1, 1, 1], group=2),
    "deconv depthwise": deconv((6, 1, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1], group=6),
    "average": Case(
        "AveragePool", [EVEN], ["Pooling"], {}, {"kernel_shape": [4, 3], "strides": [4, 3]}
    ),
    "average padded": average(["Pooling"], 3, 2, pads=[1, 1, 1, 1]),
    "average counted": average(["PadV2", "Pooling"], 3, 2, pads=[1, 1, 1, 1], count_include_pad=1),
    "average same": average(["Pooling"], 3, 2, auto_pad="SAME_UPPER"),
    "average ceil": average(["Pooling"], 3, 2, ceil_mode=1),
    "average 1-d": Case(
        "AveragePool",
        [(1, 6, 20)],
        ["Reshape", "Pooling", "Reshape"],
        {},
        {"kernel_shape": [4], "strides": [4]},
    ),
    "maximum": Case(
        "MaxPool",
        [EVEN],
        ["Pooling"],
        {},
        {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1]},
    ),
    "maximum ceil": maximum(["Pooling"], 3, 2, ceil_mode=1),
    "maximum skewed": maximum(["PadV2", "Pooling"], 3, 1, pads=[0, 0, 2, 2]),
    "maximum same": maximum(["Pooling"], 2, 2, auto_pad="SAME_UPPER"),
    "maximum of a part": Case(
        "MaxPool",
        [(1, 3, 10, 5)],
        ["StridedSliceV2", "Pooling"],
        {},
        {"kernel_shape": [4, 4], "strides": [2, 3], "pads": [3, 0, 3, 0]},
    ),
    "global average": Case("GlobalAveragePool", [MAP], ["Pooling"]),
    "global maximum": Case("GlobalMaxPool", [MAP], ["Pooling"]),
    "global average 1-d": Case(
        "GlobalAveragePool", [(1, 6, 20)], ["Reshape", "Pooling", "Reshape"]
    ),
    "resize": Case("Resize", [EVEN], ["Upsample"], sizes(1, 8, 15, 20), HALF_PIXEL),
    "resize down": Case("Resize", [EVEN], ["Upsample"], sizes(1, 8, 5, 30), PYTORCH),
    "resize aligned": Case("Resize", [EVEN], ["Upsample"], sizes(1, 8, 15, 21), ALIGNED),
    "resize nearest": Case("Resize", [EVEN], ["Upsample"], sizes(1, 8, 16, 24), FLOOR),
    "resize scales": Case(
        "Resize", [EVEN], ["Upsample"], {1: None, 2: np.float32([1, 1, 2, 2])}, HALF_PIXEL
    ),
    "resize nearest, half pixels": Case(
        "Resize", [EVEN], ["Upsample"], sizes(1, 8, 16, 24), {"mode": "nearest"}
    ),
    "resize nearest by rounding": Case(
        "Resize", [EVEN], MATRICES, sizes(1, 8, 11, 17), {"mode": "nearest"}
    ),
    "resize to a pixel": Case("Resize", [EVEN], ["Upsample"], sizes(1, 8, 1, 1), PYTORCH),
    "resize to a column": Case("Resize", [EVEN], MATRICES, sizes(1, 8, 11, 1), HALF_PIXEL),
    "resize from the corner": Case(
        "Resize",
        [EVEN],
        MATRICES,
        sizes(1, 8, 16, 24),
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
    ),
    "resize by another scale": Case(
        "Resize", [EVEN], MATRICES, {1: None, 2: np.float32([1, 1, 1.3, 1.7])}, HALF_PIXEL
    ),
    "resize cubic": Case(
        "Resize", [EVEN], MATRICES, sizes(1, 8, 15, 20), HALF_PIXEL | {"mode": "cubic"}
    ),
    "resize not at all": Case("Resize", [EVEN], ["Reshape"], sizes(*EVEN), HALF_PIXEL),
}
