"""What can be checked: a set as people have it on disk, and a prepared one."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from topformer_cli.data.findings import Finding
from topformer_cli.data.sources.source import Blob, Item, Reading, Source

_TOGETHER: Final = 32
"""Items of a raw set that are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of items of one split.

    load may be called in any thread; it yields the items, and what it finds on the way to them.
    """

    split: str
    start: int
    load: Callable[[], Iterable[Item | Finding]]


class Subject(Protocol):
    """A set that is checked.

    published says that it has published counts, and is not the user's to change. base is the
    folder that files are named relative to.
    """

    @property
    def name(self) -> str:
        """What the set is called."""
        ...

    @property
    def prepared(self) -> bool:
        """Whether it is in the prepared form."""
        ...

    @property
    def published(self) -> bool:
        """Whether it has published counts, and is not the user's to change."""
        ...

    @property
    def reading(self) -> Reading:
        """How its items are read."""
        ...

    @property
    def base(self) -> str:
        """The folder that files are named relative to; empty for none."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of items by split."""
        ...

    def findings(self) -> list[Finding]:
        """Return what is known before an item is looked at."""
        ...

    def batches(self) -> Iterator[Batch]:
        """Yield all items in order."""
        ...

    def place(self, split: str, index: int) -> str:
        """Return how messages name an image."""
        ...


@dataclass(frozen=True, slots=True)
class RawSet:
    """A set as people have it on disk, with what is wrong before a file of it is opened."""

    source: Source
    faults: tuple[Finding, ...] = ()
    allow_partial: bool = False
    prepared: bool = False

    @property
    def name(self) -> str:
        """What the set is called."""
        return self.source.name

    @property
    def published(self) -> bool:
        """Whether it has published counts, and is not the user's to change."""
        return self.source.reading.lenient

    @property
    def reading(self) -> Reading:
        """How its items are read."""
        return self.source.reading

    @property
    def base(self) -> str:
        """The folder that all its files lie in, as they are named."""
        ends = [items[place] for items in self.source.splits.values() if items for place in (0, -1)]
        blobs = [blob for item in ends for blob in (item.image, item.target)]
        folders = {str(blob.path.parent) for blob in blobs if isinstance(blob, Blob)}
        common = os.path.commonpath(folders) if folders else ""
        return common if len(Path(common).parts) > 1 else ""

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of items by split."""
        return {split: len(items) for split, items in self.source.splits.items()}

    def findings(self) -> list[Finding]:
        """Return what does not belong together, and counts that are not the published ones."""
        found = list(self.faults)
        for split, expected in self.source.expected.items():
            if (count := self.counts.get(split, 0)) != expected:
                what = f"has {count} of {expected} images that were published"
                remedy = "complete it, or take what is there with --allow-partial"
                wrong = not self.allow_partial
                found.append(Finding("count", split, what, remedy, wrong))
        return found

    def batches(self) -> Iterator[Batch]:
        """Yield all items in order."""
        for split, items in self.source.splits.items():
            for start in range(0, len(items), _TOGETHER):
                yield Batch(split, start, partial(_portion, items, start))

    def place(self, split: str, index: int) -> str:
        """Return how messages name an image."""
        return str(self.source.splits[split][index].image)


def _portion(items: Sequence[Item], start: int) -> Sequence[Item]:
    return items[start : start + _TOGETHER]
