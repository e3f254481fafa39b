"""What the values of a mask mean: class lists as people write them, and the id map they give.

road,128,64,128        a file of lines `name` or `name,red,green,blue`; the first line is id 0
sky,building,tree      or a comma list of names
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.spec import IGNORE, Coding, Colour, DatasetSpec, generated_colour
from topformer_cli.errors import DataError

_COLOURED: Final = re.compile(r"(,\s*\d{1,3}\s*){3}$")


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes of a set and how mask values become train ids.

    id_map has 256 train ids, IGNORE where a pixel does not count; known holds the mask values that
    may occur; ids_by_colour gives the mask value of a colour where masks may be RGB.
    """

    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    id_map: tuple[int, ...]
    known: frozenset[int]
    ids_by_colour: dict[Colour, int]


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One line of a class list; its place in the list is its mask value."""

    name: str
    colour: Colour | None = None


def read_classes(given: str) -> tuple[ClassLine, ...]:
    """Read a class list from a file, or from a comma list of names.

    Raises:
        DataError: no such file, an empty list, a line of another form, or a name or colour twice.
    """
    place, numbered = _lines(given)
    lines = tuple(_class_line(text, f"{place}:{number}") for number, text in numbered)
    _check_lines(lines, place)
    if len(lines) > IGNORE:
        message = f"{place}: {len(lines)} classes; an 8-bit mask has room for {IGNORE}"
        raise DataError(message)
    return lines


def read_class_order(given: str) -> tuple[ClassLine, ...]:
    """Read the order of the classes of whole images: any number, whose names may have commas.

    Raises:
        DataError: as `read_classes`, but any line is a name.
    """
    place, numbered = _lines(given)
    lines = tuple(
        _class_line(text, f"{place}:{number}") if _COLOURED.search(text) else ClassLine(text)
        for number, text in numbered
    )
    _check_lines(lines, place)
    return lines


def _lines(given: str) -> tuple[str, list[tuple[int, str]]]:
    """Return what messages call a class list, and its lines with their numbers."""
    path = Path(given)
    if os.path.isfile(given):  # noqa: PTH113 - a long list is no path, which pathlib raises for
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            message = f"{path} is not a text file; give one class a line, `name` or `name,r,g,b`"
            raise DataError(message) from error
        lines = enumerate(text.splitlines(), start=1)
        return str(path), [(number, line.strip()) for number, line in lines if line.strip()]
    if "/" in given or "\\" in given or given.endswith((".txt", ".csv")):
        message = f"no class file {given}; give a file of `name[,r,g,b]` lines or a comma list"
        raise DataError(message)
    names = enumerate(given.split(","), start=1)
    return "--classes", [(number, name.strip()) for number, name in names if name.strip()]


def custom_labels(lines: Sequence[ClassLine], ignore: Sequence[int]) -> Labels:
    """Return the labels of a custom set: line number is mask value, ignored values have no class.

    The value 255 is always ignored. An ignored value inside the list takes its name off the list.

    Raises:
        DataError: an ignored value is no mask value, or nothing is left of the list.
    """
    for value in ignore:
        if not 0 <= value <= IGNORE:
            message = f"--ignore {value}: mask values are 0 to 255"
            raise DataError(message)
    kept = [value for value in range(len(lines)) if value not in ignore]
    if not kept:
        message = "the class list is empty once the ignored values are taken off; name the classes"
        raise DataError(message)
    id_map = [IGNORE] * 256
    for train_id, value in enumerate(kept):
        id_map[value] = train_id
    palette = tuple(lines[value].colour or generated_colour(value) for value in kept)
    return Labels(
        classes=tuple(lines[value].name for value in kept),
        palette=palette,
        id_map=tuple(id_map),
        known=frozenset({*kept, *ignore, IGNORE}),
        ids_by_colour=_colours(lines),
    )


def published_labels(spec: DatasetSpec, coding: Coding) -> Labels:
    """Return the labels of a published set whose masks have this coding."""
    mapped = {value for value, train_id in enumerate(coding.id_map) if train_id != IGNORE}
    return Labels(
        spec.classes, spec.palette, coding.id_map, frozenset({*mapped, *coding.ignored}), {}
    )


def _class_line(line: str, place: str) -> ClassLine:
    name, *numbers = (part.strip() for part in line.split(","))
    if not numbers and name:
        return ClassLine(name)
    if not name or len(numbers) != 3 or not all(re.fullmatch(r"\d{1,3}", n) for n in numbers):
        message = f"{place}: {line.strip()!r} is neither `name` nor `name,red,green,blue`"
        raise DataError(message)
    red, green, blue = (int(number) for number in numbers)
    if max(red, green, blue) > 255:
        message = f"{place}: {line.strip()!r}: a colour has three numbers from 0 to 255"
        raise DataError(message)
    return ClassLine(name, (red, green, blue))


def _check_lines(lines: Sequence[ClassLine], place: str) -> None:
    if not lines:
        message = f"{place}: the class list is empty; name at least one class"
        raise DataError(message)
    for what, values in (
        ("the class name", [line.name for line in lines]),
        ("the colour", [line.colour for line in lines if line.colour is not None]),
    ):
        value, count = Counter(values).most_common(1)[0] if values else (None, 0)
        if count > 1:
            message = f"{place}: {what} {value!r} occurs {count} times; each class needs its own"
            raise DataError(message)


def _colours(lines: Sequence[ClassLine]) -> dict[Colour, int]:
    """Return mask values by colour, or nothing unless every class has one."""
    if any(line.colour is None for line in lines):
        return {}
    return {line.colour: value for value, line in enumerate(lines) if line.colour is not None}
