"""Average precision against pycocotools, on random boxes and on real ones."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from topformer_cli.data.box_table import BoxTable, read_box_table
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.boxes import BoxRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.box_metrics import AveragePrecision, truth_record
from topformer_cli.results.detection import NUMBERS, BoxScores

CATEGORY_IDS = (7, 3, 90)
"""Neither sorted nor without gaps."""


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


def by_pycocotools(counted: AveragePrecision) -> tuple[list[float], Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(), COCO()
        truth.dataset = truth_record(counted.truth, counted.category_ids.tolist())
        truth.createIndex()
        results = counted.results()
        found.dataset = {key: truth.dataset[key] for key in ("images", "categories")}
        found.dataset["annotations"] = [
            {**one, "id": number, "area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0}
            for number, one in enumerate(results, 1)
        ]
        found.createIndex()
        theirs = COCOeval(truth, found, "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    return theirs.stats.tolist(), theirs


def assert_equal(ours: BoxScores, theirs: Sequence[float]) -> None:
    for name, value in zip(NUMBERS, theirs, strict=True):
        expected = None if value < 0 else pytest.approx(100 * value, abs=1e-9)
        assert getattr(ours, name) == expected, name


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 100_000))
def test_scores_equal_pycocotools_on_random_boxes(images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counted = AveragePrecision(random_table(rng, images), CATEGORY_IDS)
    add_random(counted, rng)
    stats, theirs = by_pycocotools(counted)
    ours = counted.scores()
    assert_equal(ours, stats)
    for code, value in zip(CATEGORY_IDS, ours.class_ap, strict=True):
        precision = theirs.eval["precision"][:, :, sorted(CATEGORY_IDS).index(code), 0, -1]
        present = precision[precision > -1]
        assert value == (pytest.approx(100 * present.mean()) if present.size else None)


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
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(files[1]))
        theirs = COCOeval(truth, truth.loadRes(counted.results()), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    assert_equal(counted.scores(), theirs.stats.tolist())
