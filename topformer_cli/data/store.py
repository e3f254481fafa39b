"""Reads prepared sets; the files are mapped into memory, so opening one costs nothing."""

import bisect
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topformer_cli.data.card import CARD_NAME, DatasetCard, read_card
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepared_path
from topformer_cli.data.shards import data_files, read_table
from topformer_cli.data.spec import Task
from topformer_cli.errors import DataError

_HELD: Final[dict[Task, str]] = {
    "segmentation": "masks",
    "detection": "boxes",
    "classification": "classes",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its mask, encoded; height and width in pixels, the same for both."""

    id: str
    image: bytes
    mask: bytes
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class BoxSample:
    """One image, encoded, and its boxes.

    boxes: [n, 4] left, top, width, height in pixels; categories: [n] train ids; areas: [n] square
    pixels; crowds: [n]; box_ids: [n]. image_id is the set's own.
    """

    id: str
    image: bytes
    height: int
    width: int
    image_id: int
    boxes: NDArray[np.float64]
    categories: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowds: NDArray[np.bool_]
    box_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassSample:
    """One image, encoded, and its train id."""

    id: str
    image: bytes
    height: int
    width: int
    label: int


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
            DataError: the set holds no masks.
        """
        row = self._row(split, index, "segmentation")
        return Sample(**_common(row), mask=row["mask"]["bytes"])

    def boxes(self, split: str, index: int) -> BoxSample:
        """Return one image and its boxes; index counts from 0.

        Raises:
            IndexError: the split has no such image.
            DataError: the set holds no boxes.
        """
        row = self._row(split, index, "detection")
        objects = row["objects"]
        return BoxSample(
            **_common(row),
            image_id=row["image_id"],
            boxes=np.array(objects["bbox"], np.float64).reshape(-1, 4),
            categories=np.array(objects["category"], np.int64),
            areas=np.array(objects["area"], np.float64),
            crowds=np.array(objects["crowd"], np.bool_),
            box_ids=np.array(objects["id"], np.int64),
        )

    def classified(self, split: str, index: int) -> ClassSample:
        """Return one image and its class; index counts from 0.

        Raises:
            IndexError: the split has no such image.
            DataError: the images of the set have no single class.
        """
        row = self._row(split, index, "classification")
        return ClassSample(**_common(row), label=row["label"])

    def labels(self, split: str, index: int) -> dict[str, Any]:
        """Return the label columns of one image (see forms/); its own file is not touched."""
        return self._split(split).row(index, without={"image"})

    def columns(self, split: str, names: Sequence[str]) -> pa.Table:
        """Return some columns of a whole split, as views of its files."""
        return pa.concat_tables(table.select(names) for table in self._split(split).tables)

    def require(self, task: Task) -> None:
        """Check that the set's labels are of a kind.

        Raises:
            DataError: they are of another.
        """
        if self.card.task != task:
            message = (
                f"{self.card.name} holds {_HELD[self.card.task]}, not {_HELD[task]}: "
                f"it is for {self.card.task}, not for {task}"
            )
            raise DataError(message)

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

    def _row(self, split: str, index: int, task: Task) -> dict[str, Any]:
        self.require(task)
        return self._split(split).row(index)

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

    def row(self, index: int, without: Collection[str] = ()) -> dict[str, Any]:
        if not 0 <= index < self.rows:
            message = f"image {index} of {self.rows}"
            raise IndexError(message)
        number = bisect.bisect_right(self.starts, index) - 1
        row = self.tables[number].slice(index - self.starts[number], 1)
        record: dict[str, Any] = row.drop_columns(list(without)).to_pylist()[0]
        return record

    def ids(self) -> list[str]:
        return [sample_id for table in self.tables for sample_id in table["id"].to_pylist()]


def _common(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "image": row["image"]["bytes"],
        "height": row["height"],
        "width": row["width"],
    }


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
