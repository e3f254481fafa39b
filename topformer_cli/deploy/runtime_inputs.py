"""What every runtime takes, and the check that it fits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from topformer_cli.errors import ExportError

Arrays: TypeAlias = Sequence[NDArray[Any]]
"""One array an input, or one an output, in the order of the file's own list."""


def check_shapes(path: Path, wanted: Sequence[tuple[int, ...]], inputs: Arrays) -> None:
    """Refuse inputs of other shapes than a file's.

    Raises:
        ExportError: names the file, what it takes and what it got.
    """
    given = [array.shape for array in inputs]
    if given != list(wanted):
        texts = (", ".join(str(list(shape)) for shape in shapes) for shapes in (wanted, given))
        message = "{}: takes inputs of shape {}, got {}".format(path, *texts)
        raise ExportError(message)
