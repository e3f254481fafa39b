"""Scale and crop of every sample of a batch: data/augment.py's `choose_window`."""

from typing import NamedTuple

import torch
from torch import Tensor

from topformer_cli.data.augment import GRID, Augmentation
from topformer_cli.data.draws import CROP_TRIES, CROPS, RATIO
from topformer_cli.data.spec import IGNORE
from topformer_cli.engine.on_device.pictures import Pictures


class Windows(NamedTuple):
    """A crop of each sample; all [B, 2] int64, (rows, columns).

    start and length are of the source image, size is of the resized crop.
    """

    start: Tensor
    length: Tensor
    size: Tensor


def choose_windows(pictures: Pictures, draws: Tensor, settings: Augmentation) -> Windows:
    """Choose the windows of a batch by its random numbers [B, DRAWS] float64."""
    resized = _resized(pictures.sizes, draws[:, RATIO], settings)
    crop = [torch.full_like(resized[:, axis], side) for axis, side in enumerate(settings.crop)]
    size = torch.minimum(resized, torch.stack(crop, 1))
    tries = draws[:, CROPS].view(-1, CROP_TRIES + 1, 2)
    offset = (tries * (resized - size + 1)[:, None]).floor()
    step = (pictures.sizes / resized.double())[:, None]
    source = pictures.sizes[:, None]
    start = torch.minimum((offset * step).floor().long(), source - 1)
    end = ((offset + size[:, None]) * step).ceil().long()
    end = torch.minimum(torch.maximum(end, start + 1), source)
    if settings.cat_max_ratio >= 1:
        return Windows(start[:, 0], (end - start)[:, 0], size)
    varied = _varied(pictures, start[:, :-1], (end - start)[:, :-1], settings.cat_max_ratio)
    first = torch.where(varied.any(1), varied.int().argmax(1), CROP_TRIES)
    chosen = first[:, None, None].expand(-1, 1, 2)
    return Windows(start.gather(1, chosen)[:, 0], (end - start).gather(1, chosen)[:, 0], size)


def _resized(sizes: Tensor, draw: Tensor, settings: Augmentation) -> Tensor:
    """Return (height, width) [B, 2] int64 after the random scale, rounded as the authors do."""
    low, high = settings.ratio
    ratio = low + draw * (high - low)
    long, short = ((side * ratio).floor() for side in sorted(settings.scale, reverse=True))
    sides = sizes.double()
    factor = torch.minimum(long / sides.amax(1), short / sides.amin(1))
    return (sides * factor[:, None] + 0.5).floor().clamp(min=1).long()


def _varied(pictures: Pictures, start: Tensor, length: Tensor, cat_max_ratio: float) -> Tensor:
    """Say which windows [B, T, 2] have two classes or more, none with too large a share."""
    steps = 2 * torch.arange(GRID, device=start.device) + 1
    points = start[..., None] + steps * length[..., None] // (2 * GRID)
    labels = pictures.labels(points[:, :, 0, :, None], points[:, :, 1, None, :])
    flat = labels.flatten(0, 1).flatten(1).long()
    counts = torch.zeros(flat.shape[0], IGNORE + 1, dtype=torch.int32, device=start.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.int32))
    counts = counts[:, :IGNORE]
    largest, total = counts.amax(1).double(), counts.sum(1).double()
    ok = ((counts > 0).sum(1) > 1) & (largest < cat_max_ratio * total)
    return ok.view(start.shape[:2])
