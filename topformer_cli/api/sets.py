"""Open and list data sets."""

from dataclasses import dataclass

from topformer_cli.api.places import Places
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.statistics import class_rows
from topformer_cli.data.store import PreparedSet, prepared_names

__all__ = ["ListedSet", "class_rows", "list_sets", "open_set"]


def open_set(name: str, places: Places) -> PreparedSet:
    """Open a prepared set by name or folder."""
    return PreparedSet.open(name, cache_dir(places.cache))


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
