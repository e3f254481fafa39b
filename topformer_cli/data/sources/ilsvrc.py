"""Reads ImageNet-1k from the tars of ILSVRC 2012 as they are published, or from class folders.

ILSVRC2012_img_train.tar        n01440764.tar ..., each with n01440764_10026.JPEG ...
ILSVRC2012_img_val.tar          ILSVRC2012_val_00000001.JPEG ...
ILSVRC2012_devkit_t12.tar.gz    ILSVRC2012_devkit_t12/data/meta.mat: the codes by number;
                                .../ILSVRC2012_validation_ground_truth.txt: a number an image

Images are read where they lie in the tars; nothing is unpacked.
"""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import scipy.io

from topformer_cli.data.findings import Faults, Finding, settle
from topformer_cli.data.sources.source import Blob, Item
from topformer_cli.data.spec import ClassFolderLayout, IlsvrcLayout
from topformer_cli.errors import DataError

_SUFFIXES: Final = frozenset({".jpeg", ".jpg", ".png"})
_META: Final = "data/meta.mat"
_TRUTH: Final = "data/ILSVRC2012_validation_ground_truth.txt"


def read_ilsvrc(
    layout: IlsvrcLayout, root: Path, codes: Sequence[str]
) -> dict[str, tuple[Item, ...]]:
    """Return the images of the tars by split, with their train ids.

    Raises:
        DataError: a tar is damaged, or they do not belong together.
    """
    train_ids = {code: index for index, code in enumerate(codes)}
    try:
        train = tuple(_training(root / layout.train, train_ids))
        val = tuple(_validation(root / layout.val, root / layout.devkit, train_ids))
    except (tarfile.TarError, EOFError, OSError) as error:
        message = f"{root}: an ImageNet archive cannot be read ({error}); fetch it again"
        raise DataError(message) from error
    return {"train": train, "val": val}


def read_class_folders(
    layout: ClassFolderLayout, root: Path, codes: Sequence[str], faults: Faults | None = None
) -> dict[str, tuple[Item, ...]]:
    """Return the images that lie in one folder a class, with their train ids.

    Raises:
        DataError: a folder is no class's, and no faults are gathered.
    """
    train_ids = {code: index for index, code in enumerate(codes)}
    problems: list[Finding] = []
    remedy = f"ImageNet-1k's folders are {codes[0]} to {codes[-1]}"
    splits: dict[str, tuple[Item, ...]] = {}
    for split, name in layout.splits.items():
        folders = sorted(path for path in (root / name).iterdir() if path.is_dir())
        problems += [
            Finding("folder", str(folder), "is named like no class", remedy)
            for folder in folders
            if folder.name not in train_ids
        ]
        splits[split] = tuple(
            Item(f"{folder.name}/{path.stem}", Blob(path), train_ids[folder.name])
            for folder in folders
            if folder.name in train_ids
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in _SUFFIXES
        )
    settle(problems, faults)
    return splits


def _training(path: Path, train_ids: Mapping[str, int]) -> Iterator[Item]:
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as outer:
        for archive in outer:
            code = archive.name.removesuffix(".tar").rpartition("/")[2]
            if not archive.isfile() or code not in train_ids:
                message = f"{path}: {archive.name} is no class's tar; is this the training archive?"
                raise DataError(message)
            part = _Slice(file, archive.offset_data, archive.size)
            with tarfile.open(fileobj=part, mode="r:") as inner:
                for one in inner:
                    member = f"{archive.name}/{one.name}"
                    blob = Blob(path, archive.offset_data + one.offset_data, one.size, member)
                    yield Item(f"{code}/{Path(one.name).stem}", blob, train_ids[code])


def _validation(path: Path, devkit: Path, train_ids: Mapping[str, int]) -> Iterator[Item]:
    numbers, codes = _ground_truth(devkit)
    with tarfile.open(path, mode="r:") as archive:
        members = sorted((one for one in archive if one.isfile()), key=lambda one: one.name)
    for one in members:
        number = int(Path(one.name).stem.rpartition("_")[2]) if _is_validation(one.name) else 0
        if not 1 <= number <= len(numbers):
            message = f"{path}: {one.name} is no image of the validation archive"
            raise DataError(message)
        code = codes[numbers[number - 1]]
        blob = Blob(path, one.offset_data, one.size, one.name)
        yield Item(f"{code}/{Path(one.name).stem}", blob, train_ids[code])


def _is_validation(name: str) -> bool:
    return Path(name).stem.rpartition("_")[2].isdigit()


def _ground_truth(devkit: Path) -> tuple[list[int], dict[int, str]]:
    """Return the class number of each validation image, and the classes' codes by number."""
    with tarfile.open(devkit, mode="r:gz") as archive:
        files = {
            end: archive.extractfile(member)
            for member in archive
            for end in (_META, _TRUTH)
            if member.name.endswith(end)
        }
        meta, truth = files.get(_META), files.get(_TRUTH)
        if meta is None or truth is None:
            message = (
                f"{devkit} lacks {_META} or {_TRUTH}; is this the task 1 and 2 devkit of 2012?"
            )
            raise DataError(message)
        synsets: Any = scipy.io.loadmat(io.BytesIO(meta.read()), squeeze_me=True)["synsets"]
        numbers = [int(word) for word in truth.read().split()]
    # Inner nodes of WordNet's tree are listed, too; the classes are its leaves.
    leaves = [one for one in synsets if int(one["num_children"]) == 0]
    return numbers, {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in leaves}


class _Slice(io.RawIOBase):
    """A part of a file as a file of its own, which tarfile reads."""

    def __init__(self, file: io.BufferedReader, start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._place, 0)
        self._file.seek(self._start + self._place)
        data = self._file.read(left if size < 0 else min(size, left))
        self._place += len(data)
        return data
