"""What the card of a prepared set says of its classes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.pictures import make_custom, write_png
from topformer_cli.data.card import DatasetCard, LabelFacts, SplitCard
from topformer_cli.data.prepare import prepare
from topformer_cli.data.spec import Task, generated_colour, identity_map
from topformer_cli.data.statistics import (
    WEIGHT_CAP,
    class_rows,
    class_weights,
    ignored_share,
    in_order,
)

Counts = tuple[int, ...]


def card_of(counts: Counts, images: Counts, task: Task = "segmentation") -> DatasetCard:
    """A card of 10 training images of 100 pixels."""
    classes = len(counts)
    sizes = dict.fromkeys(("smallest", "median", "largest"), (10, 10))
    labels = LabelFacts(counts=counts, images=images, ignored=0, empty=0)
    return DatasetCard(
        name="x",
        title="X",
        task=task,
        classes=("zebra", "Apple", "lamp", "mug", "rope")[:classes],
        palette=tuple(generated_colour(index) for index in range(classes)),
        codes=(),
        id_map=identity_map(classes) if task == "segmentation" else (),
        splits={"train": SplitCard(images=10, pixels=1000, labels=labels, **sizes)},
        expected={},
        terms="",
        homepage="",
        source="",
        source_fingerprint="0",
        fingerprint="1",
        warnings=(),
    )


def test_shares_are_of_the_labelled_pixels_and_of_all_images(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 4, 2)
    for number, path in enumerate(sorted((request.masks / "train").iterdir())):
        mask = np.zeros((24, 32), np.uint8)
        mask[:6] = 1 if number else 0
        mask[6:12] = 2
        write_png(path, mask)
    card = prepare(dataclasses.replace(request, ignore=(2,)))
    sky, road = class_rows(card)
    assert (sky.name, road.name) == ("sky", "road")
    assert sky.colour == (128, 128, 128)
    assert sky.code is None
    train = road.splits["train"]
    assert (train.count, train.images) == (3 * 6 * 32, 3)
    assert train.share == pytest.approx(0.25)
    assert train.image_share == 0.75
    assert sky.splits["train"].share == pytest.approx(0.75)
    assert ignored_share(card.splits["train"]) == pytest.approx(0.25)


def test_weights_are_the_median_frequency_over_each_class_own() -> None:
    # Frequencies 600 / 1000, 100 / 500, 40 / 400: the median is 0.2.
    card = card_of((600, 100, 40), (10, 5, 4))
    assert class_weights(card) == pytest.approx((1 / 3, 1, 2))
    assert [row.weight for row in class_rows(card)] == pytest.approx([1 / 3, 1, 2])


def test_weights_of_boxes_and_of_whole_images_are_of_their_numbers() -> None:
    images = card_of((6, 3, 1), (6, 3, 1), "classification")
    assert class_weights(images) == pytest.approx((0.5, 1, 3))
    boxes = card_of((60, 3, 2), (2, 3, 2), "detection")
    assert class_weights(boxes) == pytest.approx((0.05, 1, 1.5))


def test_weights_are_capped_and_a_class_that_never_occurs_weighs_one() -> None:
    weights = class_weights(card_of((900, 300, 1, 0), (10, 10, 10, 0)))
    assert weights[2:] == (WEIGHT_CAP, 1.0)
    assert class_weights(card_of((900, 300, 1, 0), (10, 10, 10, 0)), cap=50)[2] == 50
    assert class_weights(card_of((0, 0), (0, 0))) == (1.0, 1.0)


@given(
    st.lists(
        st.tuples(st.integers(1, 10), st.integers(1, 1000)), min_size=1, max_size=5
    ).map(lambda drawn: [(min(n, images * 100), images) for images, n in drawn])
)  # fmt: skip
def test_weights_are_positive_finite_and_higher_for_rarer_classes(
    drawn: list[tuple[int, int]],
) -> None:
    counts, images = zip(*drawn, strict=True)
    weights = class_weights(card_of(counts, images))
    assert all(0 < weight <= WEIGHT_CAP for weight in weights)
    weighed = [
        (count / image, one) for count, image, one in zip(counts, images, weights, strict=True)
    ]
    assert all(w >= other for f, w in weighed for g, other in weighed if f < g)


def test_rows_come_in_the_order_asked_for() -> None:
    rows = class_rows(card_of((10, 700, 40), (1, 9, 4)))
    assert [row.name for row in in_order(rows, "id")] == ["zebra", "Apple", "lamp"]
    assert [row.name for row in in_order(rows, "name")] == ["Apple", "lamp", "zebra"]
    assert [row.name for row in in_order(rows, "share")] == ["Apple", "lamp", "zebra"]
    equal = class_rows(card_of((5, 5, 9), (1, 1, 1)))
    assert [row.train_id for row in in_order(equal, "share")] == [2, 0, 1]
