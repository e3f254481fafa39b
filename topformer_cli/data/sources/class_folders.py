"""Sets of one's own with one class an image: the folder that a picture lies in is its class."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from topformer_cli.data.findings import Faults, Finding, Kind, settle
from topformer_cli.data.labels import ClassLine, Labels, read_class_order
from topformer_cli.data.sources.class_layout import (
    class_parts,
    is_picture,
    pictures_beside,
    subfolders,
)
from topformer_cli.data.sources.custom import divided
from topformer_cli.data.sources.pairs import IMAGE_SUFFIXES, misnamed, visible
from topformer_cli.data.sources.source import Blob, Item, Preparation, Reading, Source
from topformer_cli.data.spec import generated_colour
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRequest(Preparation):
    """A custom set of classes as the command line describes it.

    images is laid out as class_layout.py says. classes, a file or a comma list, gives the order of
    the train ids, which is otherwise that of the names. Undivided folders need val_fraction: that
    share of each class, chosen by seed and name, becomes the validation part.
    """

    name: str
    images: Path
    classes: str | None = None
    val_fraction: float | None = None
    seed: int = 0
    title: str = ""
    terms: str = ""


@dataclass(slots=True)
class _Part:
    """One split: the pictures of each class by path below its folder, and what else lies there."""

    folder: Path
    classes: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def class_source(request: ClassRequest, faults: Faults | None = None) -> Source:
    """Find the pictures of a custom set of classes.

    Where faults are gathered, folders that are not divided need no val_fraction: all their
    pictures are then in train.

    Raises:
        DataError: the folders are laid out otherwise, or there is one class only; or they are
            faulty, and no faults are gathered; all are named.
    """
    found = class_parts(request.images)
    _require_one_division(request, divided_already="val" in found, checking=faults is not None)
    parts = {split: _read(folder) for split, folder in found.items()}
    lines = _class_lines(request, parts)
    notes = [one for part in parts.values() for one in _left_out(part)]
    notes += _folders_beside(request.images, found)
    wrong = _wrong_classes(parts, lines, listed=request.classes is not None)
    settle([*_misnamed(parts), *_names_alike(parts), *wrong], faults)
    if faults is not None:
        faults += notes
    train_ids = {line.name: index for index, line in enumerate(lines)}
    splits = {split: _items(part, train_ids) for split, part in parts.items()}
    if request.val_fraction is not None:
        splits = divided_by_class(splits["train"], request.val_fraction, request.seed)
    palette = tuple(line.colour or generated_colour(index) for index, line in enumerate(lines))
    labels = Labels(tuple(train_ids), palette, (), frozenset(), {})
    return Source(
        name=request.name,
        title=request.title or request.name,
        reading=Reading(task="classification", labels=labels),
        splits=splits,
        place=request.images.resolve(),
        expected={},
        terms=request.terms,
        homepage="",
        notes=tuple(map(str, notes)),
    )


def divided_by_class(
    items: Sequence[Item], fraction: float, seed: int
) -> dict[str, tuple[Item, ...]]:
    """Divide the images of each class as `divided` does, so that each keeps its share in both.

    The only image of a class stays in train.

    Raises:
        DataError: the share is no share, or no class has two images.
    """
    of_class: defaultdict[object, list[Item]] = defaultdict(list)
    for item in items:
        of_class[item.target].append(item)
    if all(len(group) < 2 for group in of_class.values()):
        message = f"--val-fraction {fraction}: no class has two pictures to divide; add pictures"
        raise DataError(message)
    val = {
        item.id
        for group in of_class.values()
        if len(group) > 1
        for item in divided(group, fraction, seed)["val"]
    }
    return {
        "train": tuple(item for item in items if item.id not in val),
        "val": tuple(item for item in items if item.id in val),
    }


def _require_one_division(request: ClassRequest, *, divided_already: bool, checking: bool) -> None:
    given = request.val_fraction is not None
    if given and divided_already:
        message = (
            f"--val-fraction {request.val_fraction}: --images {request.images} holds train and val "
            "already; leave it out, or name the folder train alone to divide that"
        )
        raise DataError(message)
    if not (given or divided_already or checking):
        message = (
            f"--images {request.images} holds folders of classes, not train and val; add "
            "--val-fraction 0.2 to divide each class"
        )
        raise DataError(message)


def _read(folder: Path) -> _Part:
    part = _Part(folder)
    for own in subfolders(folder):
        below = [
            (parent / name).relative_to(own).as_posix()
            for parent, names in visible(own)
            for name in names
        ]
        part.classes[own.name] = sorted(name for name in below if is_picture(name))
        part.others += [f"{own.name}/{name}" for name in sorted(below) if not is_picture(name)]
    return part


def _class_lines(request: ClassRequest, parts: Mapping[str, _Part]) -> tuple[ClassLine, ...]:
    if request.classes is not None:
        lines = read_class_order(request.classes)
    else:
        names = {name for part in parts.values() for name in part.classes}
        lines = tuple(ClassLine(name) for name in sorted(names))
    if len(lines) < 2:
        deeper = parts["train"].folder / lines[0].name
        hint = f"; if its folders are the classes, give --images {deeper}"
        message = (
            f"--images {request.images}: {lines[0].name!r} is the only class, and there is nothing "
            f"to tell it from; add one{hint if deeper.is_dir() and subfolders(deeper) else ''}"
        )
        raise DataError(message)
    return lines


def _items(part: _Part, train_ids: Mapping[str, int]) -> tuple[Item, ...]:
    """Return the pictures of the known classes; ids have the suffix, for stems may be shared."""
    return tuple(
        Item(f"{name}/{picture}", Blob(part.folder / name / picture), train_ids[name])
        for name, pictures in part.classes.items()
        if name in train_ids
        for picture in pictures
    )


def _wrong_classes(
    parts: Mapping[str, _Part], lines: Sequence[ClassLine], *, listed: bool
) -> Iterator[Finding]:
    """Tell of folders that are no class's, and of classes that have nothing to learn from."""
    known = {line.name for line in lines}
    for part in parts.values():
        for name in (name for name in part.classes if name not in known):
            remedy = "add it to the list, or take the folder out"
            what = "is named like no class of --classes"
            yield Finding("folder", str(part.folder / name), what, remedy)
    train = parts["train"]
    keys = {_key(name) for name in train.classes}
    for line in lines:
        place = str(train.folder / line.name)
        if line.name in train.classes:
            if not train.classes[line.name]:
                what = f"holds no picture ({', '.join(sorted(IMAGE_SUFFIXES))})"
                yield Finding("no-picture", place, what, "add some, or take the folder out")
        elif _key(line.name) not in keys:  # else it is told that two names differ by little
            what = f"is missing, though {'--classes names it' if listed else 'val has the class'}"
            yield Finding("no-picture", place, what, "add its pictures, or take the class out")


def _names_alike(parts: Mapping[str, _Part]) -> Iterator[Finding]:
    """Tell of names that only a computer takes for two classes."""
    by_key: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for part in parts.values():
        for name in part.classes:
            by_key[_key(name)].setdefault(name, part.folder / name)
    for same in by_key.values():
        (_, first), *others = same.items()
        for _, path in others:
            what = f"differs from {first} by case, spaces or the code of its accents alone"
            remedy = "give a class one name; if they are two, rename one"
            yield Finding("twice", str(path), what, remedy)


def _key(name: str) -> str:
    """Return what names have in common that people take for the same."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _misnamed(parts: Mapping[str, _Part]) -> Iterator[Finding]:
    for part in parts.values():
        yield from misnamed(part.folder, part.classes)
        for name, pictures in part.classes.items():
            yield from misnamed(part.folder / name, pictures)


def _left_out(part: _Part) -> Iterator[Finding]:
    stray = pictures_beside(part.folder)
    remedy = "move them into the folder of their class, if they belong to the set"
    yield from _note(part.folder, "pictures in no class's folder", stray, remedy, kind="stray")
    remedy = "save them as JPEG or PNG, if they are pictures"
    yield from _note(part.folder, "files that are no pictures by name", part.others, remedy)


def _folders_beside(images: Path, found: Mapping[str, Path]) -> Iterator[Finding]:
    if "val" in found:
        others = [path.name for path in subfolders(images) if path.name not in found]
        remedy = "move their pictures into train or val, if they belong to the set"
        yield from _note(images, "folders beside train and val", others, remedy)


def _note(
    folder: Path, said: str, names: Iterable[str], remedy: str, *, kind: Kind = "left-out"
) -> Iterator[Finding]:
    """Yield one note for all that is left out of a folder."""
    found = [*names]
    if found:
        what = f"holds {said}, which are left out: {len(found)}, the first {found[0]}"
        yield Finding(kind, str(folder), what, remedy, wrong=False, count=len(found))
