"""Images are chosen by id, by class and by chance, and what is asked for is what comes."""

import numpy as np
import pytest

from tests.fakes.coco_tree import make_coco
from tests.fakes.pictures import make_custom
from topformer_cli.api.choosing import Choice, choose
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.decode import decode_mask
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError, UsageError


def silent(found: int, wanted: int, text: str = "") -> None:
    assert 0 <= found <= wanted
    assert text.startswith("looked at ")


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    request = make_custom(tmp_path_factory.mktemp("masks"), 20, 3)
    prepare(request)
    return PreparedSet.open(request.name, request.cache_dir)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("boxes")
    source = make_coco(folder, 12, 3)
    prepare(
        KnownRequest(
            spec=DATASETS["coco"], folder=source, cache_dir=folder / "cache", allow_partial=True
        )
    )
    return PreparedSet.open("coco", folder / "cache")


def test_chance_repeats_itself_by_seed(masks: PreparedSet) -> None:
    first = choose(masks, Choice(count=5, seed=1), silent)
    assert first == choose(masks, Choice(count=5, seed=1), silent)
    assert first != choose(masks, Choice(count=5, seed=2), silent)
    assert len(set(first.indices)) == 5
    assert first.words == "5 of 20 train images, seed 1"
    assert sorted(choose(masks, Choice(count=64), silent).indices) == [*range(20)]


def test_ids_come_in_the_order_given(masks: PreparedSet) -> None:
    chosen = choose(masks, Choice(ids=("train_0007", "train_0002")), silent)
    assert chosen.indices == (7, 2)


@pytest.mark.parametrize("name", ["sky", "car"])
def test_masks_with_a_class_have_it(masks: PreparedSet, name: str) -> None:
    train_id = masks.card.classes.index(name)
    chosen = choose(masks, Choice(count=64, class_name=name.upper()), silent)
    having = {
        index
        for index in range(20)
        if (decode_mask(masks.sample("train", index).mask, masks.card.id_map) == train_id).any()
    }
    assert set(chosen.indices) == having
    assert len(having) == masks.card.splits["train"].labels.images[train_id]


def test_boxes_with_a_class_have_it_and_crowds_do_not_count(boxes: PreparedSet) -> None:
    labels = boxes.card.splits["train"].labels
    for train_id in np.flatnonzero(labels.images).tolist():
        chosen = choose(boxes, Choice(count=64, class_name=boxes.card.codes[train_id]), silent)
        assert len(chosen.indices) == labels.images[train_id]
        for index in chosen.indices:
            sample = boxes.boxes("train", index)
            assert train_id in sample.categories[~sample.crowds]


def test_a_scan_stops_when_it_has_enough(masks: PreparedSet) -> None:
    looked: list[tuple[object, ...]] = []
    choose(masks, Choice(count=1, class_name="road"), lambda *told: looked.append(told))
    assert looked[-1] == (1, 1, f"looked at {len(looked)}")
    assert len(looked) < 10


def test_what_contradicts_itself_or_is_not_there_is_told(masks: PreparedSet) -> None:
    with pytest.raises(UsageError, match="both choose the images"):
        Choice(ids=("a",), class_name="sky")
    with pytest.raises(UsageError, match="65 images; a sheet has room for 64"):
        Choice(ids=("a",) * 65)
    with pytest.raises(DataError, match="no class 'sly'; did you mean 'sky'"):
        choose(masks, Choice(class_name="sly"), silent)
    with pytest.raises(DataError, match="no image 'val_0001'; add --split val"):
        choose(masks, Choice(ids=("val_0001",)), silent)


def test_labels_are_read_without_the_image(masks: PreparedSet) -> None:
    assert "image" not in masks.labels("train", 0)
    assert masks.labels("train", 0)["mask"]["bytes"] == masks.sample("train", 0).mask
