"""What convolutions and poolings share: padding, and one dimension as two."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Chain, OnnxNode, Unsupported, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.parts import PadV2

WINDOW: Final = frozenset({"auto_pad", "dilations", "kernel_shape", "pads", "strides"})
"""The attributes that are read here."""

Borders = tuple[int, int, int, int]


def flat(node: OnnxNode) -> bool:
    """Return whether the node works on one dimension, which is then written as a map of height 1.

    Raises:
        Unsupported: it works on neither one nor two dimensions.
    """
    rank = len(node.input_shape(0))
    require(rank in (3, 4), f"rank {rank}, TNN has 2-D only")
    return rank == 3


def pair(node: OnnxNode, name: str) -> tuple[int, int]:
    """Return an attribute with a number for height and one for width; 1 each where it is absent."""
    values = node.integers(name, [1] * (len(node.input_shape(0)) - 2))
    require(len(values) in (1, 2), f"{name} {values}")
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def borders(node: OnnxNode, kernel: tuple[int, int]) -> Borders:
    """Return the padding above, left, below and right, computed for auto_pad SAME."""
    auto = node.text("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        strides, dilations = pair(node, "strides"), pair(node, "dilations")
        sizes = (1, *node.input_shape(0)[2:])[-2:]
        both = []
        for size, stride, dilation, reach in zip(sizes, strides, dilations, kernel, strict=True):
            windows = -(-size // stride)
            whole = max((windows - 1) * stride + dilation * (reach - 1) + 1 - size, 0)
            less, more = whole // 2, whole - whole // 2
            both.append((less, more) if auto == "SAME_UPPER" else (more, less))
        return both[0][0], both[1][0], both[0][1], both[1][1]
    if auto not in ("NOTSET", "VALID"):
        message = f"auto_pad {auto}"
        raise Unsupported(message)
    pads = node.integers("pads", [0] * 4) if auto == "NOTSET" else [0] * 4
    require(len(pads) in (2, 4) and min(pads) >= 0, f"pads {pads}")
    top, left, bottom, right = pads if len(pads) == 4 else (0, pads[0], 0, pads[1])
    return top, left, bottom, right


def as_map(chain: Chain, node: OnnxNode) -> str:
    """Return the input as [N, C, H, W]."""
    if not flat(node):
        return node.blob()
    batch, channels, width = node.input_shape(0)
    return chain.add(to_shape(batch, channels, 1, width), node.blob())


def padded(chain: Chain, blob: str, around: Borders, value: float = 0.0) -> str:
    """Return the map with a border of one value."""
    top, left, bottom, right = around
    if not any(around):
        return blob
    return chain.add(PadV2((0, 0, top, left), (0, 0, bottom, right), value=value), blob)
