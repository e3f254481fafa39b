"""Slice, Pad, Expand, Gather, DepthToSpace, SpaceToDepth."""

from collections.abc import Sequence
from typing import Final

from topformer_cli.deploy.tnn.emit.border import Border, bordered
from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.channels import Concat
from topformer_cli.deploy.tnn.layers.parts import (
    CONSTANT,
    REFLECT,
    Expand,
    Reorg,
    StridedSliceV2,
)


def emit_slice(node: OnnxNode) -> list[Emitted]:
    """Write a slice with the bounds that the shape leaves of them."""
    shape, chain = node.input_shape(0), Chain(node)
    starts, ends = (node.list_or(place, ()) for place in (1, 2))
    axes = [node.place(axis) for axis in node.list_or(3, range(len(starts)))]
    steps = node.list_or(4, [1] * len(starts))
    require(min(steps, default=1) > 0, f"steps {steps}; TNN goes forward only")
    rows = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        low, high, _ = slice(start, end).indices(shape[axis])
        require(low < high, f"nothing is left of axis {axis}")
        if (low, high, step) != (0, shape[axis], 1):
            rows.append((low, high, axis, step))
    if not rows:
        return chain.end(to_shape(*shape), node.blob())
    lows, highs, places, strides = zip(*sorted(rows, key=lambda row: row[2]), strict=True)
    return chain.end(StridedSliceV2(lows, highs, places, strides), node.blob())


def emit_pad(node: OnnxNode) -> list[Emitted]:
    """Write a border of a constant or a mirrored one; repeat the edge by slices."""
    shape, mode, chain = node.input_shape(0), node.text("mode", "constant"), Chain(node)
    before, after = _pads(node, len(shape))
    require(mode in ("constant", "reflect", "edge"), f"mode {mode}")
    require(min(*before, *after) >= 0, f"negative pads {before}, {after}")
    if mode == "edge":
        return _edge(chain, node, before, after)
    value = 0.0
    if mode == "constant" and node.value(2) is not None:
        value = float(node.required_constant(2, "the value").reshape(-1)[0])
    border = Border(tuple(before), tuple(after), CONSTANT if mode == "constant" else REFLECT, value)
    return chain.done(bordered(chain, node.blob(), shape, border))


def _pads(node: OnnxNode, rank: int) -> tuple[list[int], list[int]]:
    given = node.list_or(1, ())
    axes = [node.place(axis) for axis in node.list_or(3, range(rank))]
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = given[place], given[place + len(axes)]
    return before, after


def _edge(
    chain: Chain, node: OnnxNode, before: Sequence[int], after: Sequence[int]
) -> list[Emitted]:
    blob, shape = node.blob(), node.input_shape(0)
    for axis, (front, back) in enumerate(zip(before, after, strict=True)):
        if not front and not back:
            continue
        size = shape[axis]
        first = chain.add(StridedSliceV2((0,), (1,), (axis,), (1,)), blob) if front else ""
        last = chain.add(StridedSliceV2((size - 1,), (size,), (axis,), (1,)), blob) if back else ""
        blob = chain.add(Concat(axis), *[first] * front, blob, *[last] * back)
    return chain.done(blob) if blob != node.blob() else chain.end(to_shape(*shape), blob)


def emit_expand(node: OnnxNode) -> list[Emitted]:
    """Write the repetition of dimensions of size 1, up to the static shape of the output."""
    chain, shape, wanted = Chain(node), node.input_shape(0), node.output_shape()
    full = (*[1] * (len(wanted) - len(shape)), *shape)
    if full == wanted:
        return chain.end(to_shape(*wanted), node.blob())
    blob = node.blob() if full == shape else chain.add(to_shape(*full), node.blob())
    return chain.end(Expand(wanted), blob)


def emit_gather(node: OnnxNode) -> list[Emitted]:
    """Write constant indices as one slice when they are evenly spaced, else as several."""
    chain, axis = Chain(node), node.axis(0)
    size = node.input_shape(0)[axis]
    indices = node.required_constant(1, "the index").reshape(-1) % size
    runs = _runs([int(index) for index in indices])
    require(len(runs) <= _MOST_RUNS, f"picks {len(runs)} separate places, at most {_MOST_RUNS}")
    pieces = [
        chain.add(StridedSliceV2((low,), (high + 1,), (axis,), (step,)), node.blob())
        for low, high, step in runs
    ]
    blob = pieces[0] if len(pieces) == 1 else chain.add(Concat(axis), *pieces)
    return chain.end(to_shape(*node.output_shape()), blob)


_MOST_RUNS: Final = 32


def _runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """Divide indices into first, last and step of evenly growing runs."""
    runs: list[list[int]] = []
    for index in indices:
        step = index - runs[-1][-1] if runs else 0
        if runs and step > 0 and (len(runs[-1]) < 2 or step == runs[-1][1] - runs[-1][0]):
            runs[-1].append(index)
        else:
            runs.append([index])
    return [(run[0], run[-1], run[1] - run[0] if len(run) > 1 else 1) for run in runs]


def emit_depth_to_space(node: OnnxNode) -> list[Emitted]:
    """Write depth to space in either order."""
    mode = node.text("mode", "DCR")
    require(mode in ("DCR", "CRD"), f"mode {mode}")
    return node.layer(Reorg(node.integer("blocksize", 1), 1, mode=int(mode == "CRD")))


def emit_space_to_depth(node: OnnxNode) -> list[Emitted]:
    """Write space to depth, the counterpart of DCR."""
    return node.layer(Reorg(node.integer("blocksize", 1), 0, mode=0))


SLICE: Final = Emitter(emit_slice)
PAD: Final = Emitter(emit_pad, frozenset({"mode"}))
EXPAND: Final = Emitter(emit_expand)
GATHER: Final = Emitter(emit_gather, frozenset({"axis"}))
DEPTH_TO_SPACE: Final = Emitter(emit_depth_to_space, frozenset({"blocksize", "mode"}))
SPACE_TO_DEPTH: Final = Emitter(emit_space_to_depth, frozenset({"blocksize"}))
