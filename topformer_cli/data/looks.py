"""How often a segmentation network looks at an image, and at which parts of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from topformer_cli.errors import UsageError

STEP: Final = 32
"""Pixels of an input that become one at the network's coarsest scale."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How often a network looks at an image.

    scales: factors of the protocol's scale. flip: at the mirror image as well. Where there are
    several looks, their probabilities are averaged (aug_test of mmsegmentation 0.19). window: in
    place of the whole image, windows with such a side at every stride, which has to be no longer;
    where they overlap, logits are averaged (slide_inference of mmsegmentation 0.19).
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: int | None = None
    stride: int = 1

    def __str__(self) -> str:
        """Name them, as in `whole image, single scale`."""
        words = ["whole image"]
        if self.window is not None:
            words = [f"windows of {self.window}x{self.window} every {self.stride}"]
        if len(self.scales) == 1:
            words.append("single scale" if self.scales == (1.0,) else f"scale {self.scales[0]:g}")
        else:
            words.append(f"scales {', '.join(f'{scale:g}' for scale in self.scales)}")
        return ", ".join([*words, "flipped too"] if self.flip else words)


WHOLE: Final = Looks()
"""The single look of the paper's tables."""


def window_and_stride(window: int | None, stride: int | None) -> tuple[int | None, int]:
    """Return the fields of `Looks` for windows that are asked for; None where none are.

    The usual stride is two thirds of their side, as in mmsegmentation's tests (341 of 512).

    Raises:
        UsageError: a window is not of the network's steps, or windows would leave gaps.
    """
    if window is None:
        if stride is not None:
            message = f"--stride {stride}: it is between windows; give --window, too"
            raise UsageError(message)
        return None, WHOLE.stride
    if window % STEP:
        near = max(STEP, round(window / STEP) * STEP)
        message = f"--window {window}: windows have multiples of {STEP} pixels, such as {near}"
        raise UsageError(message)
    if stride is not None and stride > window:
        message = (
            f"--stride {stride}: leaves gaps between windows of {window}; give {window} or less"
        )
        raise UsageError(message)
    return window, stride or window * 2 // 3


class Window(NamedTuple):
    """A part of a network's input, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


def windows(size: tuple[int, int], looks: Looks) -> Iterator[Window]:
    """Yield the windows that a network looks at one by one, row by row; without any, all of it."""
    if looks.window is None:
        yield Window(0, 0, *size)
        return
    tops, lefts = (_starts(side, looks.window, looks.stride) for side in size)
    for top in tops:
        for left in lefts:
            bottom, right = (
                min(start + looks.window, side)
                for start, side in zip((top, left), size, strict=True)
            )
            yield Window(top, left, bottom, right)


def _starts(side: int, window: int, stride: int) -> list[int]:
    """Return where windows begin along a side; the last one is moved back to end with it."""
    count = max(side - window + stride - 1, 0) // stride + 1
    return [min(number * stride, max(side - window, 0)) for number in range(count)]
