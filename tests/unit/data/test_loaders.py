"""Batches depend on the seed and the position alone."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes.pictures import make_custom
from topformer_cli.data import loaders
from topformer_cli.data.augment import AugmentSettings
from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.prepare import prepare
from topformer_cli.data.samples import Batch, MaskSamples, require_size
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError, RecipeError

SETTINGS = AugmentSettings(crop=(32, 48), scale=(96, 24))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    request = make_custom(tmp_path_factory.mktemp("loaders"), 5, 1)
    prepare(request)
    return PreparedSet.open(request.name, request.cache_dir)


def source(prepared: PreparedSet, seed: int = 0, workers: int = 0, **options: Any) -> TrainBatches:
    return TrainBatches(MaskSamples(prepared, SETTINGS), 3, seed, workers, **options)


def run(
    prepared: PreparedSet, start: int, stop: int, seed: int = 0, workers: int = 0
) -> list[Batch]:
    return list(source(prepared, seed, workers).batches(start, stop))


def damaged(folder: Path, images: int, kind: str, *which: int) -> PreparedSet:
    """A set in which the bytes of some images, or of their masks, are nothing."""
    request = make_custom(folder, images, 1)
    prepare(request)
    whole = PreparedSet.open(request.name, request.cache_dir)
    blobs = [getattr(whole.sample("train", index), kind) for index in which]
    for path in (whole.path / "train").glob("*.arrow"):
        content = path.read_bytes()
        for blob in blobs:
            content = content.replace(blob, bytes(len(blob)))
        path.write_bytes(content)
    return PreparedSet.open(request.name, request.cache_dir)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one.tensors, other.tensors, strict=True)
    )


def test_batches_are_8_bit_channels_last(prepared: PreparedSet) -> None:
    ((images, masks),) = (batch.tensors for batch in run(prepared, 0, 1))
    assert images.shape == (3, 32, 48, 3)
    assert masks.shape == (3, 32, 48)
    assert images.dtype == masks.dtype == torch.uint8
    assert set(np.unique(masks.numpy()).tolist()) <= {0, 1, 2, 255}


def test_resuming_continues_the_same_stream(prepared: PreparedSet) -> None:
    whole = run(prepared, 0, 9)
    assert same(whole, run(prepared, 0, 4) + run(prepared, 4, 9))
    assert not same(whole[:4], whole[4:8])
    assert run(prepared, 4, 4) == []


def test_the_number_of_workers_changes_nothing(prepared: PreparedSet) -> None:
    assert same(run(prepared, 2, 8), run(prepared, 2, 8, workers=2))


def test_the_cache_changes_nothing(prepared: PreparedSet, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cache = run(prepared, 0, 4)
    monkeypatch.setattr(loaders, "CACHE_BYTES", 0)
    assert same(with_cache, run(prepared, 0, 4))


def test_another_seed_is_another_stream(prepared: PreparedSet) -> None:
    assert not same(run(prepared, 0, 4), run(prepared, 0, 4, seed=1))


def test_the_global_generator_is_left_alone(prepared: PreparedSet) -> None:
    before = torch.random.get_rng_state()
    run(prepared, 0, 2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_set_smaller_than_a_batch_works(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 1, 1)
    prepare(request)
    tiny = PreparedSet.open(request.name, request.cache_dir)
    (batch,) = TrainBatches(MaskSamples(tiny, SETTINGS), 4, 0, 0).batches(3, 4)
    images, _ = batch.tensors
    assert images.shape[0] == 4
    assert not torch.equal(images[0], images[1])


@pytest.mark.parametrize("processes", [1, 3])
def test_shares_of_a_batch_are_the_batch(prepared: PreparedSet, processes: int) -> None:
    shares = [
        list(source(prepared, share=(rank, processes)).batches(2, 5)) for rank in range(processes)
    ]
    for whole, *parts in zip(run(prepared, 2, 5), *shares, strict=True):
        for kind, tensor in enumerate(whole.tensors):
            assert torch.equal(tensor, torch.cat([part.tensors[kind] for part in parts]))


def test_a_batch_that_does_not_divide_is_refused(prepared: PreparedSet) -> None:
    with pytest.raises(RecipeError, match="a batch of 3 does not divide among 2 processes"):
        source(prepared, share=(0, 2))


def test_ids_are_those_of_the_images(prepared: PreparedSet) -> None:
    known = prepared.ids("train")
    order = [known.index(one) for step in range(5) for one in source(prepared).ids(step)]
    assert [sorted(order[start : start + 5]) for start in range(0, 15, 5)] == [[0, 1, 2, 3, 4]] * 3
    assert source(prepared, share=(1, 3)).ids(4) == source(prepared).ids(4)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["image", "mask"])
def test_an_unreadable_image_is_named_with_the_remedy(
    tmp_path: Path, kind: str, workers: int
) -> None:
    broken = damaged(tmp_path, 5, kind, 2)
    with pytest.raises(DataError) as caught:
        run(broken, 0, 2, workers=workers)
    text = str(caught.value)
    assert text.startswith(f"tiny-set train {broken.ids('train')[2]}: ")
    assert "`topformer data check" in text
    assert "--skip-corrupt" in text
    assert "\n" not in text


def test_another_image_stands_in_wherever_it_is_computed(tmp_path: Path) -> None:
    broken = damaged(tmp_path, 5, "image", 1, 3)
    known = broken.ids("train")
    skipping = source(broken, skip_corrupt=True)
    found = list(skipping.batches(0, 10))
    for step, batch in enumerate(found):
        bad = [one for one in skipping.ids(step) if one in (known[1], known[3])]
        assert set(bad) <= set(batch.skipped) <= {known[1], known[3]}
        assert bool(bad) == bool(batch.skipped)
        assert len(batch.tensors[0]) == 3
    again = list(source(broken, workers=2, skip_corrupt=True).batches(0, 10))
    assert same(found, again)
    assert [batch.skipped for batch in found] == [batch.skipped for batch in again]
    thirds = [
        list(source(broken, share=(rank, 3), skip_corrupt=True).batches(0, 10)) for rank in range(3)
    ]
    for batch, *parts in zip(found, *thirds, strict=True):
        assert torch.equal(batch.tensors[0], torch.cat([part.tensors[0] for part in parts]))
        assert batch.skipped == sum((part.skipped for part in parts), ())


def test_readable_images_stay_as_they_are_beside_unreadable_ones(tmp_path: Path) -> None:
    whole = damaged(tmp_path / "whole", 5, "image")
    broken = damaged(tmp_path / "broken", 5, "image", 0)
    pairs = zip(
        source(whole).batches(0, 5), source(broken, skip_corrupt=True).batches(0, 5), strict=True
    )
    for step, (one, other) in enumerate(pairs):
        for place, name in enumerate(source(whole).ids(step)):
            equal = torch.equal(one.tensors[0][place], other.tensors[0][place])
            assert equal == (name != whole.ids("train")[0])


def test_a_set_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    broken = damaged(tmp_path, 2, "image", 0, 1)
    with pytest.raises(DataError, match=r"none of 8 images that could stand in"):
        list(source(broken, skip_corrupt=True).batches(0, 1))


def test_an_image_of_another_size_than_the_set_says_is_unreadable(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 1, 1)
    prepare(request)
    tiny = PreparedSet.open(request.name, request.cache_dir)
    sample = dataclasses.replace(tiny.sample("train", 0), height=23)
    with pytest.raises(DataError, match="it decodes to 32x24, not 32x23 pixels"):
        require_size(sample, np.zeros((24, 32, 3), np.uint8))
