"""What `data check` says of a prepared set."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.pictures import make_custom, write_png
from topformer_cli.data.check import check
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.store import PreparedSet


@pytest.fixture
def request_(tmp_path: Path) -> FolderRequest:
    return make_custom(tmp_path, 4, 2)


def opened(request: FolderRequest) -> PreparedSet:
    prepare(request)
    return PreparedSet.open(request.name, request.cache_dir)


def test_a_sound_set_has_no_problems_and_no_notes(request_: FolderRequest) -> None:
    report = check(opened(request_))
    assert report.images == 6
    assert report.problems == ()
    assert report.notes == ()


def test_notes_what_is_odd(request_: FolderRequest) -> None:
    shutil.copy(request_.images / "train/train_0000.jpg", request_.images / "val/val_0001.jpg")
    write_png(request_.masks / "train/train_0002.png", np.full((24, 32), 255, np.uint8))
    write_png(request_.masks / "val/val_0000.png", np.zeros((24, 32), np.uint8))
    write_png(request_.masks / "val/val_0001.png", np.ones((24, 32), np.uint8))
    notes = "\n".join(check(opened(request_)).notes)
    assert "train: 1 masks are wholly ignored, such as train_0002" in notes
    assert "val lacks 1 classes, such as car" in notes
    assert "the same image: train/train_0000, val/val_0001" in notes


def test_finds_an_image_that_decayed(request_: FolderRequest) -> None:
    prepared = opened(request_)
    (path,) = (prepared.path / "val").glob("*.arrow")
    data = bytearray(path.read_bytes())
    start = data.index(b"\x89PNG")
    data[start : start + 30] = bytes(30)
    path.write_bytes(data)
    (problem,) = check(PreparedSet.open(prepared.path, request_.cache_dir)).problems
    assert problem.startswith("val/val_0000: ")
