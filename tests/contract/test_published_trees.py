"""Every published set is found and read in every form in which people have it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.coco_stuff import make_coco_stuff_10k, make_coco_stuff_164k
from tests.fakes.coco_tree import CROWD, EMPTY, GREY, SMALL, TINY, make_coco
from tests.fakes.ilsvrc import chosen_codes, make_ilsvrc
from tests.fakes.published import MAKE, PACK
from tests.fakes.voc_context import make_voc_context
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.decode import decode_image
from topformer_cli.data.forms.row import Row
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.sources.published import KnownRequest, published_source
from topformer_cli.data.sources.source import Boxes, Source
from topformer_cli.data.spec import IGNORE, Impostor
from topformer_cli.errors import DataError

TRAIN, VAL = 6, 5
Make = Callable[[Path, int, int], Path]

FORMS_OF: dict[str, tuple[Make, ...]] = {
    "pascal-context": tuple(partial(make_voc_context, form=f) for f in ("mat", "json", "png")),
    "pascal-context-59": tuple(partial(make_voc_context, form=f) for f in ("mat", "json", "png")),
    "coco-stuff-10k": tuple(partial(make_coco_stuff_10k, form=f) for f in ("mat", "mmseg", "both")),
    "coco-stuff-164k": tuple(
        partial(make_coco_stuff_164k, form=f) for f in ("maps", "raw", "mmseg", "both")
    ),
}


def found(name: str, folder: Path, *, allow_partial: bool = False) -> Source:
    request = KnownRequest(
        spec=DATASETS[name], folder=folder, cache_dir=folder, allow_partial=allow_partial
    )
    return published_source(request)


def rows(source: Source, split: str) -> list[Row]:
    form = FORMS[source.reading.task]
    return [form.read_row(item, source.reading) for item in source.splits[split]]


def class_pixels(name: str, make: Make, folder: Path) -> NDArray[np.int64]:
    """The pixels of each class in the training part of a tree."""
    make(folder, TRAIN, VAL)
    source = found(name, folder)
    assert {split: len(items) for split, items in source.splits.items()} == {
        "train": TRAIN,
        "val": VAL,
    }
    pixels = np.zeros(len(DATASETS[name].classes), np.int64)
    for row in rows(source, "train"):
        for value, train_id in enumerate(source.reading.labels.id_map):
            if train_id != IGNORE:
                pixels[train_id] += row.counts[value]
    return pixels


@pytest.mark.parametrize("name", DATASETS)
def test_what_the_archives_make_is_found_from_above(tmp_path: Path, name: str) -> None:
    root = MAKE[name](tmp_path / "set with é", TRAIN, VAL)
    source = found(name, tmp_path)
    assert source.place == root.resolve()
    assert set(source.splits) == {"train", "val"}
    assert sum(row.labelled for row in rows(source, "val")) > 0
    assert set(PACK[name](root, tmp_path / "out")) == {one.name for one in DATASETS[name].archives}


@pytest.mark.parametrize("name", FORMS_OF)
def test_all_forms_have_the_same_labels(tmp_path: Path, name: str) -> None:
    pixels = [
        class_pixels(name, make, tmp_path / str(number))
        for number, make in enumerate(FORMS_OF[name])
    ]
    assert pixels[0].sum() > 10_000
    assert np.count_nonzero(pixels[0]) >= 5
    for other in pixels[1:]:
        assert other.tolist() == pixels[0].tolist()


def test_context_of_59_leaves_out_background(tmp_path: Path) -> None:
    full = class_pixels("pascal-context", make_voc_context, tmp_path / "60")
    reduced = class_pixels("pascal-context-59", make_voc_context, tmp_path / "59")
    assert full[0] > 0
    assert reduced.tolist() == full[1:].tolist()


def test_stuff_of_both_sizes_has_the_same_labels(tmp_path: Path) -> None:
    ten = class_pixels("coco-stuff-10k", make_coco_stuff_10k, tmp_path / "10k")
    many = class_pixels("coco-stuff-164k", make_coco_stuff_164k, tmp_path / "164k")
    assert ten.tolist() == many.tolist()


def test_context_takes_the_json_where_both_are(tmp_path: Path) -> None:
    root = make_voc_context(tmp_path, TRAIN, VAL)
    make_voc_context(tmp_path / "other", TRAIN, VAL, "json")
    assert found("pascal-context", tmp_path).expected == {"train": 4998, "val": 5105}
    merged = tmp_path / "other/VOCdevkit/VOC2010/trainval_merged.json"
    (root / merged.name).write_bytes(merged.read_bytes())
    assert found("pascal-context", tmp_path).expected == {"train": 4996, "val": 5104}


@pytest.mark.parametrize("beside", [".", "VOCdevkit"])
def test_context_labels_may_lie_beside_the_images(tmp_path: Path, beside: str) -> None:
    root = make_voc_context(tmp_path, TRAIN, VAL)
    (root / "trainval").rename(tmp_path / beside / "trainval")
    source = found("pascal-context", tmp_path)
    assert source.place == (tmp_path / beside).resolve()
    assert len(rows(source, "train")) == TRAIN


def test_coco_keeps_what_is_odd(tmp_path: Path) -> None:
    make_coco(tmp_path, TRAIN, VAL)
    source = found("coco", tmp_path)
    for split in ("train", "val"):
        boxes = [item.target for item in source.splits[split]]
        assert all(isinstance(one, Boxes) for one in boxes)
        found_rows = rows(source, split)
        assert [row.ignored for row in found_rows] == [1, *[0] * (len(boxes) - 1)]
        assert [place for place, row in enumerate(found_rows) if row.labelled == 0] == [EMPTY]
        tiny = found_rows[TINY].columns["objects"]["bbox"]
        assert {(0.4, 0.6), (0, 5)} <= {(box[2], box[3]) for box in tiny}
        assert (found_rows[SMALL].picture.height, found_rows[SMALL].picture.width) == (24, 40)
        right = [box[0] + box[2] for box in found_rows[GREY].columns["objects"]["bbox"]]
        assert max(right) > found_rows[GREY].picture.width
        assert found_rows[CROWD].columns["objects"]["crowd"].count(True) == 1


def test_coco_image_of_another_size_than_the_json_says_is_refused(tmp_path: Path) -> None:
    make_coco(tmp_path, TRAIN, VAL, wrong_size=True)
    source = found("coco", tmp_path)
    with pytest.raises(DataError, match=r"000000000314\.jpg"):
        rows(source, "train")


@pytest.mark.parametrize("form", ["tars", "folders"])
def test_imagenet_classes_follow_the_codes(tmp_path: Path, form: str) -> None:
    make_ilsvrc(tmp_path, 2, 6, classes=3, form=form)  # type: ignore[arg-type]
    source = found("imagenet", tmp_path)
    codes = chosen_codes(3)
    train_ids = {DATASETS["imagenet"].codes.index(code): code for code in codes}
    assert sorted(item.target for item in source.splits["train"]) == sorted([*train_ids] * 2)  # type: ignore[type-var]
    assert sorted(item.target for item in source.splits["val"]) == sorted([*train_ids] * 2)  # type: ignore[type-var]
    for item in (one for items in source.splits.values() for one in items):
        assert isinstance(item.target, int)
        assert item.id.split("/")[0] == train_ids[item.target]
        assert decode_image(item.image.read()).ndim == 3


CASES = [(spec.name, one) for spec in DATASETS.values() for one in spec.impostors]


@pytest.mark.parametrize(("name", "impostor"), CASES, ids=lambda one: getattr(one, "pattern", one))
def test_what_people_take_for_the_set_is_named(
    tmp_path: Path, name: str, impostor: Impostor
) -> None:
    place = tmp_path / "download" / impostor.pattern.replace("*", "x")
    place.mkdir(parents=True)
    with pytest.raises(DataError) as error:
        found(name, tmp_path)
    assert f"holds {impostor.what}; {DATASETS[name].title} needs a folder" in str(error.value)
    assert "\n" not in str(error.value)


def test_real_maps_of_coco_stuff_have_known_values(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "cocostuff164k_sample"
    for split in ("train2017", "val2017"):
        for kind in ("images", "stuffthingmaps"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / split).symlink_to(sample / kind / "train2017")
    read = rows(found("coco-stuff-164k", tmp_path), "train")
    assert len(read) == 13
    assert all(row.labelled > 0 for row in read)


def test_real_boxes_of_coco_are_read(shared: Path) -> None:
    source = found("coco", shared / "data" / "coco_tiny")
    for split, objects in (("train", 705), ("val", 815)):
        read = rows(source, split)
        assert len(read) == 80
        assert sum(row.labelled + row.ignored for row in read) == objects
