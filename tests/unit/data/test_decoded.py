"""The decoded set: the pixels are those of the files, and it is whole or made anew."""

import multiprocessing
import os
import pickle
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fakes.pictures import make_custom
from topformer_cli.data import decoded
from topformer_cli.data.augment import AugmentSettings
from topformer_cli.data.decoded import LIST_NAME, PIXELS_NAME, DecodedSet, decoded_folder
from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.prepare import prepare
from topformer_cli.data.samples import MaskSamples, UnreadableError, decode_pair
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

IMAGES = 150


def silent(_done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    request = make_custom(tmp_path_factory.mktemp("decoded"), IMAGES, 1)
    prepare(request)
    return PreparedSet.open(request.name, request.cache_dir)


def built(prepared: PreparedSet, cache: Path, workers: int = 1) -> DecodedSet:
    return DecodedSet.open_or_build(prepared, cache, workers, silent)


@pytest.mark.parametrize("workers", [1, 2])
def test_holds_what_the_files_decode_to(
    prepared: PreparedSet, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded, "FEW", 0)
    found = built(prepared, tmp_path, workers)
    assert found.path.parent == tmp_path / "decoded"
    assert found.path.name.startswith("tiny-set-")
    assert found.nbytes == len(found.flat) == IMAGES * 24 * 32 * 4
    for index in range(IMAGES):
        image, labels = decode_pair(prepared, index)
        assert np.array_equal(found.image(index), image)
        assert np.array_equal(found.labels(index), labels)
    assert not found.image(0).flags.writeable
    travelled = pickle.loads(pickle.dumps(found))
    assert np.array_equal(travelled.flat, found.flat)
    assert len(pickle.dumps(found)) < found.nbytes / 10


def test_batches_do_not_depend_on_it(prepared: PreparedSet, tmp_path: Path) -> None:
    settings = AugmentSettings(crop=(32, 48), scale=(96, 24))
    found = built(prepared, tmp_path)
    plain, mapped = MaskSamples(prepared, settings), MaskSamples(prepared, settings, found)
    for one, other in zip(
        TrainBatches(plain, 4, 0).batches(0, 6),
        TrainBatches(mapped, 4, 0, 2).batches(0, 6),
        strict=True,
    ):
        assert all(torch.equal(a, b) for a, b in zip(one.tensors, other.tensors, strict=True))


def test_is_decoded_once(prepared: PreparedSet, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    for _ in range(2):
        DecodedSet.open_or_build(prepared, tmp_path, 1, lambda *counts: calls.append(counts))
    assert calls == [(64, IMAGES), (128, IMAGES), (IMAGES, IMAGES)]


@pytest.mark.parametrize("damage", ["shorter", "no list", "bad list", "other version", "no pixels"])
def test_what_is_not_whole_is_made_anew(prepared: PreparedSet, tmp_path: Path, damage: str) -> None:
    whole = np.array(built(prepared, tmp_path).flat)
    folder = decoded_folder(prepared, tmp_path)
    listed, pixels = folder / LIST_NAME, folder / PIXELS_NAME
    if damage == "shorter":
        os.truncate(pixels, 1000)
    elif damage == "no list":
        listed.unlink()
    elif damage == "no pixels":
        pixels.unlink()
    elif damage == "bad list":
        listed.write_text("[]")
    else:
        listed.write_text(listed.read_text().replace('"version": 1', '"version": 0'))
    assert np.array_equal(built(prepared, tmp_path).flat, whole)


def _build_slowly(prepared: PreparedSet, cache: Path) -> None:
    DecodedSet.open_or_build(prepared, cache, 1, lambda *_counts: time.sleep(60))


def test_a_killed_writer_leaves_nothing_in_the_way(prepared: PreparedSet, tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(
        target=_build_slowly, args=(prepared, tmp_path)
    )
    writer.start()
    part = decoded_folder(prepared, tmp_path) / f"{PIXELS_NAME}.part"
    while not part.exists():
        time.sleep(0.02)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert part.exists()
    found = built(prepared, tmp_path)
    assert np.array_equal(found.image(5), decode_pair(prepared, 5)[0])
    assert not part.exists()


def _build_and_report(prepared: PreparedSet, cache: Path) -> None:
    seen: list[int] = []
    found = DecodedSet.open_or_build(prepared, cache, 1, lambda done, _total: seen.append(done))
    assert found.image(0).any()
    (cache / f"{os.getpid()}-{bool(seen)}").touch()


def test_of_several_processes_one_decodes(prepared: PreparedSet, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    crew = [context.Process(target=_build_and_report, args=(prepared, tmp_path)) for _ in range(3)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    assert [one.exitcode for one in crew] == [0, 0, 0]
    assert len(list(tmp_path.glob("*-True"))) == 1
    assert len(list(tmp_path.glob("*-False"))) == 2


def test_a_full_disk_is_explained_and_leaves_nothing(prepared: PreparedSet, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DataError, match=r"the decoded set takes .*--cache-dir, or train"):
            built(prepared, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.rglob("pixels*"))


def test_an_unreadable_image_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 3, 1)
    prepare(request)
    whole = PreparedSet.open(request.name, request.cache_dir)
    blob = whole.sample("train", 1).image
    (shard,) = (whole.path / "train").glob("*.arrow")
    shard.write_bytes(shard.read_bytes().replace(blob, bytes(len(blob))))
    broken = PreparedSet.open(request.name, request.cache_dir)
    for _ in range(2):
        found = built(broken, tmp_path)
        with pytest.raises(UnreadableError, match=f"tiny-set train {broken.ids('train')[1]}"):
            found.pair(1)
        assert np.array_equal(found.pair(2)[0], decode_pair(broken, 2)[0])
