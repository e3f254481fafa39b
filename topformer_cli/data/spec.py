"""What differs between published data sets, as plain values.

Frozen records without numpy or torch, so that the command line and recipes can read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

IGNORE: Final = 255
"""The train id of a pixel that counts neither in the loss nor in the metric."""

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""


@dataclass(frozen=True, slots=True)
class SplitFolders:
    """The folders of one split, relative to the set's root."""

    images: str
    masks: str


@dataclass(frozen=True, slots=True)
class Impostor:
    """A folder that people take for the set: a glob pattern that gives it away, and what it is."""

    pattern: str
    what: str


@dataclass(frozen=True, slots=True)
class FolderLayout:
    """A set whose images and masks lie in folders and share their stems.

    root is the folder name that archives unpack to; splits are `train` and `val`.
    """

    root: str
    splits: Mapping[str, SplitFolders]
    impostors: tuple[Impostor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A published data set.

    counts are the published numbers of images a split. id_map maps each of the 256 values of a
    mask to a train id, IGNORE where the pixel does not count; None means that masks hold train ids.
    ignore_ids are the mask values that are meant to be ignored: any other value without a train
    id is an error in the data.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    counts: Mapping[str, int]
    terms: str
    homepage: str
    layout: FolderLayout
    id_map: tuple[int, ...] | None = None
    ignore_ids: tuple[int, ...] = field(default=(IGNORE,))


def identity_map(classes: int) -> tuple[int, ...]:
    """Return the id map of masks that hold train ids: 0..classes-1 stay, all else is ignored."""
    return tuple(value if value < classes else IGNORE for value in range(256))
