"""Which of the outputs that a runner gave are those that references stand for."""

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from topformer_cli.errors import MeasurementError
from topformer_cli.parity import counted


def fitting(
    tensors: Iterable[NDArray[Any]], references: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """Return for each reference the first output of its shape, padded channels aside.

    Outputs of one shape keep their order. Where none fits, the first one left is returned, so that
    the comparison can name both shapes.

    Raises:
        MeasurementError: there are fewer outputs than references.
    """
    left = list(tensors)
    if len(left) < len(references):
        message = f"the runner gave {len(left)} outputs, {len(references)} are to be compared"
        raise MeasurementError(message)
    chosen = []
    for reference in references:
        counting = [counted(one, reference) for one in left]
        fits = (place for place, one in enumerate(counting) if one.shape == reference.shape)
        place = next(fits, 0)
        chosen.append(counting[place])
        del left[place]
    return chosen
