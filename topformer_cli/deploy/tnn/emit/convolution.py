"""Conv and ConvTranspose."""

from typing import Any, Final

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.emit.window import WINDOW, as_map, borders, flat, padded, pair
from topformer_cli.deploy.tnn.layers.convolution import Convolution, Deconvolution
from topformer_cli.deploy.tnn.layers.parts import StridedSliceV2

_BACKWARDS: Final = frozenset({"group", "output_padding", "output_shape"})


def emit_convolution(node: OnnxNode) -> list[Emitted]:
    """Write a convolution with constant weights; uneven padding becomes a layer before it."""
    chain = Chain(node)
    weights = _weights(node)
    out_channels, in_per_group, kernel_h, kernel_w = weights[0].shape
    stride_h, stride_w = pair(node, "strides")
    dilation_h, dilation_w = pair(node, "dilations")
    blob, around = as_map(chain, node), borders(node, (kernel_h, kernel_w))
    if around[:2] != around[2:]:
        blob, around = padded(chain, blob, around), (0, 0, 0, 0)
    record = Convolution(
        group=node.integer("group", 1),
        in_per_group=in_per_group,
        out_channels=out_channels,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_h=around[0],
        pad_w=around[1],
        bias=len(weights) - 1,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
    )
    if not flat(node):
        return chain.end(record, blob, weights=weights)
    made = chain.add(record, blob, weights=weights)
    return chain.end(to_shape(*node.output_shape()), made)


def emit_deconvolution(node: OnnxNode) -> list[Emitted]:
    """Write a transposed convolution; uneven and output padding are cut out of the full result."""
    require(not flat(node), "rank 3, TNN has 2-D only")
    require("output_shape" not in node.node.attributes, "output_shape; write pads")
    auto = node.text("auto_pad", "NOTSET")
    require(auto in ("NOTSET", "VALID"), f"auto_pad {auto}")
    chain, weights = Chain(node), _weights(node)
    in_channels, out_per_group, kernel_h, kernel_w = weights[0].shape
    group = node.integer("group", 1)
    stride_h, stride_w = pair(node, "strides")
    dilation_h, dilation_w = pair(node, "dilations")
    around, extra = borders(node, (kernel_h, kernel_w)), node.integers("output_padding", (0, 0))
    even = around[:2] == around[2:] and not any(extra)
    record = Deconvolution(
        group=group,
        in_per_group=in_channels // group,
        out_channels=out_per_group * group,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_h=around[0] if even else 0,
        pad_w=around[1] if even else 0,
        bias=len(weights) - 1,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
    )
    if even:
        return chain.end(record, node.blob(), weights=weights)
    behind = [around[i + 2] - extra[i] for i in (0, 1)]
    require(min(behind) >= 0, f"output_padding {extra} is more than the pads {list(around[2:])}")
    height, width = node.output_shape()[2:]
    cut = StridedSliceV2(around[:2], (around[0] + height, around[1] + width), (2, 3), (1, 1))
    return chain.end(cut, chain.add(record, node.blob(), weights=weights))


def _weights(node: OnnxNode) -> list[Any]:
    """Return the weight as [.., .., kernel_h, kernel_w] and the bias, if there is one."""
    weight = node.required_constant(1, "the weight")
    wide = weight[:, :, None] if flat(node) else weight
    bias = node.value(2)
    return [wide] if bias is None else [wide, node.required_constant(2, "the bias")]


CONV: Final = Emitter(emit_convolution, WINDOW | {"group"})
CONV_TRANSPOSE: Final = Emitter(emit_deconvolution, WINDOW | _BACKWARDS)
