"""In which image of the annotations each box of a results file is.

COCO's form has image_id alone, and a tool that saw no annotations can only make numbers up. So
where entries carry file_name, that decides; image_id does where none has one.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.sources.box_entries import Entry, refuse_entries
from topformer_cli.data.sources.box_truth import Truth

_UNKNOWN: Final = -1
_AMBIGUOUS: Final = -2


class Owners(NamedTuple):
    """The place [n] in the annotations of each box's image, and what is odd about it."""

    places: NDArray[np.int64]
    notes: tuple[str, ...]


def owners_of(path: Path, entries: Sequence[Entry], truth: Truth) -> Owners:
    """Return in which image each box is.

    Raises:
        DataError: a box is of an image that the annotations do not list, or that cannot be told
            from another; or only some boxes carry a file name.
    """
    nameless = [one.picture is None for one in entries]
    by_id = _by_id(entries, truth)
    if all(nameless):
        _refuse_unlisted(path, entries, truth, by_id)
        return Owners(by_id, ())
    remedy = "give it to all of them, or to none to go by image_id"
    refuse_entries(path, "entries without a picture's file_name", nameless, remedy)
    names = [str(one.picture) for one in entries]
    by_name = _by_name(names, truth.file_names)
    _refuse_unnamed(path, entries, truth, by_name)
    _refuse_shared(path, entries, truth, by_name)
    apart = int((by_name != by_id).sum())
    note = (
        f"images are told by file_name: the image_id of {apart} of {len(entries)} boxes is not "
        "the annotations'"
    )
    return Owners(by_name, (note,) if apart else ())


def _by_id(entries: Sequence[Entry], truth: Truth) -> NDArray[np.int64]:
    places = {one: place for place, one in enumerate(truth.table.image_ids.tolist())}
    return np.array([places.get(one.image_id, _UNKNOWN) for one in entries], np.int64)


def _refuse_unlisted(
    path: Path, entries: Sequence[Entry], truth: Truth, places: NDArray[np.int64]
) -> None:
    refuse_entries(
        path,
        f"boxes of image ids that {truth.path} does not list",
        places == _UNKNOWN,
        "give the annotations that these boxes were made for",
        lambda at: f"image {entries[at].image_id}",
    )


def _by_name(names: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each name: as it stands, else without folders, else without suffix."""
    levels = [(form, _places(map(form, known))) for form in (str, _base, _stem)]
    found = {name: _place(name, levels) for name in {*names}}
    return np.array([found[name] for name in names], np.int64)


_Level = tuple[Callable[[str], str], Mapping[str, Sequence[int]]]
"""A form of names, and the places of those that have it."""


def _places(names: Iterable[str]) -> Mapping[str, Sequence[int]]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[name].append(place)
    return places


def _place(name: str, levels: Sequence[_Level]) -> int:
    for form, places in levels:
        if fitting := places.get(form(name)):
            return fitting[0] if len(fitting) == 1 else _AMBIGUOUS
    return _UNKNOWN


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    return Path(_base(name)).stem


def _refuse_unnamed(
    path: Path, entries: Sequence[Entry], truth: Truth, places: NDArray[np.int64]
) -> None:
    ids = {*truth.table.image_ids.tolist()}
    listed = all(one.image_id in ids for one in entries)
    nor = "" if listed else ", nor all the image ids"
    remedy = "give the annotations that these boxes were made for"
    if listed:
        remedy += ", or take file_name out to go by image_id, if that is right"
    refuse_entries(
        path,
        f"boxes of files that {truth.path} does not list{nor}",
        places == _UNKNOWN,
        remedy,
        lambda at: f"{entries[at].file_name!r}, image {entries[at].image_id}",
    )


def _refuse_shared(
    path: Path, entries: Sequence[Entry], truth: Truth, places: NDArray[np.int64]
) -> None:
    """Refuse names that several images have: in the annotations, or by the boxes' own numbers."""
    remedy = "give file_name with its folders, or take it out to go by image_id"
    refuse_entries(
        path,
        f"boxes of file names that several images of {truth.path} have",
        places == _AMBIGUOUS,
        remedy,
        lambda at: repr(entries[at].file_name),
    )
    told = [(place, one.image_id) for place, one in zip(places.tolist(), entries, strict=True)]
    by_place = Counter(place for place, _ in {*told})
    by_number = Counter(number for _, number in {*told})
    refuse_entries(
        path,
        "boxes whose file_name and image_id contradict each other",
        [by_place[place] > 1 or by_number[number] > 1 for place, number in told],
        remedy,
        lambda at: f"{entries[at].file_name!r}, image {entries[at].image_id}",
    )
