"""A prepared set as something that is checked, shard by shard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.checks.subject import Batch
from topformer_cli.data.findings import Finding
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.labels import Labels
from topformer_cli.data.shards import content_digest, data_files, read_facts, read_table
from topformer_cli.data.sources.source import Blob, Box, Boxes, Item, Reading, Target
from topformer_cli.data.spec import Task


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A prepared set, shard by shard; what prepare refuses cannot be in it."""

    path: Path
    card: DatasetCard
    prepared: bool = True
    base: str = ""
    _ids: dict[str, list[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the set is called."""
        return self.card.name

    @property
    def published(self) -> bool:
        """Whether it has published counts, and is not the user's to change."""
        return bool(self.card.expected)

    @property
    def reading(self) -> Reading:
        """Read masks with all values allowed: prepare has refused those that are not."""
        card = self.card
        labels = Labels(card.classes, card.palette, card.id_map, frozenset(range(256)), {})
        return Reading(task=card.task, labels=labels, lenient=True)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of items by split."""
        return self.card.counts

    def findings(self) -> list[Finding]:
        """Return whether something is missing of a published set."""
        if self.card.partial is None:
            return []
        remedy = "prepare the whole set for numbers that compare with others'"
        what = f"is {self.card.partial}"
        return [Finding("count", self.card.name, what, remedy, wrong=False)]

    def batches(self) -> Iterator[Batch]:
        """Yield the items of each shard, and whether it is as it was written."""
        for split in self.card.splits:
            start = 0
            for path in data_files(self.path / split):
                yield Batch(split, start, partial(self._load, path))
                facts = read_facts(path)
                start += facts.rows if facts else read_table(path).num_rows

    def place(self, split: str, index: int) -> str:
        """Return how messages name an image."""
        if split not in self._ids:
            tables = [read_table(path) for path in data_files(self.path / split)]
            self._ids[split] = [row_id for table in tables for row_id in table["id"].to_pylist()]
        return f"{split}/{self._ids[split][index]}"

    def _load(self, path: Path) -> Iterator[Item | Finding]:
        split = path.parent.name
        form = FORMS[self.card.task]
        digest = content_digest(
            (row["id"], row["image"]["bytes"], form.signature(row)) for row in _rows(path)
        )
        facts = read_facts(path)
        if facts is None or facts.digest != digest:
            what = "is not as prepare wrote it"
            remedy = "prepare the set again with --force"
            yield Finding("changed", f"{split}/{path.name}", what, remedy)
        for row in _rows(path):
            yield _item(row, split, self.card.task)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a shard, of which only one is in memory at a time."""
    table = read_table(path)
    for index in range(table.num_rows):
        row: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
        yield row


@dataclass(frozen=True, slots=True)
class _Held(Blob):
    """Bytes out of a prepared set, and how messages name them."""

    data: bytes = b""
    said: str = ""

    def __str__(self) -> str:
        return self.said

    def read(self) -> bytes:
        """Return the bytes."""
        return self.data


def _item(row: dict[str, Any], split: str, task: Task) -> Item:
    place = f"{split}/{row['id']}"
    path = Path(split)
    target: Target
    match task:
        case "segmentation":
            target = _Held(path, data=row["mask"]["bytes"], said=f"the mask of {place}")
        case "detection":
            target = Boxes(row["image_id"], row["height"], row["width"], _boxes(row["objects"]))
        case "classification":
            target = row["label"]
    return Item(row["id"], _Held(path, data=row["image"]["bytes"], said=place), target)


def _boxes(objects: dict[str, list[Any]]) -> tuple[Box, ...]:
    columns = (objects[name] for name in ("id", "bbox", "category", "area", "crowd"))
    return tuple(
        Box(own_id, (bbox[0], bbox[1], bbox[2], bbox[3]), category, area, crowd)
        for own_id, bbox, category, area, crowd in zip(*columns, strict=True)
    )
