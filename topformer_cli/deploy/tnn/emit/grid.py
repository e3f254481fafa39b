"""Where an output pixel of ONNX's Resize lies in the input, and what it takes from there.

Source: the reference of the Resize operator. Along one dimension, sizes in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """One dimension of a resize: sizes, scale, and the names of the rules."""

    before: int
    after: int
    scale: float
    transform: str
    rounding: str = "round_prefer_floor"

    def places(self) -> Floats:
        """Return the place in the input of every output pixel."""
        return _TRANSFORMS[self.transform](np.arange(self.after, dtype=np.float64), self)

    def nearest(self) -> NDArray[np.int64]:
        """Return the input pixel that every output pixel copies."""
        # onnxruntime computes in float32, where a whole number stays one.
        rounded = _ROUNDINGS[self.rounding](self.places().astype(np.float32).astype(np.float64))
        return np.clip(rounded, 0, self.before - 1).astype(np.int64)


def nearest_matrix(grid: Grid) -> Floats:
    """Return the matrix [after, before] that copies."""
    return np.eye(grid.before)[grid.nearest()]


def linear_matrix(grid: Grid) -> Floats:
    """Return the matrix [after, before] that interpolates between two neighbours."""
    return _weighted(grid, 2, lambda distance: np.maximum(1 - distance, 0))


def cubic_matrix(grid: Grid, a: float) -> Floats:
    """Return the matrix [after, before] that interpolates between four neighbours (Keys)."""

    def weight(x: Floats) -> Floats:
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    return _weighted(grid, 4, weight)


def _weighted(grid: Grid, neighbours: int, weight: Callable[[Floats], Floats]) -> Floats:
    places = grid.places()
    if neighbours == 2:
        places = np.clip(places, 0, grid.before - 1)
    first = np.floor(places).astype(np.int64) - neighbours // 2 + 1
    matrix = np.zeros((grid.after, grid.before))
    for offset in range(neighbours):
        column = first + offset
        share = weight(np.abs(places - column))
        # Behind the edge the edge's own value counts.
        np.add.at(matrix, (np.arange(grid.after), np.clip(column, 0, grid.before - 1)), share)
    return matrix


def _half_pixel(x: Floats, grid: Grid) -> Floats:
    return (x + 0.5) / grid.scale - 0.5


def _half_pixel_symmetric(x: Floats, grid: Grid) -> Floats:
    adjustment = grid.after / (grid.scale * grid.before)
    return grid.before / 2 * (1 - adjustment) + (x + 0.5) / grid.scale - 0.5


def _pytorch_half_pixel(x: Floats, grid: Grid) -> Floats:
    return _half_pixel(x, grid) if grid.after > 1 else np.zeros_like(x)


def _align_corners(x: Floats, grid: Grid) -> Floats:
    return x * (grid.before - 1) / max(grid.after - 1, 1)


def _asymmetric(x: Floats, grid: Grid) -> Floats:
    return x / grid.scale


_TRANSFORMS: Final[dict[str, Callable[[Floats, Grid], Floats]]] = {
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
}
TRANSFORMS: Final = frozenset(_TRANSFORMS)

_ROUNDINGS: Final[dict[str, Callable[[Floats], Floats]]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
}
ROUNDINGS: Final = frozenset(_ROUNDINGS)
