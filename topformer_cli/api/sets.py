"""Open, list and describe data sets."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from topformer_cli.api.places import Places
from topformer_cli.cache import cache_dir
from topformer_cli.data.card import DatasetCard, prepared_path, read_card
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.spec import Task
from topformer_cli.data.statistics import (
    WEIGHT_CAP,
    ClassRow,
    Order,
    class_rows,
    ignored_share,
    in_order,
)
from topformer_cli.data.store import PreparedSet, prepared_names
from topformer_cli.errors import DataError

State = Literal["prepared", "partial", "damaged", "not prepared"]


def open_set(name: str, places: Places) -> PreparedSet:
    """Open a prepared set by name or folder."""
    return PreparedSet.open(name, cache_dir(places.cache))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSet:
    """A set known by name, or prepared, or both; images by split as found or as published.

    partial says what is missing of a published set, problem why a prepared one cannot be read.
    """

    name: str
    title: str
    task: Task | None
    classes: int
    images: dict[str, int]
    terms: str
    prepared: bool
    partial: str | None = None
    problem: str | None = None

    @property
    def state(self) -> State:
        """Whether it can be used, in a word."""
        if self.problem is not None:
            return "damaged"
        if self.prepared:
            return "partial" if self.partial else "prepared"
        return "not prepared"

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {**asdict(self), "state": self.state}


def list_sets(places: Places) -> list[ListedSet]:
    """Return the sets known by name and the prepared ones."""
    cache = cache_dir(places.cache)
    names = prepared_names(cache)
    listed = [_prepared(name, prepared_path(cache, name)) for name in names]
    listed += [_published(name) for name in DATASETS if name not in names]
    return sorted(listed, key=lambda one: one.name)


def _prepared(name: str, path: Path) -> ListedSet:
    try:
        card = read_card(path)
    except DataError as error:
        return ListedSet(
            name=name,
            title=DATASETS[name].title if name in DATASETS else name,
            task=DATASETS[name].task if name in DATASETS else None,
            classes=0,
            images={},
            terms="",
            prepared=False,
            problem=str(error),
        )
    return ListedSet(
        name=name,
        title=card.title,
        task=card.task,
        classes=len(card.classes),
        images=card.counts,
        terms=card.terms,
        prepared=True,
        partial=card.partial,
    )


def _published(name: str) -> ListedSet:
    spec = DATASETS[name]
    return ListedSet(
        name=name,
        title=spec.title,
        task=spec.task,
        classes=len(spec.classes),
        images=dict(spec.counts),
        terms=spec.terms,
        prepared=False,
    )


@dataclass(frozen=True, slots=True)
class SetInfo:
    """What is known of a prepared set: its card, its folder, and its classes with their shares."""

    card: DatasetCard
    path: Path
    classes: list[ClassRow]

    @property
    def ignored_shares(self) -> dict[str, float]:
        """The share of the pixels, or boxes, without a class by split, 0..1."""
        return {split: ignored_share(one) for split, one in self.card.splits.items()}

    @property
    def weight_rule(self) -> str:
        """How the classes' weights were found, in words."""
        return f"median-frequency balancing over train, at most {WEIGHT_CAP:g}"

    def to_json(self, top: int | None = None) -> dict[str, Any]:
        """Return the plain record: the card, with splits and the first classes in full."""
        card = self.card
        splits = {
            split: {**one.model_dump(mode="json"), "ignored_share": self.ignored_shares[split]}
            for split, one in card.splits.items()
        }
        return {
            **card.model_dump(mode="json", exclude={"palette", "codes", "labels"}),
            "path": str(self.path),
            "partial": card.partial,
            "splits": splits,
            "weight_rule": self.weight_rule,
            "classes": [asdict(row) for row in self.classes[:top]],
        }


def describe_set(name: str, places: Places, order: Order = "id") -> SetInfo:
    """Describe a prepared set by name or folder.

    Raises:
        DataError: it is not prepared, or damaged.
    """
    prepared = open_set(name, places)
    return SetInfo(
        prepared.card, prepared.path.resolve(), in_order(class_rows(prepared.card), order)
    )
