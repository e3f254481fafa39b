"""Resize of height and width."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.upsample import BILINEAR, NEAREST, Upsample


def emit_resize(node: OnnxNode) -> list[Emitted]:
    """Write a bilinear or nearest resize whose ratio is input size / output size."""
    before, after = node.input_shape(0), node.output_shape()
    require(
        len(before) == 4 and before[:2] == after[:2], f"resizes {list(before)} to {list(after)}"
    )
    require(not node.integer("antialias", 0), "antialias 1")
    require(not node.integer("exclude_outside", 0), "exclude_outside 1")
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    require(policy == "stretch", f"keep_aspect_ratio_policy {policy}")
    _check_scales(node, before, after)
    mode, aligned = _mode(node, after)
    return node.layer(Upsample(mode, 0.0, 0.0, aligned, *after[2:]))


def _mode(node: OnnxNode, after: tuple[int, ...]) -> tuple[int, int]:
    mode = node.text("mode", "nearest")
    grid = node.text("coordinate_transformation_mode", "half_pixel")
    rounding = node.text("nearest_mode", "round_prefer_floor")
    if mode == "linear":
        # The two half-pixel grids differ in outputs of one pixel only.
        same = grid == "half_pixel" or (grid == "pytorch_half_pixel" and 1 not in after[2:])
        require(same or grid == "align_corners", f"mode linear on the grid {grid}")
        return BILINEAR, int(grid == "align_corners")
    fits = mode == "nearest" and grid == "asymmetric" and rounding == "floor"
    require(fits, f"mode {mode} on the grid {grid} with rounding {rounding}")
    return NEAREST, 0


def _check_scales(node: OnnxNode, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    scales = node.constant(2)
    if scales is None or not scales.size:
        return
    for axis, scale in zip(node.integers("axes", range(4)), scales.tolist(), strict=True):
        ratio = after[axis] / before[axis]
        require(abs(ratio / scale - 1) < 1e-6, f"scale {scale:g} is not the ratio of the sizes")


RESIZE: Final = Emitter(
    emit_resize,
    frozenset(
        {"antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a"}
        | {"exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy"}
        | {"mode", "nearest_mode"}
    ),
)
