"""Winograd's form of a dense 3x3 convolution with stride 1, as TNN computes it in half.

    out = A^T [ (G w G^T) * (B^T x B) ] A        on tiles of 2x2 or 4x4 outputs

Read in TNN at f0cb081, compute_arm82/arm_conv_fp16_layer_3x3.cc and winograd_function_fp16.cc: the
weights are transformed in float32 and rounded, everything else is rounded to half step by step. The
form multiplies values by up to 100 on the way, so that it is less exact than the direct sum and
overflows earlier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.convolution import Convolution

_Row: TypeAlias = Sequence[Tensor]
_Transform: TypeAlias = Callable[[_Row], list[Tensor]]

_WORTH_IT: Final = 1.1
"""TNN takes the form when it saves a tenth of the multiplications."""


@dataclass(frozen=True, slots=True)
class _Form:
    """F(unit, 3): tiles of so many outputs a side, and the transforms along one axis."""

    unit: int
    weight: tuple[tuple[float, float, float], ...]
    source: _Transform
    target: _Transform


def _source_4(s: _Row) -> list[Tensor]:
    return [s[0] - s[2], s[1] + s[2], s[2] - s[1], s[1] - s[3]]


def _target_2(s: _Row) -> list[Tensor]:
    return [(s[0] + s[1]) + s[2], (s[1] - s[2]) - s[3]]


def _source_6(s: _Row) -> list[Tensor]:
    return [
        _plus(_plus(s[4], 4, s[0]), -5, s[2]),
        _plus(s[3] + s[4], -4, s[1] + s[2]),
        _plus(s[4] - s[3], 4, s[1] - s[2]),
        _plus(s[4] - s[2], 2, s[3] - s[1]),
        _plus(s[4] - s[2], 2, s[1] - s[3]),
        _plus(_plus(s[5], 4, s[1]), -5, s[3]),
    ]


def _target_4(s: _Row) -> list[Tensor]:
    return [
        ((s[0] + s[1]) + (s[2] + s[3])) + s[4],
        _plus(s[1] - s[2], 2, s[3] - s[4]),
        _plus(s[1] + s[2], 4, s[3] + s[4]),
        _plus(s[1] - s[2], 8, s[3] - s[4]) + s[5],
    ]


def _plus(value: Tensor, factor: int, other: Tensor) -> Tensor:
    # One rounding, as a fused multiply-add has; torch.add rounds the product of halves as well.
    return (value.float() + factor * other.float()).half()


_SMALL: Final = _Form(
    2, ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)), _source_4, _target_2
)
_LARGE: Final = _Form(
    4,
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    _source_6,
    _target_4,
)


def winograd_form(record: Convolution, out_hw: tuple[int, int]) -> _Form | None:
    """Return the form that TNN takes for a convolution, or None where it sums directly."""
    shape = (record.kernel_h, record.kernel_w, record.stride_h, record.stride_w)
    plain = shape == (3, 3, 1, 1) and record.dilation_h == record.dilation_w == record.group == 1
    narrow = record.in_per_group < 8 and record.out_channels < 8
    if not plain or narrow or record.in_per_group == 3:
        return None
    inputs, outputs = _round_up(record.in_per_group), _round_up(record.out_channels)
    direct = out_hw[0] * out_hw[1] * inputs * outputs * 9
    best, saved = None, 1.0
    for form in (_SMALL, _LARGE):
        side, unit = form.unit + 2, form.unit
        tiles = -(-out_hw[0] // unit) * -(-out_hw[1] // unit)
        work = 2 * side**3 * inputs + side * side * inputs * outputs + 2 * side * unit**2 * outputs
        if direct / (work * tiles) > saved * _WORTH_IT:
            best, saved = form, direct / (work * tiles)
    return best


def winograd(form: _Form, padded: Tensor, weight: Tensor, out_hw: tuple[int, int]) -> Tensor:
    """Convolve without bias: padded [N, C, H, W] in half, weight [out, C, 3, 3] in float32."""
    unit, side = form.unit, form.unit + 2
    extra = [-size % unit for size in out_hw]
    image = F.pad(padded, (0, extra[1], 0, extra[0]))
    tiles = image.unfold(2, side, unit).unfold(3, side, unit)
    source = _along(form.source, _along(form.source, tiles, -1), -2)
    matrix = torch.tensor(form.weight)
    factors = (matrix @ weight @ matrix.T).half()
    batch, channels, rows, columns = tiles.shape[:4]
    points = source.permute(4, 5, 1, 0, 2, 3).reshape(side * side, channels, -1)
    taps = factors.permute(2, 3, 0, 1).reshape(side * side, -1, channels)
    total = torch.zeros((side * side, taps.shape[1], points.shape[-1]), dtype=torch.half)
    for c in range(channels):
        total.addcmul_(taps[:, :, c : c + 1], points[:, c : c + 1].contiguous())
    grid = total.reshape(side, side, -1, batch, rows, columns).permute(3, 2, 4, 5, 0, 1)
    target = _along(form.target, _along(form.target, grid, -2), -1)
    joined = target.permute(0, 1, 2, 4, 3, 5).reshape(batch, -1, rows * unit, columns * unit)
    return joined[:, :, : out_hw[0], : out_hw[1]].contiguous()


def _along(transform: _Transform, values: Tensor, axis: int) -> Tensor:
    return torch.stack(transform(values.unbind(axis)), axis)


def _round_up(channels: int) -> int:
    return -(-channels // 8) * 8
