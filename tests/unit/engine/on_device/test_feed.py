"""Batches whose last touch, or all of it, is the device's are those of the loader processes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.engine.conftest import MakeJob, Watcher, make_job
from topformer_cli.data.samples import MaskSamples, UnreadableError
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import LoaderFeed, loader_of
from topformer_cli.engine.on_device.feed import CropSamples, FinishCrops
from topformer_cli.engine.on_device.upload import have_room, upload
from topformer_cli.engine.segmentation_feed import place_of_pixels, segmentation_feed
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import new_run

CPU = torch.device("cpu")


def finished(job_feed: tuple[object, object]) -> list[tuple[torch.Tensor, ...]]:
    _, feed = job_feed
    assert isinstance(feed, LoaderFeed)
    return [feed.on_device(part.tensors) for (part,) in feed.batches(0, 5)]


def feed_of(prepared: PreparedSet, pixels: str, cache: Path | None = None) -> LoaderFeed:
    job = make_job(prepared, f"pixels={pixels}", "augment.photometric=true")
    options = replace(job.options, decoded=cache)
    feed = segmentation_feed(job.recipe, prepared, job.spec, options)
    assert isinstance(feed, LoaderFeed)
    return feed


@pytest.mark.parametrize("pixels", ["device", "memory"])
def test_pixels_from_anywhere_are_the_same(
    prepared: PreparedSet, tmp_path: Path, pixels: str
) -> None:
    plain, other = feed_of(prepared, "files"), feed_of(prepared, pixels, tmp_path)
    assert plain.ids(3) == other.ids(3)
    for (part,), (own,) in zip(plain.batches(0, 5), other.batches(0, 5), strict=True):
        images, labels = plain.on_device(part.tensors)
        own_images, own_labels = other.on_device(own.tensors)
        assert torch.equal(labels, own_labels)
        apart = (images - own_images).abs()
        assert float(apart.mean()) < (0.01 if pixels == "device" else 1e-9)


def test_colours_changed_on_the_device_are_the_loaders(prepared: PreparedSet) -> None:
    job = make_job(prepared, "pixels=files", "augment.photometric=true")
    plain = segmentation_feed(job.recipe, prepared, job.spec, job.options)
    crops = loader_of(CropSamples(prepared, job.recipe.augment), job.recipe, job.options)
    late = LoaderFeed(crops, 1, FinishCrops(job.spec, CPU))
    for (part,), (own,) in zip(plain.batches(0, 6), late.batches(0, 6), strict=True):
        images, labels = plain.on_device(part.tensors)
        own_images, own_labels = late.on_device(own.tensors)
        assert torch.equal(labels, own_labels)
        assert float((images - own_images).abs().mean()) < 0.01


def test_a_run_from_the_device_stops_and_resumes_as_if_nothing_had_been(
    job: MakeJob, tmp_path: Path
) -> None:
    whole, again = (new_run(tmp_path, "train", name) for name in ("whole", "again"))
    made = job("pixels=device")
    train(made, whole, Watcher())
    train(made, again, Watcher())
    one, other = (load_checkpoint(run.weights("last")).weights for run in (whole, again))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_an_image_that_cannot_be_read_is_named_or_stood_in_for(
    prepared: PreparedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = MaskSamples.decode

    def broken(samples: MaskSamples, index: int) -> object:
        if index == 2:
            message = "little-scenes train scene_0002: no image"
            raise UnreadableError(message, "scene_0002")
        return decode(samples, index)

    monkeypatch.setattr(MaskSamples, "decode", broken)
    made = make_job(prepared, "pixels=device")
    with pytest.raises(DataError, match="scene_0002"):
        segmentation_feed(made.recipe, prepared, made.spec, made.options)
    options = replace(made.options, skip_corrupt=True)
    feed = segmentation_feed(made.recipe, prepared, made.spec, options)
    skipped = [name for (part,) in feed.batches(0, 6) for name in part.skipped]
    assert set(skipped) == {"scene_0002"}
    _, unreadable = upload(MaskSamples(prepared, made.recipe.augment), CPU, lambda _a, _b: None)
    assert list(unreadable) == [2]


def test_auto_takes_memory_where_there_is_a_cache_and_files_elsewhere(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    made = make_job(prepared)
    samples = MaskSamples(prepared, made.recipe.augment)
    assert not have_room(samples, CPU)
    assert place_of_pixels(made.recipe, samples, made.options) == "files"
    kept = replace(made.options, decoded=tmp_path)
    assert place_of_pixels(made.recipe, samples, kept) == "memory"
