"""Conv."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.convolution import Convolution


def emit_convolution(node: OnnxNode) -> list[Emitted]:
    """Write a 2-D convolution with constant weights and symmetric padding."""
    require(len(node.input_shape(0)) == 4, f"rank {len(node.input_shape(0))}, TNN has 2-D only")
    weight = node.required_constant(1, "the weight")
    bias = node.required_constant(2, "the bias") if node.value(2) is not None else None
    out_channels, in_per_group, kernel_h, kernel_w = weight.shape
    stride_h, stride_w = node.integers("strides", (1, 1))
    pad_h, pad_w = symmetric_padding(node)
    dilation_h, dilation_w = node.integers("dilations", (1, 1))
    record = Convolution(
        group=node.integer("group", 1),
        in_per_group=in_per_group,
        out_channels=out_channels,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_h=pad_h,
        pad_w=pad_w,
        bias=int(bias is not None),
        dilation_h=dilation_h,
        dilation_w=dilation_w,
    )
    return node.layer(record, weights=[weight] if bias is None else [weight, bias])


def symmetric_padding(node: OnnxNode) -> tuple[int, int]:
    """Return the padding above and left, which must equal that below and right."""
    auto = node.text("auto_pad", "NOTSET")
    require(auto in ("NOTSET", "VALID"), f"auto_pad {auto}; write explicit pads")
    top, left, bottom, right = node.integers("pads", (0, 0, 0, 0))
    require((top, left) == (bottom, right), f"pads {[top, left, bottom, right]} are not symmetric")
    return (0, 0) if auto == "VALID" else (top, left)


CONV: Final = Emitter(
    emit_convolution,
    frozenset({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"}),
)
