"""Prepared sets are plain folders of the `datasets` library, which needs nothing of ours."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from tests.fakes.coco_tree import make_coco
from tests.fakes.ilsvrc import make_ilsvrc
from tests.fakes.pictures import make_custom
from topformer_cli.data import convert
from topformer_cli.data.card import prepared_path
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.decode import decode_ids, decode_image
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet

Splits = dict[str, datasets.Dataset]


@pytest.fixture(autouse=True)
def several_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "SHARD_ROWS", 4)


def known(name: str, folder: Path) -> KnownRequest:
    return KnownRequest(
        spec=DATASETS[name], folder=folder, cache_dir=folder / "cache", allow_partial=True
    )


def loaded(folder: Path) -> Splits:
    """Load a copy of a set with the library alone; the set itself is gone."""
    copy = folder.with_name("copy")
    shutil.move(folder, copy)
    splits: Splits = datasets.load_from_disk(str(copy))
    return splits


def test_masks(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 9, 3)
    prepare(request)
    folder = prepared_path(request.cache_dir, "tiny-set")
    ours = PreparedSet.open(folder, tmp_path)
    expected = [ours.sample("train", index) for index in range(9)]
    splits = loaded(folder)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 9, "val": 3}
    assert list(splits["train"].features) == ["id", "image", "height", "width", "mask"]
    for row, sample in zip(splits["train"], expected, strict=True):
        assert row["id"] == sample.id
        assert row["image"].size == row["mask"].size == (row["width"], row["height"]) == (32, 24)
        assert np.abs(np.asarray(row["image"], int) - decode_image(sample.image)).max() <= 3
        assert np.array_equal(np.asarray(row["mask"]), decode_ids(sample.mask))


def test_boxes(tmp_path: Path) -> None:
    make_coco(tmp_path, 10, 6)
    prepare(known("coco", tmp_path))
    folder = prepared_path(tmp_path / "cache", "coco")
    ours = PreparedSet.open(folder, tmp_path)
    expected = [ours.boxes("train", index) for index in range(10)]
    splits = loaded(folder)
    features = splits["train"].features
    assert list(features) == ["id", "image", "height", "width", "image_id", "objects"]
    names = features["objects"]["category"].feature
    assert tuple(names.names) == DATASETS["coco"].classes
    for row, sample in zip(splits["train"], expected, strict=True):
        assert (row["image_id"], row["id"]) == (sample.image_id, sample.id)
        objects = row["objects"]
        assert np.array_equal(np.reshape(objects["bbox"], (-1, 4)), sample.boxes)
        assert objects["category"] == sample.categories.tolist()
        assert objects["crowd"] == sample.crowds.tolist()
        assert row["image"].size == (row["width"], row["height"])
    labelled = next(
        row["objects"]["category"][0] for row in splits["train"] if row["objects"]["id"]
    )
    assert names.int2str(labelled) == DATASETS["coco"].classes[labelled]


def test_classes(tmp_path: Path) -> None:
    make_ilsvrc(tmp_path, 3, 6)
    prepare(known("imagenet", tmp_path))
    folder = prepared_path(tmp_path / "cache", "imagenet")
    ours = PreparedSet.open(folder, tmp_path)
    expected = [ours.classified("val", index) for index in range(6)]
    splits = loaded(folder)
    label = splits["val"].features["label"]
    assert tuple(label.names) == DATASETS["imagenet"].classes
    for row, sample in zip(splits["val"], expected, strict=True):
        assert (row["id"], row["label"]) == (sample.id, sample.label)
        assert row["image"].size == (sample.width, sample.height)


ALONE = """
import json, sys
import datasets

rows = datasets.load_from_disk(sys.argv[1])["val"]
assert not [name for name in sys.modules if name.startswith("topformer")]
print(json.dumps({"ids": rows["id"][:], "sizes": [row["mask"].size for row in rows]}))
"""


def test_without_this_package(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 5, 2)
    prepare(request)
    folder = prepared_path(request.cache_dir, "tiny-set")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)], capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    assert told == {"ids": ["val_0000", "val_0001"], "sizes": [[32, 24], [32, 24]]}


def test_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    """What is shared tells nobody where it was made."""
    request = make_custom(tmp_path / "secret-place", 5, 2)
    prepare(request)
    for path in prepared_path(request.cache_dir, "tiny-set").rglob("*"):
        if path.is_file():
            assert b"secret-place" not in path.read_bytes(), path.name
