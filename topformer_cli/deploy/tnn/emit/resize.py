"""Resize of height and width."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.grid import (
    ROUNDINGS,
    TRANSFORMS,
    Floats,
    Grid,
    cubic_matrix,
    linear_matrix,
    nearest_matrix,
)
from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.upsample import BILINEAR, NEAREST, Upsample


def emit_resize(node: OnnxNode) -> list[Emitted]:
    """Write a resize as TNN's where the grids are the same, else as two products with matrices.

    TNN's grids: ratio input size / output size; nearest takes floor(x * ratio), bilinear half
    pixels clamped at 0 or aligned corners.
    """
    _check(node)
    before, after = node.input_shape(0), node.output_shape()
    chain = Chain(node)
    if before == after:
        return chain.end(to_shape(*after), node.blob())
    rows, columns = (_grid(node, axis) for axis in (2, 3))
    mode = node.text("mode", "nearest")
    if mode == "nearest" and all(_copies_like_tnn(grid) for grid in (rows, columns)):
        return chain.end(Upsample(NEAREST, 0.0, 0.0, 0, *after[2:]), node.blob())
    if mode == "linear":
        for aligned, transform in enumerate(("half_pixel", "align_corners")):
            if all(_same_places(grid, transform) for grid in (rows, columns)):
                return chain.end(Upsample(BILINEAR, 0.0, 0.0, aligned, *after[2:]), node.blob())
    wide = chain.add(MatMul(1), node.blob(), weights=[_matrix(node, columns).T])
    return chain.end(MatMul(0), wide, weights=[_matrix(node, rows)])


def _check(node: OnnxNode) -> None:
    before, after = node.input_shape(0), node.output_shape()
    fits = len(before) == 4 and before[:2] == after[:2]
    require(fits, f"resizes {list(before)} to {list(after)}")
    for name in ("antialias", "exclude_outside"):
        require(not node.integer(name, 0), f"{name} 1")
    mode = node.text("mode", "nearest")
    require(mode in ("nearest", "linear", "cubic"), f"mode {mode}")
    transform = node.text("coordinate_transformation_mode", "half_pixel")
    require(transform in TRANSFORMS, f"the grid {transform}")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    require(rounding in ROUNDINGS, f"rounding {rounding}")


def _grid(node: OnnxNode, axis: int) -> Grid:
    before, after = node.input_shape(0)[axis], node.output_shape()[axis]
    scale = after / before
    scales, axes = node.constant(2), node.integers("axes", range(4))
    if scales is not None and scales.size and axis in axes:
        scale = float(scales[axes.index(axis)])
    transform = node.text("coordinate_transformation_mode", "half_pixel")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    return Grid(before, after, scale, transform, rounding)


def _copies_like_tnn(grid: Grid) -> bool:
    ratio = np.float32(grid.before / grid.after)
    places = np.arange(grid.after, dtype=np.float32) * ratio
    return np.array_equal(grid.nearest(), np.floor(places).clip(0, grid.before - 1))


def _same_places(grid: Grid, transform: str) -> bool:
    """Whether the pixels lie where they lie on another grid, up to float32's rounding."""
    if grid.before == 1:
        return True
    if grid.after == 1 and transform == "half_pixel":
        return False  # TNN does not take the middle
    other = Grid(grid.before, grid.after, grid.after / grid.before, transform)
    ends = 0, grid.before - 1
    return np.allclose(grid.places().clip(*ends), other.places().clip(*ends), rtol=0, atol=1e-5)


def _matrix(node: OnnxNode, grid: Grid) -> Floats:
    mode = node.text("mode", "nearest")
    if mode == "cubic":
        return cubic_matrix(grid, node.number("cubic_coeff_a", -0.75))
    return linear_matrix(grid) if mode == "linear" else nearest_matrix(grid)


RESIZE: Final = Emitter(
    emit_resize,
    frozenset(
        {"antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a"}
        | {"exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy"}
        | {"mode", "nearest_mode"}
    ),
)
