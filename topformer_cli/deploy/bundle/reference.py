"""What an app computes before and after the network, in numpy.

The C++ and the Kotlin of a bundle compute the same to the last bit: positions and weights are
integers in units of 1/2048, and every product of a weight and a float32 is exact in float64, so
that no compiler's fused multiply-add makes a difference.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.manifest import Manifest

Bytes = NDArray[np.uint8]

UNIT: Final = 2048
"""Steps between two neighbouring samples; OpenCV's own resize has as many."""
OVERLAY_ALPHA: Final = 140
"""Of 255: how much the colours cover in the golden overlay."""


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """Resampling of one axis: out[i] = (in[low] * (UNIT - weight) + in[high] * weight) / UNIT."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.int64]

    @classmethod
    def between(cls, length: int, wanted: int) -> "Taps":
        """Sample at the centres of `wanted` equal parts of `length` samples, ends repeated."""
        centre = (2 * np.arange(wanted, dtype=np.int64) + 1) * length * UNIT
        position = (centre + wanted) // (2 * wanted) - UNIT // 2
        position = position.clip(0, (length - 1) * UNIT)
        low = position // UNIT
        return cls(low, np.minimum(low + 1, length - 1), position % UNIT)


def resize_like_the_app(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """Resize [H0, W0, C] to [H, W, C]: half-pixel bilinear, rounded once to the nearest byte.

    cv2.resize rounds twice, and differs from this by at most 1 of 255.
    """
    down = Taps.between(picture.shape[0], size[0])
    across = Taps.between(picture.shape[1], size[1])
    values = picture.astype(np.int64)
    right = across.weight[:, None]
    wide = values[:, across.low] * (UNIT - right) + values[:, across.high] * right
    lower = down.weight[:, None, None]
    total = wide[down.low] * (UNIT - lower) + wide[down.high] * lower
    return ((total + UNIT * UNIT // 2) // (UNIT * UNIT)).astype(np.uint8)


def to_tensor(resized: Bytes, manifest: Manifest) -> NDArray[Any]:
    """Turn RGB [H, W, 3] into the input [1, 3, H, W]: bytes as they are, or normalised float32."""
    values: NDArray[Any] = resized
    if manifest.input.type != "uint8":
        mean, std = (np.asarray(manifest.card[name], np.float32) for name in ("mean", "std"))
        values = (resized.astype(np.float32) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def labels_of_logits(logits: NDArray[np.float32], size: tuple[int, int]) -> Bytes:
    """Resize logits [C, h, w] bilinearly to (H, W) and take the best class, the first of equals."""
    down = Taps.between(logits.shape[1], size[0])
    across = Taps.between(logits.shape[2], size[1])
    labels = np.empty(size, np.uint8)
    upper = lower = np.empty(0, np.float64)
    done = -1
    for row, (low, high, weight) in enumerate(zip(down.low, down.high, down.weight, strict=True)):
        if low != done:
            upper, lower = (_widened(logits[:, source], across) for source in (low, high))
            done = int(low)
        labels[row] = (upper * (UNIT - weight) + lower * weight).argmax(0)
    return labels


def _widened(row: NDArray[np.float32], across: Taps) -> NDArray[np.float64]:
    """Resize one row of all channels, [C, w] -> [C, W], rounded to float32."""
    values = row.astype(np.float64)
    wide = values[:, across.low] * (UNIT - across.weight) + values[:, across.high] * across.weight
    return wide.astype(np.float32).astype(np.float64)


def labels_of_map(labels: NDArray[Any], size: tuple[int, int]) -> Bytes:
    """Resize a label map [h, w] to (H, W): the label under the centre of each pixel."""
    down, across = (
        (2 * np.arange(wanted, dtype=np.int64) + 1) * length // (2 * wanted)
        for length, wanted in zip(labels.shape, size, strict=True)
    )
    chosen: Bytes = labels[down[:, None], across].astype(np.uint8)
    return chosen


def colour_layer(labels: Bytes, palette: Bytes, alpha: int) -> Bytes:
    """Paint a label map [H, W] as RGBA [H, W, 4] of one alpha; palette [classes, 3]."""
    layer = np.full((*labels.shape, 4), alpha, np.uint8)
    layer[..., :3] = palette[labels]
    return layer
