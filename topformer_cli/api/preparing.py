"""Prepare data sets."""

from collections.abc import Callable, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from topformer_cli.api.demo_set import SET_NAME
from topformer_cli.api.places import USUAL, Places
from topformer_cli.cache import cache_dir
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.quick import oddities
from topformer_cli.data.prepare import UP_TO_DATE, Request
from topformer_cli.data.prepare import prepare as prepare_set
from topformer_cli.data.sources.boxes import BoxRequest
from topformer_cli.data.sources.class_folders import ClassRequest
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.errors import UsageError
from topformer_cli.recipe import awaits_set_of_its_name, recipe_names

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """A set to prepare: source for a published one, images for a custom one.

    Beside the images there are masks or coco; without either they lie in a folder a class.
    """

    name: str
    source: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    classes: str | None = None
    ignore: tuple[int, ...] = ()
    coco: Path | None = None
    coco_val: Path | None = None
    val_fraction: float | None = None
    title: str = ""
    terms: str = ""
    allow_partial: bool = False
    force: bool = False
    workers: int | None = None
    places: Places = USUAL


@dataclass(frozen=True, slots=True)
class Prepared:
    """The card of a set, what is odd with it, and whether there was anything to do."""

    card: DatasetCard
    oddities: tuple[str, ...]
    fresh: bool


def prepare(request: PrepareRequest, progress: Progress) -> Prepared:
    """Prepare a set.

    Raises:
        UsageError: the options do not describe one kind of set.
        DataError: something is wrong with the set; nothing was published.
    """
    states: set[str] = set()

    def update(what: str, done: int, total: int) -> None:
        states.add(what)
        progress(done, total)

    card = prepare_set(_request(request), update)
    return Prepared(card, oddities(card), UP_TO_DATE not in states)


def _request(given: PrepareRequest) -> Request:
    _require_one_kind(given)
    cache = cache_dir(given.places.cache)
    if given.source is not None:
        return KnownRequest(
            spec=DATASETS[given.name],
            folder=given.source,
            cache_dir=cache,
            force=given.force,
            workers=given.workers,
            allow_partial=given.allow_partial,
        )
    assert given.images is not None
    if given.coco is not None:
        return BoxRequest(
            name=given.name,
            images=given.images,
            train=given.coco,
            val=given.coco_val,
            val_fraction=given.val_fraction,
            title=given.title,
            terms=given.terms,
            cache_dir=cache,
            force=given.force,
            workers=given.workers,
        )
    if given.masks is None:
        return ClassRequest(
            name=given.name,
            images=given.images,
            classes=given.classes,
            val_fraction=given.val_fraction,
            title=given.title,
            terms=given.terms,
            cache_dir=cache,
            force=given.force,
            workers=given.workers,
        )
    assert given.classes is not None
    return FolderRequest(
        name=given.name,
        images=given.images,
        masks=given.masks,
        classes=given.classes,
        ignore=given.ignore,
        val_fraction=given.val_fraction,
        title=given.title,
        terms=given.terms,
        cache_dir=cache,
        force=given.force,
        workers=given.workers,
    )


CLASS_FOLDERS: Final = "--images FOLDER of a folder a class"
"""A set is of this kind where there is nothing else beside the images."""

_KINDS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "--source FOLDER": (frozenset({"source"}), frozenset({"allow_partial"})),
    "--images FOLDER --masks FOLDER --classes FILE": (
        frozenset({"images", "masks", "classes"}),
        frozenset({"ignore", "val_fraction", "title", "terms"}),
    ),
    "--images FOLDER --coco JSON": (
        frozenset({"images", "coco"}),
        frozenset({"coco_val", "val_fraction", "title", "terms"}),
    ),
    CLASS_FOLDERS: (
        frozenset({"images"}),
        frozenset({"classes", "val_fraction", "title", "terms"}),
    ),
}
"""What describes a set -> the options that it needs, and those that it may have."""


_CLASSES_OF_BOXES: Final = ", whose categories are the classes"


def _require_one_kind(given: PrepareRequest) -> None:
    known = given.name in DATASETS
    options = {
        field.name
        for field in fields(given)
        if field.name not in ("name", "force", "workers", "places") and getattr(given, field.name)
    }
    if given.source is not None and not known:
        message = (
            f"{given.name!r} is no published set this version knows ({', '.join(DATASETS)}); "
            "a set of your own takes --images, --masks and --classes, or --images and --coco, or "
            "--images of a folder a class"
        )
        raise UsageError(message)
    if given.source is None and options and (of := _taken_by(given.name)):
        message = f"{given.name!r} is the name of {of}; choose another name"
        raise UsageError(message)
    fitting = [
        words
        for words, (needed, more) in _KINDS.items()
        if needed <= options and (words != CLASS_FOLDERS or options <= needed | more)
    ]
    if len(fitting) != 1:
        own = ", or ".join(list(_KINDS)[1:])
        needs = f"--source FOLDER (or: topformer data fetch {given.name})" if known else own
        message = f"{given.name!r} needs {needs}; got {_flags(options) or 'nothing'}"
        raise UsageError(message)
    if surplus := options - frozenset().union(*_KINDS[fitting[0]]):
        why = _CLASSES_OF_BOXES if surplus == {"classes"} and "coco" in options else ""
        message = f"{_flags(surplus)}: of no use with {fitting[0]}{why}; leave it out"
        raise UsageError(message)


def _flags(options: Set[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(options))


def _taken_by(name: str) -> str | None:
    """Say what a set of one's own must not share its name with, if it does."""
    if name in DATASETS:
        return "a published set"
    if name == SET_NAME:
        return "the set that `topformer demo` renders"
    if name in recipe_names() and not awaits_set_of_its_name(name):
        return "a recipe for another set"
    return None
