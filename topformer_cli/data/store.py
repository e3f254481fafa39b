"""Reads prepared sets; the files are mapped into memory, so opening one costs nothing."""

import bisect
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from topformer_cli.data.card import CARD_NAME, DatasetCard, read_card
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepared_path
from topformer_cli.data.shards import data_files, read_table
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its mask, encoded; height and width in pixels, the same for both."""

    id: str
    image: bytes
    mask: bytes
    height: int
    width: int


class PreparedSet:
    """A prepared set, open for reading from any number of threads and processes."""

    def __init__(self, path: Path, card: DatasetCard) -> None:
        self.path = path
        self.card = card
        self._shards: dict[str, _Shards] = {}

    @classmethod
    def open(cls, name_or_path: str | Path, cache_dir: Path) -> "PreparedSet":
        """Open a set by name in the cache, or by the path of its folder.

        Raises:
            DataError: it is not prepared (says what to type) or damaged.
        """
        path = Path(name_or_path)
        if not (path / CARD_NAME).is_file():
            path = prepared_path(cache_dir, str(name_or_path))
        if not (path / CARD_NAME).is_file():
            raise DataError(_not_prepared(str(name_or_path), path))
        prepared = cls(path, read_card(path))
        for split, count in prepared.card.counts.items():
            if (found := prepared._split(split).rows) != count:
                message = (
                    f"{path}: {split} has {found} of {count} images; the set is damaged, "
                    "prepare it again with --force"
                )
                raise DataError(message)
        return prepared

    def length(self, split: str) -> int:
        """Return the number of images in a split."""
        return self._split(split).rows

    def sample(self, split: str, index: int) -> Sample:
        """Return one image and mask; index counts from 0.

        Raises:
            IndexError: the split has no such image.
        """
        return self._split(split).sample(index)

    def find(self, split: str, sample_id: str) -> int:
        """Return the index of an image by its id.

        Raises:
            DataError: the split has no such image.
        """
        for index, known in enumerate(self.ids(split)):
            if known == sample_id:
                return index
        message = f"{self.card.name} {split} has no image {sample_id!r}"
        raise DataError(message)

    def ids(self, split: str) -> list[str]:
        """Return the ids of all images of a split, in order."""
        return self._split(split).ids()

    def __getstate__(self) -> dict[str, Any]:
        # A mapped file does not travel to another process; it is mapped again there.
        return {"path": self.path, "card": self.card, "_shards": {}}

    def _split(self, split: str) -> "_Shards":
        if split not in self.card.counts:
            message = (
                f"{self.card.name} has no split {split!r}; it has {', '.join(self.card.counts)}"
            )
            raise DataError(message)
        if split not in self._shards:
            self._shards[split] = _Shards(self.path / split)
        return self._shards[split]


class _Shards:
    """The tables of one split, as one list of rows."""

    def __init__(self, folder: Path) -> None:
        try:
            self.tables = [read_table(path) for path in data_files(folder)]
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            message = f"{folder} is damaged ({error}); prepare the set again with --force"
            raise DataError(message) from error
        self.starts: list[int] = [0, *itertools.accumulate(table.num_rows for table in self.tables)]
        self.rows = self.starts[-1]

    def sample(self, index: int) -> Sample:
        if not 0 <= index < self.rows:
            message = f"image {index} of {self.rows}"
            raise IndexError(message)
        number = bisect.bisect_right(self.starts, index) - 1
        table, row = self.tables[number], index - self.starts[number]
        return Sample(
            id=table["id"][row].as_py(),
            image=table["image"][row]["bytes"].as_py(),
            mask=table["mask"][row]["bytes"].as_py(),
            height=table["height"][row].as_py(),
            width=table["width"][row].as_py(),
        )

    def ids(self) -> list[str]:
        return [sample_id for table in self.tables for sample_id in table["id"].to_pylist()]


def prepared_names(cache_dir: Path) -> list[str]:
    """Return the names of the sets that are prepared."""
    return sorted(
        path.parent.name
        for path in (cache_dir / "data").glob(f"*/{CARD_NAME}")
        if "." not in path.parent.name
    )


def _not_prepared(name: str, path: Path) -> str:
    if name in DATASETS:
        return f"{name} is not prepared; type: topformer data prepare {name} --source FOLDER"
    return (
        f"no prepared data set {name!r} in {path.parent}; type: "
        f"topformer data prepare {name} --images FOLDER --masks FOLDER --classes FILE"
    )
