"""Reads prepared sets; the files are mapped into memory, so opening one costs nothing."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from topformer_cli.data.card import CARD_NAME, DatasetCard, prepared_path, read_card
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.rows import SplitRows
from topformer_cli.data.spec import Task
from topformer_cli.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from topformer_cli.data.remote import RemoteSet

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

    def __init__(self, path: Path, card: DatasetCard, remote: "RemoteSet | None" = None) -> None:
        self.path = path
        self.card = card
        self._remote = remote
        self._shards: dict[str, SplitRows] = {}

    @classmethod
    def open(cls, name_or_place: str | Path, cache_dir: Path) -> "PreparedSet":
        """Open a set by name in the cache, by the path of its folder, or by an address.

        Of a set that lies elsewhere only the card is fetched now (see remote.py).

        Raises:
            DataError: it is not prepared (says what to type), not to be had, or damaged.
        """
        remote = None
        path = Path(name_or_place)
        if "://" in str(name_or_place):
            path, remote = _located(str(name_or_place), cache_dir)
        elif not (path / CARD_NAME).is_file():
            path = _prepared(str(name_or_place), cache_dir)
        card = read_card(path)
        if remote and remote.note:
            card = card.model_copy(update={"warnings": (*card.warnings, remote.note)})
        prepared = cls(path, card, remote)
        for split, count in card.counts.items():
            prepared._split(split).require(count)
        return prepared

    def complete(
        self, progress: Callable[[int, int], None], splits: Collection[str] | None = None
    ) -> None:
        """Fetch what is not here yet of a set that lies elsewhere, several files at a time.

        splits are all unless named. progress is called with bytes done and bytes in all, if there
        is anything to do.

        Raises:
            DataError: it is not to be had, or the disk is full.
        """
        if self._remote:
            lists = {split: self._split(split).listed for split in splits or self.card.counts}
            self._remote.bring_all(lists, progress)

    def length(self, split: str) -> int:
        """Return the number of images in a split."""
        return self._split(split).rows

    def encoded(self, split: str, index: int) -> bytes:
        """Return the file of one image; index counts from 0.

        Raises:
            IndexError: the split has no such image.
        """
        content: bytes = self._split(split).row(index)["image"]["bytes"]
        return content

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
        return pa.concat_tables(table.select(names) for table in self._split(split).tables())

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
        return {**self.__dict__, "_shards": {}}

    def _row(self, split: str, index: int, task: Task) -> dict[str, Any]:
        self.require(task)
        return self._split(split).row(index)

    def _split(self, split: str) -> SplitRows:
        if split not in self.card.counts:
            message = (
                f"{self.card.name} has no split {split!r}; it has {', '.join(self.card.counts)}"
            )
            raise DataError(message)
        if split not in self._shards:
            self._shards[split] = SplitRows(self.path / split, self._remote)
        return self._shards[split]


def _located(url: str, cache_dir: Path) -> "tuple[Path, RemoteSet | None]":
    """Return the folder that an address leads to, or that of the copy of what is there."""
    # Imported here: only who uses addresses needs file systems.
    from topformer_cli.data.remote import RemoteSet, open_remote

    found = open_remote(url, cache_dir)
    return (found.folder, found) if isinstance(found, RemoteSet) else (found, None)


def _prepared(name: str, cache_dir: Path) -> Path:
    if "/" in name:
        message = f"{name} is not a prepared set: there is no {CARD_NAME} in it"
        raise DataError(message)
    path = prepared_path(cache_dir, name)
    if not (path / CARD_NAME).is_file():
        raise DataError(_not_prepared(name, cache_dir))
    return path


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


def _not_prepared(name: str, cache_dir: Path) -> str:
    if name in DATASETS:
        return (
            f"{name} is not prepared; type: topformer data fetch {name}, or, with the set on the "
            f"disk: topformer data prepare {name} --source FOLDER"
        )
    missing = f"no prepared data set {name!r} in {prepared_path(cache_dir, name).parent}"
    known = dict.fromkeys((*prepared_names(cache_dir), *DATASETS))
    if close := did_you_mean(name, known):
        return f"{missing}{close} (`topformer data list` shows all)"
    return (
        f"{missing}; type: topformer data prepare {name} --images FOLDER --masks FOLDER "
        "--classes FILE, or --images FOLDER --coco JSON, or --images FOLDER of a folder a class"
    )
