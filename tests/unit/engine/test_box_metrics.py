"""Average precision against pycocotools, on random boxes and on real ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.coco_oracle import CATEGORY_IDS, assert_official, official
from topformer_cli.data.box_table import BoxTable, read_box_table
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.boxes import BoxRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.box_metrics import AveragePrecision, truth_record


def random_table(rng: np.random.Generator, images: int) -> BoxTable:
    count = int(rng.integers(0, 6 * images))
    boxes = np.concatenate((rng.uniform(0, 150, (count, 2)), rng.uniform(1, 200, (count, 2))), 1)
    return BoxTable(
        image_ids=rng.permutation(1000)[:images],
        heights=np.full(images, 400),
        widths=np.full(images, 400),
        owners=np.sort(rng.integers(0, images, count)),
        boxes=boxes,
        categories=rng.integers(0, len(CATEGORY_IDS), count),
        areas=boxes[:, 2] * boxes[:, 3] * rng.uniform(0.3, 1, count),
        crowds=rng.random(count) < 0.15,
    )


def add_random(counted: AveragePrecision, rng: np.random.Generator) -> None:
    """Boxes near the true ones, doubled, missing, misnamed, and some of nothing."""
    truth, classes = counted.truth, len(counted.category_ids)
    for image in range(len(truth.image_ids)):
        mine = truth.owners == image
        corners = truth.boxes[mine].copy()
        corners[:, 2:] += corners[:, :2]
        near = np.repeat(corners, rng.integers(0, 3, len(corners)), axis=0)
        near = near + rng.normal(0, 6, near.shape)
        noise = rng.uniform(0, 300, (int(rng.integers(0, 130 if image == 0 else 6)), 4))
        boxes = np.concatenate((near, noise))
        boxes = np.concatenate((boxes.reshape(-1, 2, 2).min(1), boxes.reshape(-1, 2, 2).max(1)), 1)
        scores = rng.random(len(boxes)).round(1)  # ties occur
        counted.add(image, boxes, scores, rng.integers(0, classes, len(boxes)))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 100_000))
def test_scores_equal_pycocotools_on_random_boxes(images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counted = AveragePrecision(random_table(rng, images), CATEGORY_IDS)
    add_random(counted, rng)
    theirs = official(truth_record(counted.truth, CATEGORY_IDS), counted.results())
    ours = counted.scores()
    assert_official(ours, CATEGORY_IDS, theirs)
    objects = counted.truth.categories[~counted.truth.crowds].tolist()
    assert ours.class_objects == tuple(objects.count(train_id) for train_id in range(3))


def test_perfect_boxes_have_full_precision_and_nothing_found_has_none() -> None:
    table = random_table(np.random.default_rng(4), 3)
    perfect, nothing = (AveragePrecision(table, CATEGORY_IDS) for _ in range(2))
    for image in range(3):
        mine = table.owners == image
        corners = table.boxes[mine].copy()
        corners[:, 2:] += corners[:, :2]
        perfect.add(image, corners, np.ones(len(corners)), table.categories[mine])
    scores = perfect.scores()
    assert (scores.ap, scores.ap50, scores.ar100) == (100.0, 100.0, 100.0)
    assert nothing.scores().ap == 0.0


def test_boxes_in_a_crowd_are_not_counted_against() -> None:
    table = BoxTable(
        np.array([5]), np.array([100]), np.array([100]), np.array([0, 0]),
        np.array([[0.0, 0, 10, 10], [50, 50, 40, 40]]), np.array([0, 0]),
        np.array([100.0, 1600]), np.array([False, True]),
    )  # fmt: skip
    counted = AveragePrecision(table, (1,))
    boxes = np.array([[60.0, 60, 70, 70], [0, 0, 10, 10]])
    counted.add(0, boxes, np.array([0.9, 0.8]), np.array([0, 0]))
    assert counted.scores().ap == 100.0


def test_a_box_in_an_image_without_objects_is_a_wrong_one() -> None:
    table = BoxTable(
        np.array([5, 8]), np.array([100, 100]), np.array([100, 100]), np.array([0]),
        np.array([[0.0, 0, 10, 10]]), np.array([0]), np.array([100.0]), np.array([False]),
    )  # fmt: skip
    counted = AveragePrecision(table, (1,))
    for image, score in ((0, 0.8), (1, 0.9)):
        counted.add(image, np.array([[0.0, 0, 10, 10]]), np.array([score]), np.array([0]))
    assert counted.scores().ap == pytest.approx(50)


def test_results_have_cocos_form() -> None:
    counted = AveragePrecision(random_table(np.random.default_rng(0), 2), CATEGORY_IDS)
    counted.add(1, np.array([[1.0, 2, 11, 22]]), np.array([0.5]), np.array([2]))
    (one,) = counted.results()
    assert json.loads(json.dumps(one)) == {
        "image_id": int(counted.truth.image_ids[1]),
        "category_id": 90,
        "bbox": [1.0, 2.0, 10.0, 20.0],
        "score": 0.5,
    }


def test_scores_equal_pycocotools_on_real_boxes(shared: Path, tmp_path: Path) -> None:
    root = shared / "data" / "coco_tiny"
    files = [root / "annotations" / f"instances_{split}2017.json" for split in ("train", "val")]
    folders = tmp_path / "images"
    folders.mkdir()
    for split in ("train", "val"):
        (folders / split).symlink_to(root / f"{split}2017")
    request = BoxRequest(
        cache_dir=tmp_path / "cache", name="tiny", images=folders, train=files[0], val=files[1]
    )
    prepare(request)
    prepared = PreparedSet.open("tiny", tmp_path / "cache")
    codes = [int(code) for code in prepared.card.codes]
    rng = np.random.default_rng(0)
    counted = AveragePrecision(read_box_table(prepared, "val"), codes)
    add_random(counted, rng)
    # The file itself is the truth, not what was read from it.
    assert_official(counted.scores(), codes, official(files[1], counted.results()))


def test_ids_of_64_bits_stay_what_they_are() -> None:
    ids = np.array([2**62 + 1, 2**53 + 1, -(2**62) - 1])
    count = len(ids)
    table = BoxTable(
        ids, np.full(count, 100), np.full(count, 100), np.arange(count),
        np.tile([[0.0, 0, 10, 10]], (count, 1)), np.arange(count), np.full(count, 100.0),
        np.zeros(count, bool),
    )  # fmt: skip
    codes = (2**61 + 1, 2**60 + 1, 2**53 + 3)
    counted = AveragePrecision(table, codes)
    for image in range(count):
        counted.add(image, np.array([[0, 0, 10, 10]]), np.array([0.5]), np.array([image]))
    assert [one["image_id"] for one in counted.results()] == ids.tolist()
    assert [one["category_id"] for one in counted.results()] == list(codes)
    assert counted.scores().ap == 100.0
