"""Batches depend on the seed and the position alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fakes.pictures import make_custom
from topformer_cli.data import loaders
from topformer_cli.data.augment import AugmentSettings
from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.prepare import prepare
from topformer_cli.data.samples import Batch, MaskSamples
from topformer_cli.data.store import PreparedSet

SETTINGS = AugmentSettings(crop=(32, 48), scale=(96, 24))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    request = make_custom(tmp_path_factory.mktemp("loaders"), 5, 1)
    prepare(request)
    return PreparedSet.open(request.name, request.cache_dir)


def run(
    prepared: PreparedSet, start: int, stop: int, seed: int = 0, workers: int = 0
) -> list[Batch]:
    samples = MaskSamples(prepared, SETTINGS)
    return list(TrainBatches(samples, 3, seed, workers).batches(start, stop))


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_batches_are_8_bit_channels_last(prepared: PreparedSet) -> None:
    ((images, masks),) = run(prepared, 0, 1)
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
    ((images, _),) = TrainBatches(MaskSamples(tiny, SETTINGS), 4, 0, 0).batches(3, 4)
    assert images.shape[0] == 4
    assert not torch.equal(images[0], images[1])
