"""The entries of a results file, as they stand there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, TypeAdapter

from topformer_cli.data.sources.coco_json import Bounds, Id
from topformer_cli.data.sources.foreign import first_byte, read_json
from topformer_cli.errors import DataError

FORM: Final = "COCO's results: a list of {image_id, category_id, bbox, score}"
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A box; what is missing is told of all entries at once, so nothing is required here.

    file_name is what the tools that write it add to COCO's form. frame: whether the image is a
    frame of a video, which file_name names then.
    """

    image_id: Id | None = None
    category_id: Id | None = None
    bbox: Bounds | None = None
    score: float | None = None
    segmentation: Annotated[bool, BeforeValidator(lambda _: True)] = False
    file_name: Annotated[
        str | None, BeforeValidator(lambda given: given if isinstance(given, str) else None)
    ] = None
    frame: Annotated[bool, BeforeValidator(lambda _: True)] = False

    @property
    def picture(self) -> str | None:
        """The name of the picture that the box is in, if it is told."""
        return None if self.frame else self.file_name


_ENTRIES: Final = TypeAdapter(tuple[Entry, ...])


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Read the entries of a results file.

    Raises:
        DataError: the file cannot be read or is of another form.
    """
    if first_byte(path) == b"{":
        message = f"{path} is an object, as annotations are; give {FORM}"
        raise DataError(message)
    return read_json(path, _ENTRIES, FORM)


def refuse_entries(
    path: Path,
    what: str,
    wrong: Iterable[bool] | NDArray[np.bool_],
    remedy: str,
    said: Callable[[int], str] | None = None,
) -> None:
    """Raise one DataError for all entries that are wrong, if any are; the first few are named."""
    flags = np.fromiter(wrong, np.bool_)
    places = np.flatnonzero(flags).tolist()
    if not places:
        return
    first = [f"entry {at}" + (f": {said(at)}" if said else "") for at in places[:_NAMED]]
    more = ", ..." if len(places) > _NAMED else ""
    message = f"{path}: {what}: {len(places)} of {len(flags)} ({', '.join(first)}{more}); {remedy}"
    raise DataError(message)
