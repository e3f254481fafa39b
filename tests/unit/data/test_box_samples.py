"""What is trained on of a set of boxes, and how images with boxes become a batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.fakes.box_pictures import make_blocks
from tests.fakes.coco_tree import CROWD, EMPTY, GREY, SMALL, TINY, make_coco
from topformer_cli.data.augment import PAD_COLOUR
from topformer_cli.data.box_augment import (
    BoxAugmentSettings,
    augment_boxes,
    padded_batch,
    resize_boxes,
)
from topformer_cli.data.box_samples import BoxSamples, box_samples
from topformer_cli.data.box_table import corners_within, read_box_table
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.prepare import prepare
from topformer_cli.data.samples import Batch
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

SMALL_SCALE = BoxAugmentSettings(scale=(160, 96), least_short=64)


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    request = make_blocks(tmp_path_factory.mktemp("blocks"), 7, 2)
    prepare(request)
    return PreparedSet.open("blocks", request.cache_dir)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("coco")
    root = make_coco(folder, 7, 6)
    cache = folder / "cache"
    prepare(KnownRequest(spec=DATASETS["coco"], folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open("coco", cache)


def run(prepared: PreparedSet, start: int, stop: int, workers: int = 0) -> list[Batch]:
    samples = box_samples(prepared, SMALL_SCALE)
    source = TrainBatches(samples, 3, 0, workers, samples.groups)
    return list(source.batches(start, stop))


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one.tensors, other.tensors, strict=True)
    )


def test_table_holds_what_each_sample_holds(coco: PreparedSet) -> None:
    table = read_box_table(coco, "val")
    for index in range(coco.length("val")):
        sample = coco.boxes("val", index)
        mine = table.owners == index
        assert table.image_ids[index] == sample.image_id
        assert (table.heights[index], table.widths[index]) == (sample.height, sample.width)
        assert np.array_equal(table.boxes[mine], sample.boxes)
        assert np.array_equal(table.categories[mine], sample.categories)
        assert np.array_equal(table.areas[mine], sample.areas)
        assert np.array_equal(table.crowds[mine], sample.crowds)


def test_crowds_specks_empty_and_tiny_images_do_not_train(coco: PreparedSet) -> None:
    table = read_box_table(coco, "train")
    usable, trainable = table.usable(), table.trainable()
    assert table.crowds[table.owners == CROWD].any()
    assert not usable[table.crowds].any()
    assert np.flatnonzero(~trainable).tolist() == [EMPTY, SMALL]
    specks = (table.owners == TINY) & (table.boxes[:, 2:].min(axis=1) < 1)
    assert specks.sum() == 2
    assert not usable[specks].any()
    (group,) = box_samples(coco, SMALL_SCALE).groups
    assert group.tolist() == np.flatnonzero(trainable).tolist()


def test_boxes_that_leave_their_image_are_clipped(coco: PreparedSet) -> None:
    image, corners, categories = box_samples(coco, SMALL_SCALE).decode(GREY)
    sample = coco.boxes("train", GREY)
    assert (sample.boxes[:, 0] + sample.boxes[:, 2]).max() > image.shape[1]
    assert corners[:, 2].max() == image.shape[1]
    assert corners.dtype == np.float32
    assert len(corners) == len(categories) == len(sample.boxes)


def test_a_set_with_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    request = make_blocks(tmp_path, 2, 1)
    for path in (request.train, request.val):
        assert path is not None
        text = path.read_text().replace('"bbox": [', '"iscrowd": 1, "bbox": [')
        path.write_text(text)
    prepare(request)
    with pytest.raises(DataError, match="blocks has no training image of 32 pixels or more"):
        box_samples(PreparedSet.open("blocks", request.cache_dir), SMALL_SCALE)


def test_a_batch_is_of_one_orientation_and_holds_its_boxes(blocks: PreparedSet) -> None:
    orientations = set()
    for batch in run(blocks, 0, 7):
        images, boxes, categories, owners, sizes = batch.tensors
        height, width = images.shape[1:3]
        orientations.add(height > width)
        assert images.dtype == torch.uint8
        assert (height % 32, width % 32, images.shape[3]) == (0, 0, 3)
        assert len({bool(tall > wide) for tall, wide in sizes.tolist()}) == 1
        assert sizes.max(dim=0).values.le(torch.tensor([height, width])).all()
        assert boxes.dtype == torch.float32
        assert len(boxes) == len(categories) == len(owners) == 6
        limits = sizes.flip(1)[owners]
        assert (boxes[:, 2:] <= limits).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert orientations == {True, False}


def test_boxes_lie_on_their_blocks(blocks: PreparedSet) -> None:
    # The blocks have the only saturated colours, whatever was resized and flipped.
    channels = [("red", "green", "blue").index(name) for name in blocks.card.classes]
    for batch in run(blocks, 0, 4):
        images, boxes, categories, owners, _ = batch.tensors
        for box, category, owner in zip(boxes, categories, owners, strict=True):
            left, top, right, bottom = box.round().int().tolist()
            inside = images[owner, top + 3 : bottom - 3, left + 3 : right - 3].float()
            assert inside.mean((0, 1)).argmax() == channels[int(category)]
        saturated = images.amax(3).int() - images.amin(3).int() > 80
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        assert int(saturated.sum()) == pytest.approx(float(areas.sum()), rel=0.05)


def test_resuming_and_workers_change_nothing(blocks: PreparedSet) -> None:
    whole = run(blocks, 0, 6)
    assert same(whole, run(blocks, 0, 2) + run(blocks, 2, 6))
    assert same(whole[3:], run(blocks, 3, 6, workers=1))
    assert not same(whole[:1], whole[1:2])


def random_image(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_resize_keeps_the_ratio_and_moves_the_boxes() -> None:
    boxes = np.array([[0, 0, 640, 480], [64, 48, 128, 96]], np.float32)
    pixels, moved = resize_boxes(random_image(480, 640), boxes, (1333, 800))
    assert pixels.shape == (800, 1067, 3)
    np.testing.assert_allclose(moved[0], (0, 0, 1067, 800))
    np.testing.assert_allclose(moved[1], (106.7, 80, 213.4, 160), rtol=1e-5)


def test_flip_mirrors_pixels_and_boxes() -> None:
    image = random_image(50, 80)
    box = np.array([[10, 5, 30, 45]], np.float32)
    settings = BoxAugmentSettings(scale=(80, 50), least_short=50, flip=1.0)
    pixels, moved = augment_boxes(image, box, settings, np.random.default_rng(0))
    assert np.array_equal(pixels, image[:, ::-1])
    assert moved.tolist() == [[50, 5, 70, 45]]


def test_short_side_is_drawn_between_its_bounds() -> None:
    settings = BoxAugmentSettings(scale=(400, 60), least_short=40, flip=0.0)
    rng = np.random.default_rng(0)
    box = np.zeros((0, 4), np.float32)
    sides = {
        augment_boxes(random_image(80, 100), box, settings, rng)[0].shape[0] for _ in range(300)
    }
    assert sides == set(range(40, 61))


def test_padding_fills_below_and_on_the_right() -> None:
    one, other = random_image(40, 20), random_image(33, 64)
    batch = padded_batch([one, other])
    assert batch.shape == (2, 64, 64, 3)
    assert np.array_equal(batch[0, :40, :20], one)
    assert np.array_equal(batch[1, :33, :64], other)
    assert (batch[0, 40:] == PAD_COLOUR).all()
    assert (batch[0, :40, 20:] == PAD_COLOUR).all()
    assert (batch[1, 33:] == PAD_COLOUR).all()


def test_corners_are_clipped_to_the_image() -> None:
    boxes = np.array([[-5.0, 2, 10, 4], [90, 40, 20, 20]])
    assert corners_within(boxes, (100, 50)).tolist() == [[0, 2, 5, 6], [90, 40, 100, 50]]


def test_only_sets_of_boxes_have_a_table(blocks: PreparedSet) -> None:
    assert isinstance(box_samples(blocks, SMALL_SCALE), BoxSamples)
    with pytest.raises(DataError, match="has no split 'test'"):
        read_box_table(blocks, "test")
