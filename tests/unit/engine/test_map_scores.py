"""The scores of label maps are those of other implementations, on drawn and on real maps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.data.spec import identity_map, shifted_map
from topformer_cli.engine.metrics import IGNORE, ConfusionMatrix, ValueCounts
from topformer_cli.results import LabelScores

Map = NDArray[np.uint8]
Pair = tuple[Map, Map]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, list[Pair]]:
    """Draw a number of classes, and labels with predictions of some images."""
    classes = draw(st.integers(2, 12))
    ids = st.sampled_from([*range(classes), IGNORE])
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    one = st.tuples(arrays(np.uint8, shape, elements=ids), arrays(np.uint8, shape, elements=ids))
    return classes, draw(st.lists(one, min_size=1, max_size=3))


def plain_miou(classes: int, both: list[Pair]) -> float | None:
    """Return the mean IoU of the classes that occur, one class after another."""
    labels, found = (np.concatenate([one[side].ravel() for one in both]) for side in (0, 1))
    labels, found = labels[labels != IGNORE], found[labels != IGNORE]
    shares = []
    for index in range(classes):
        union = np.logical_or(labels == index, found == index).sum()
        if union:
            shares.append(np.logical_and(labels == index, found == index).sum() / union)
    return 100 * float(np.mean(shares)) if shares else None


def counted(classes: int, both: list[Pair]) -> LabelScores:
    matrix = ConfusionMatrix(classes)
    for labels, found in both:
        matrix.add(labels, found)
    return matrix.scores()


@given(pairs())
def test_miou_is_that_of_plain_numpy(drawn: tuple[int, list[Pair]]) -> None:
    found, plain = counted(*drawn).miou, plain_miou(*drawn)
    if plain is None or found is None:
        assert found is plain
    else:
        assert found == pytest.approx(plain, abs=1e-9, rel=0)


@given(pairs())
def test_values_are_read_by_any_id_map(drawn: tuple[int, list[Pair]]) -> None:
    classes, both = drawn
    own, other = ValueCounts(classes), ValueCounts(classes)
    for labels, found in both:
        own.add(labels, found)
        other.add(labels, np.where(found == IGNORE, 0, found + 1).astype(np.uint8))
    expected = counted(classes, both)
    assert own.read_as(identity_map(classes)).scores() == expected
    assert other.read_as(shifted_map(classes)).scores() == expected


@given(pairs())
def test_groups_by_share_hold_every_class_once(drawn: tuple[int, list[Pair]]) -> None:
    scores = counted(*drawn)
    groups = scores.share_groups
    classes = sum(one.classes for one in groups)
    assert classes == sum(one is not None for one in scores.iou)
    if classes:
        mean = sum(one.classes * (one.miou or 0.0) for one in groups) / classes
        assert mean == pytest.approx(scores.miou, abs=1e-9)


def real_pairs(shared: Path) -> Iterator[tuple[int, list[Pair]]]:
    """Yield real masks, held against themselves moved by some pixels."""
    data = shared / "data"
    for classes, folder, id_map in (
        (150, data / "ade20k_sample" / "annotations", shifted_map(150)),
        (11, data / "camvid" / "masks" / "val", identity_map(11)),
    ):
        table = np.array(id_map, np.uint8)
        both = []
        for path in sorted(folder.glob("*.png"))[:12]:
            labels = table[np.asarray(Image.open(path))]
            both.append((labels, np.roll(labels, 7, axis=1)))
        yield classes, both


def test_miou_of_real_masks_is_that_of_plain_numpy(shared: Path) -> None:
    for classes, both in real_pairs(shared):
        miou = counted(classes, both).miou
        assert miou == pytest.approx(plain_miou(classes, both), abs=1e-9, rel=0)
        assert miou is not None
        assert 20 < miou < 99


def test_scores_of_real_masks_are_those_of_torchmetrics(shared: Path) -> None:
    pytest.importorskip("torchmetrics")
    from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

    for classes, both in real_pairs(shared):
        # torchmetrics knows no predictions without a class.
        valid = [(one, np.where(two == IGNORE, 0, two)) for one, two in both]
        ours = counted(classes, valid)
        matrix = MulticlassConfusionMatrix(classes, ignore_index=IGNORE)
        mean = MulticlassJaccardIndex(classes, ignore_index=IGNORE)
        for labels, found in valid:
            tensors = torch.from_numpy(found).long(), torch.from_numpy(labels).long()
            matrix.update(*tensors)
            mean.update(*tensors)
        assert [row[:-1] for row in ours.confusion] == [
            tuple(row) for row in matrix.compute().tolist()
        ]
        assert ours.miou == pytest.approx(100 * float(mean.compute()), abs=1e-3)
