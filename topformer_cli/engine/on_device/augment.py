"""Random training crops of a batch: data/augment.py's `augment`."""

import torch
from torch import Tensor

from topformer_cli.data.augment import PAD_COLOUR, Augmentation
from topformer_cli.data.draws import COLOURS, FLIP
from topformer_cli.data.spec import IGNORE
from topformer_cli.engine.on_device.colours import Channels, change_colours
from topformer_cli.engine.on_device.pictures import Pictures, channels
from topformer_cli.engine.on_device.windows import Windows, choose_windows

_WEIGHT_STEPS = 2048
"""OpenCV's bilinear weights of bytes are multiples of 1/2048."""


def augment_batch(
    pictures: Pictures, draws: Tensor, settings: Augmentation
) -> tuple[Tensor, Tensor]:
    """Return a random crop of each image.

    Shapes: draws [B, DRAWS] float64 -> images [B, *crop, 3] uint8, train ids [B, *crop] uint8. What
    lies outside an image has PAD_COLOUR and 255.
    """
    windows = choose_windows(pictures, draws, settings)
    flipped = draws[:, FLIP] < settings.flip
    rows, in_rows = _steps(windows, 0, settings.crop[0])
    columns, in_columns = _steps(windows, 1, settings.crop[1])
    columns = torch.where(flipped[:, None], windows.size[:, 1:] - 1 - columns, columns)
    inside = in_rows[:, :, None] & in_columns[:, None, :]
    rgb = _between(pictures, windows, rows, columns)
    if settings.photometric:
        rgb = change_colours(rgb, draws[:, COLOURS])
    images = torch.stack(
        [torch.where(inside, level, pad) for level, pad in zip(rgb, PAD_COLOUR, strict=True)], -1
    )
    nearest = [_nearest(windows, axis, steps) for axis, steps in enumerate((rows, columns))]
    labels = pictures.labels(nearest[0][:, :, None], nearest[1][:, None, :])
    return images.to(torch.uint8), torch.where(inside, labels, IGNORE).to(torch.uint8)


def _steps(windows: Windows, axis: int, crop: int) -> tuple[Tensor, Tensor]:
    """Return the places [B, crop] of a resized window along an axis, and which are inside it."""
    steps = torch.arange(crop, device=windows.size.device).expand(len(windows.size), -1)
    size = windows.size[:, axis, None]
    return torch.minimum(steps, size - 1), steps < size


def _nearest(windows: Windows, axis: int, steps: Tensor) -> Tensor:
    """Return the source places [B, crop] nearest to places of the resized window."""
    return windows.start[:, axis, None] + (steps * _step(windows, axis)).floor().long()


def _between(pictures: Pictures, windows: Windows, rows: Tensor, columns: Tensor) -> Channels:
    """Interpolate red, green and blue [B, *crop] bilinearly within the windows."""
    top, bottom, down = _neighbours(windows, 0, rows)
    left, right, along = _neighbours(windows, 1, columns)
    down, along = down[:, :, None], along[:, None, :]
    corners = [
        channels(pictures.at(row[:, :, None], column[:, None, :]))
        for row in (top, bottom)
        for column in (left, right)
    ]
    red, green, blue = (
        _rounded(a + (b - a) * along, c + (d - c) * along, down)
        for a, b, c, d in zip(*corners, strict=True)
    )
    return red, green, blue


def _rounded(upper: Tensor, lower: Tensor, down: Tensor) -> Tensor:
    return (upper + (lower - upper) * down + 0.5).floor()


def _neighbours(windows: Windows, axis: int, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the source places [B, crop] before and after each place, and the latter's share."""
    last = windows.length[:, axis, None] - 1
    position = ((steps + 0.5) * _step(windows, axis) - 0.5).clamp(min=0)
    low = torch.minimum(position.floor().long(), last)
    share = torch.where(low < last, position - low, 0.0)
    share = (share * _WEIGHT_STEPS).round() / _WEIGHT_STEPS
    start = windows.start[:, axis, None]
    return start + low, start + torch.minimum(low + 1, last), share.float()


def _step(windows: Windows, axis: int) -> Tensor:
    """Return the source pixels [B, 1] for each of a resized window, rounded as OpenCV does."""
    factor = windows.size[:, axis, None].double() / windows.length[:, axis, None]
    return 1 / factor
