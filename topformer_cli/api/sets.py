"""Open, prepare, list, check and draw data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topformer_cli import draw
from topformer_cli.api.places import USUAL, Places
from topformer_cli.cache import cache_dir
from topformer_cli.data import inspect
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.prepare import UP_TO_DATE, prepare_folder, prepare_known
from topformer_cli.data.sources import FolderRequest
from topformer_cli.data.spec import DatasetSpec
from topformer_cli.data.store import PreparedSet, prepared_names
from topformer_cli.errors import DataError, UsageError
from topformer_cli.recipe import recipe_names
from topformer_cli.rundir import atomic_write

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


def open_set(name: str, places: Places) -> PreparedSet:
    """Open a prepared set by name or folder."""
    return PreparedSet.open(name, cache_dir(places.cache))


def class_rows(card: DatasetCard) -> list[inspect.ClassRow]:
    """Return the classes of a set with their pixel shares."""
    return inspect.class_rows(card)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """A set to prepare: source for a published one, images, masks and classes for a custom one."""

    name: str
    source: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    classes: str | None = None
    ignore: tuple[int, ...] = ()
    val_fraction: float | None = None
    title: str = ""
    terms: str = ""
    force: bool = False
    places: Places = USUAL


def prepare(request: PrepareRequest, progress: Progress) -> tuple[DatasetCard, bool]:
    """Prepare a set and say whether there was anything to do.

    Raises:
        UsageError: the options do not describe one kind of set.
        DataError: something is wrong with the set; nothing was published.
    """
    states: list[str] = []

    def update(what: str, done: int, total: int) -> None:
        states.append(what) if not states or states[-1] != what else None
        progress(done, total)

    cache = cache_dir(request.places.cache)
    if request.source is not None:
        card = prepare_known(
            _known_set(request), request.source, cache, update, force=request.force
        )
    else:
        card = prepare_folder(_folder_request(request, cache), update)
    return card, UP_TO_DATE not in states


def _known_set(request: PrepareRequest) -> DatasetSpec:
    if request.name not in DATASETS:
        message = (
            f"{request.name!r} is no published set this version knows ({', '.join(DATASETS)}); "
            "a set of your own takes --images, --masks and --classes"
        )
        raise UsageError(message)
    if request.images or request.masks or request.classes or request.ignore:
        message = f"--source is for the published set {request.name}; drop the other options"
        raise UsageError(message)
    return DATASETS[request.name]


def _folder_request(request: PrepareRequest, cache: Path) -> FolderRequest:
    if request.images is None or request.masks is None or request.classes is None:
        known = request.name in DATASETS
        needed = "--source FOLDER" if known else "--images FOLDER --masks FOLDER --classes FILE"
        message = f"topformer data prepare {request.name} needs {needed}"
        raise UsageError(message)
    if request.name in recipe_names():
        message = f"{request.name!r} is the name of a published set; choose another name"
        raise UsageError(message)
    return FolderRequest(
        name=request.name,
        images=request.images,
        masks=request.masks,
        classes=request.classes,
        cache_dir=cache,
        ignore=request.ignore,
        val_fraction=request.val_fraction,
        title=request.title,
        terms=request.terms,
        force=request.force,
    )


@dataclass(frozen=True, slots=True)
class ListedSet:
    """A set known by name, or prepared, or both; images by split as found or as published."""

    name: str
    title: str
    classes: int
    images: dict[str, int]
    prepared: bool
    partial: str | None = None

    def image_counts(self) -> str:
        """Return the counts in words."""
        return ", ".join(f"{count} {split}" for split, count in self.images.items())

    def state(self) -> str:
        """Return whether it is prepared, in words."""
        return (self.partial or "yes") if self.prepared else "no"


def list_sets(places: Places) -> list[ListedSet]:
    """Return the sets known by name and the prepared ones."""
    cache = cache_dir(places.cache)
    cards = {name: PreparedSet.open(name, cache).card for name in prepared_names(cache)}
    listed = [
        ListedSet(card.name, card.title, len(card.classes), card.counts, True, card.partial)
        for card in cards.values()
    ]
    listed += [
        ListedSet(spec.name, spec.title, len(spec.classes), dict(spec.counts), prepared=False)
        for spec in DATASETS.values()
        if spec.name not in cards
    ]
    return sorted(listed, key=lambda one: one.name)


def check_set(name: str, places: Places, progress: Progress) -> inspect.CheckReport:
    """Read every image and mask of a prepared set again.

    Raises:
        DataError: an image or mask is not as the card says; every one is named.
    """
    prepared = open_set(name, places)
    report = inspect.check(prepared, lambda _, done, total: progress(done, total))
    if report.problems:
        message = f"{name}: {len(report.problems)} damaged: {'; '.join(report.problems[:20])}"
        raise DataError(message)
    return report


@dataclass(frozen=True, slots=True)
class Samples:
    """Which images to draw: so many of a split, chosen by seed."""

    split: str
    count: int
    seed: int


def draw_samples(name: str, samples: Samples, places: Places, target: Path) -> None:
    """Write a PNG of images beside their labels.

    Raises:
        DataError: the set is not prepared or has no such split.
    """
    prepared = open_set(name, places)
    legend = draw.Legend(prepared.card.classes, prepared.card.palette)
    length = prepared.length(samples.split)
    rng = np.random.default_rng(samples.seed)
    rows = []
    for index in rng.permutation(length)[: samples.count]:
        sample = prepared.sample(samples.split, int(index))
        image = decode_image(sample.image)
        labels = decode_mask(sample.mask, prepared.card.id_map)
        rows.append((image, draw.colours(labels, legend), draw.overlay(image, labels, legend)))
    sheet = draw.contact_sheet(rows, ("image", "labels", "overlay"))
    atomic_write(target, draw.png(sheet))
