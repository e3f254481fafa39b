"""Photometric distortion of a batch: data/augment.py's `change_colours` in arithmetic.

Levels are whole numbers in float32; each step cuts them to whole ones, as tables of bytes do. Hue
and saturation follow OpenCV's 8-bit conversions, RGB to HSV in integers, and back in float32.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from topformer_cli.data.augment import BRIGHTNESS, CONTRAST, HUE, HUES, SATURATION

Channels = tuple[Tensor, Tensor, Tensor]


class _Change(NamedTuple):
    """What `choose_colours` chooses, for a batch: all [B, 1, 1]."""

    brightness: Tensor
    contrast: Tensor
    contrast_first: Tensor
    saturation: Tensor
    hue: Tensor


def change_colours(rgb: Channels, draws: Tensor) -> Channels:
    """Change red, green and blue [B, H, W] float32 by random numbers [B, 9] (data/draws.py)."""
    change = _choose(draws)
    first = torch.where(change.contrast_first, change.contrast, 1.0)
    last = torch.where(change.contrast_first, 1.0, change.contrast)
    before = [_cut(_cut(level + change.brightness) * first) for level in rgb]
    turned = _change_hsv((before[0], before[1], before[2]), change)
    touched = (change.saturation != 1) | (change.hue != 0)
    red, green, blue = (
        _cut(torch.where(touched, new, old) * last) for new, old in zip(turned, before, strict=True)
    )
    return red, green, blue


def _choose(draws: Tensor) -> _Change:
    lighter, light, contrasted, contrast, first, saturated, saturation, turned, turn = draws[
        :, :, None, None
    ].unbind(1)
    hue = (turn * 2 * HUE).floor() - HUE
    return _Change(
        torch.where(lighter < 0.5, _within(BRIGHTNESS, light), 0.0).float(),
        torch.where(contrasted < 0.5, _within(CONTRAST, contrast), 1.0).float(),
        first < 0.5,
        torch.where(saturated < 0.5, _within(SATURATION, saturation), 1.0).float(),
        torch.where(turned < 0.5, hue, 0.0).to(torch.int32),
    )


def _within(limits: tuple[float, float], draw: Tensor) -> Tensor:
    return limits[0] + draw * (limits[1] - limits[0])


def _cut(level: Tensor) -> Tensor:
    return level.clamp(0, 255).floor()


def _change_hsv(rgb: Channels, change: _Change) -> Channels:
    hue, saturation, value = _to_hsv(rgb)
    hue = (hue + change.hue + HUES) % HUES
    return _to_rgb(hue, _cut(saturation.float() * change.saturation), value.float())


def _to_hsv(rgb: Channels) -> Channels:
    """Return hue 0 .. 179, saturation and value 0 .. 255, all int32."""
    red, green, blue = (level.to(torch.int32) for level in rgb)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    saturation = (spread * _reciprocal(255, value) + (1 << 11)) >> 12
    sector = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = (sector * _reciprocal(HUES, 6 * spread) + (1 << 11)) >> 12
    return torch.where(hue < 0, hue + HUES, hue), saturation, value


def _reciprocal(numerator: int, divisor: Tensor) -> Tensor:
    """Return 4096 * numerator / divisor, rounded to a whole number; 0 for a divisor of 0."""
    doubled = 2 * divisor.clamp(min=1)
    rounded = (2 * (numerator << 12) + divisor) // doubled
    return torch.where(divisor > 0, rounded, 0)


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Channels:
    position = hue.float() * (6 / HUES)
    share = saturation / 255
    return (
        _channel(position, 5, share, value),
        _channel(position, 3, share, value),
        _channel(position, 1, share, value),
    )


def _channel(position: Tensor, shift: int, share: Tensor, value: Tensor) -> Tensor:
    """Return a channel of a hue 0 .. 6: flat, falling, zero and rising sixths, shifted.

    Cut, not rounded, as OpenCV's vector code does.
    """
    along = (position + shift) % 6
    strength = torch.minimum(along, 4 - along).clamp(0, 1)
    return (value * (1 - share * strength)).floor()
