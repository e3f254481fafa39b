"""Label maps that somebody made: one PNG an image, whose values are classes."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.decode import Pixels
from topformer_cli.data.findings import LintError
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import mask_ids, value_counts
from topformer_cli.data.sources.map_truth import MapTruth
from topformer_cli.data.sources.pairs import masks_by_stem
from topformer_cli.data.spec import IGNORE, identity_map
from topformer_cli.errors import DataError
from topformer_cli.results.segmentation import ID_NAMES, MapIds

_SUFFIX: Final = "-labels"
"""What `topformer segment --labels` adds to the name of an image."""

_FORM: Final = (
    "a label map is an 8-bit PNG of class ids, grey or with a palette, as `topformer segment "
    "--labels` writes it"
)
_NO_COLOURS: Final = Labels((), (), (), frozenset(), {})


@dataclass(frozen=True, slots=True)
class FoundMaps:
    """The files of label maps by their image's place in the truth, and what has no partner."""

    files: Mapping[int, Path]
    missing: tuple[str, ...]
    extra: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class MapCoding:
    """What the values of label maps mean.

    id_map has the train id of each value, 255 for those of no class. largest is the last value
    that is a class's: a value beyond it, other than 255, is a mistake.
    """

    ids: MapIds
    id_map: tuple[int, ...]

    @property
    def largest(self) -> int:
        """The last value that has a class."""
        return max(value for value, train_id in enumerate(self.id_map) if train_id != IGNORE)

    @property
    def text(self) -> str:
        """Name and range, as in `train ids, 0 to 149`."""
        first = next(v for v, train_id in enumerate(self.id_map) if train_id != IGNORE)
        return f"{ID_NAMES[self.ids]}, {first} to {self.largest}"

    def beyond(self, counts: NDArray[np.int64]) -> list[int]:
        """Return the values that occur [256] and are none of these ids."""
        found = np.flatnonzero(counts)
        return [int(v) for v in found if v > self.largest and v != IGNORE]


def codings(truth: MapTruth) -> dict[MapIds, MapCoding]:
    """Return the two ways in which a set's classes are numbered."""
    return {
        "train": MapCoding("train", identity_map(len(truth.classes))),
        "set": MapCoding("set", truth.id_map),
    }


def find_maps(folder: Path, truth: MapTruth) -> FoundMaps:
    """Find the label maps of a folder: NAME.png or NAME-labels.png for the image NAME.

    An image in a folder of its own may be named without it, if no other one has its name.

    Raises:
        DataError: there is no PNG, or none for any image, or two are for the same.
    """
    files = masks_by_stem(folder, ".png")
    if not files:
        message = f"{folder} holds no PNG file; {_FORM}"
        raise DataError(message)
    owners = _owners(truth.ids)
    found: dict[int, Path] = {}
    extra: list[Path] = []
    for stem, paths in files.items():
        index = owners.get(stem)
        if index is None:
            extra += paths
            continue
        for path in paths:
            if index in found:
                message = (
                    f"{found[index]} and {path} are both of image {truth.ids[index]}; keep one"
                )
                raise DataError(message)
            found[index] = path
    if not found:
        wanted = truth.ids[0]
        message = (
            f"{folder}: no label map is named like an image of {truth.name} ({extra[0].name} is "
            f"of none); name that of image {wanted} {wanted}.png or {wanted}{_SUFFIX}.png"
        )
        raise DataError(message)
    missing = tuple(name for index, name in enumerate(truth.ids) if index not in found)
    return FoundMaps(dict(sorted(found.items())), missing, tuple(extra))


def _owners(ids: Sequence[str]) -> dict[str, int]:
    """Return the image of each name that a label map may have; its own name goes first."""
    bare = [os.path.basename(name) for name in ids]  # noqa: PTH119 - a hundred thousand names
    times = Counter(bare)
    owners = {name: index for index, name in enumerate(ids)}
    for index, (name, short) in enumerate(zip(ids, bare, strict=True)):
        for other in (name, short) if times[short] == 1 else (name,):
            owners.setdefault(other, index)
            owners.setdefault(f"{other}{_SUFFIX}", index)
    return owners


def read_map(path: Path, size: tuple[int, int], coding: MapCoding, other: MapCoding) -> Pixels:
    """Return the values [height, width] of a label map; size is that of the image's mask.

    other is the coding that it may be mistaken for.

    Raises:
        DataError: it is damaged, in colours, of another size, or has values beyond the classes.
    """
    try:
        values, _ = mask_ids(path.read_bytes(), _NO_COLOURS, str(path))
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check the file and its permissions"
        raise DataError(message) from error
    except LintError as error:
        message = f"{error.finding.text()}; {_FORM}"
        raise DataError(message) from error
    if values.shape != size:
        message = (
            f"{path} is {values.shape[1]}x{values.shape[0]}, the mask of its image {size[1]}x"
            f"{size[0]}; make label maps of the size of their images"
        )
        raise DataError(message)
    _require_ids(value_counts(values), path, coding, other)
    return values


def _require_ids(
    counts: NDArray[np.int64], path: Path, coding: MapCoding, other: MapCoding
) -> None:
    wrong = coding.beyond(counts)
    if not wrong:
        return
    pixels = int(counts[wrong].sum())
    named = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
    remedy = f"correct the map ({IGNORE} stands for no class)"
    if not other.beyond(counts) and coding.id_map != other.id_map:
        remedy = f"if these are {other.text}, add --ids {other.ids}"
    message = (
        f"{path}: value{'s' * (len(wrong) > 1)} {named} ({pixels} pixels) beyond {coding.text}; "
        f"{remedy}"
    )
    raise DataError(message)
