"""Every published data set obeys the same contract."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from topformer_cli.data import datasets
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.datasets import coco, coco_stuff, pascal_context
from topformer_cli.data.labels import published_labels
from topformer_cli.data.spec import (
    IGNORE,
    SPLITS,
    Archive,
    BoxLayout,
    ClassFolderLayout,
    Coding,
    DatasetSpec,
    DetailLayout,
    IlsvrcLayout,
    Layout,
    PairLayout,
)

SPECS = pytest.mark.parametrize("spec", DATASETS.values(), ids=DATASETS)
ARCHIVES = [one for spec in DATASETS.values() for one in (*spec.archives, *spec.also)]
HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}
CLASSES = {
    "ade20k": 150,
    "pascal-context": 60,
    "pascal-context-59": 59,
    "coco-stuff-10k": 171,
    "coco-stuff-164k": 171,
    "coco": 80,
    "imagenet": 1000,
}
IMAGES = {
    "ade20k": (20210, 2000),
    "pascal-context": (4998, 5105),
    "pascal-context-59": (4998, 5105),
    "coco-stuff-10k": (9000, 1000),
    "coco-stuff-164k": (118287, 5000),
    "coco": (118287, 5000),
    "imagenet": (1281167, 50000),
}


def written() -> Iterator[DatasetSpec]:
    for info in pkgutil.iter_modules(datasets.__path__, f"{datasets.__name__}."):
        values = vars(importlib.import_module(info.name)).values()
        yield from (one for one in values if isinstance(one, DatasetSpec))


def codings(spec: DatasetSpec) -> list[Coding]:
    return [one.coding for one in spec.layouts if isinstance(one, PairLayout | DetailLayout)]


def paths(layout: Layout) -> dict[str, list[str]]:
    """The places in the tree that a layout reads, by split."""
    match layout:
        case PairLayout():
            return {
                split: [one.images, one.masks, *([one.ids] if one.ids else [])]
                for split, one in layout.splits.items()
            }
        case DetailLayout():
            return {split: [layout.images, layout.annotations] for split in SPLITS}
        case BoxLayout():
            assert layout.images.keys() == layout.annotations.keys()
            return {split: [one, layout.annotations[split]] for split, one in layout.images.items()}
        case IlsvrcLayout():
            return {"train": [layout.train, layout.devkit], "val": [layout.val, layout.devkit]}
        case ClassFolderLayout():
            return {split: [one] for split, one in layout.splits.items()}


def test_every_set_is_listed() -> None:
    assert list(DATASETS) == [spec.name for spec in DATASETS.values()]
    assert sorted(spec.name for spec in written()) == sorted(DATASETS)


@SPECS
def test_name_is_kebab_case(spec: DatasetSpec) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", spec.name)


@SPECS
def test_classes_and_colours_are_distinct_names_and_rgb(spec: DatasetSpec) -> None:
    assert len(set(spec.classes)) == len(spec.classes) == len(spec.palette) == CLASSES[spec.name]
    assert all(name == name.strip() and name for name in spec.classes)
    assert all(0 <= channel <= 255 for colour in spec.palette for channel in colour)


@SPECS
def test_codes_name_the_classes_of_sets_without_masks(spec: DatasetSpec) -> None:
    if spec.task == "segmentation":
        assert spec.codes == ()
    else:
        assert len(set(spec.codes)) == len(spec.codes) == len(spec.classes)


@SPECS
def test_every_coding_reaches_every_class_and_nothing_else(spec: DatasetSpec) -> None:
    assert bool(codings(spec)) == (spec.task == "segmentation")
    for coding in codings(spec):
        labels = published_labels(spec, coding)
        assert len(labels.id_map) == 256
        assert sorted(set(labels.id_map) - {IGNORE}) == [*range(len(spec.classes))]
        assert sum(train_id != IGNORE for train_id in labels.id_map) == len(spec.classes)
        assert all(labels.id_map[value] == IGNORE for value in coding.ignored)
        assert IGNORE in labels.known


@SPECS
def test_layouts_lie_in_the_tree_and_have_both_splits(spec: DatasetSpec) -> None:
    assert 0 <= spec.fetched < len(spec.layouts) == len(set(map(repr, spec.layouts)))
    for layout in spec.layouts:
        assert tuple(paths(layout)) == SPLITS
        assert paths(layout)["train"] != paths(layout)["val"] or isinstance(layout, DetailLayout)
        for path in (one for split in paths(layout).values() for one in split):
            assert path
            assert ".." not in PurePosixPath(path).parts
            assert not PurePosixPath(path).is_absolute()


@SPECS
def test_says_what_it_may_be_used_for_and_how_large_it_is(spec: DatasetSpec) -> None:
    assert spec.title
    assert spec.terms
    assert spec.homepage.startswith("http")
    assert "\n" not in spec.title + spec.terms
    assert tuple(spec.counts[split] for split in SPLITS) == IMAGES[spec.name]
    for layout in spec.layouts:
        if layout.counts is not None:
            assert set(layout.counts) == set(SPLITS)
            assert all(0 < layout.counts[split] <= spec.counts[split] for split in SPLITS)


@SPECS
def test_archives_have_names_of_their_own(spec: DatasetSpec) -> None:
    names = [one.name for one in (*spec.archives, *spec.also)]
    assert spec.archives
    assert len(set(names)) == len(names)
    folders = [PurePosixPath(one.folder) for one in (*spec.archives, *spec.also)]
    assert all(not one.is_absolute() and ".." not in one.parts for one in folders)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda one: one.name)
def test_archive_can_be_fetched_and_verified(archive: Archive) -> None:
    assert archive.name == PurePosixPath(archive.name).name
    assert len(set(archive.urls)) == len(archive.urls)
    for url in archive.urls:
        assert re.fullmatch(r"https?://[^\s/]+/\S+", url)
        assert url.endswith(archive.name)
    for algorithm, digest in archive.checksums.items():
        assert re.fullmatch(rf"[0-9a-f]{{{HEX_DIGITS[algorithm]}}}", digest)
    known = [size for size in (archive.size, archive.about) if size is not None]
    assert len(known) <= 1
    assert all(size >= 1_000_000 for size in known)
    assert not archive.unpack or archive.unpacked > max(known)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda one: one.name)
def test_sets_that_share_an_archive_agree_on_it(archive: Archive) -> None:
    assert all(one == archive for one in ARCHIVES if one.name == archive.name)


def test_context_ids_are_in_the_order_of_the_names() -> None:
    ids, classes = pascal_context.IDS_OF_459, pascal_context.CLASSES
    assert all(before < after for before, after in pairwise(ids))
    assert all(before < after for before, after in pairwise(classes[1:]))
    assert (ids[0], classes[0]) == (0, "background")
    values = pascal_context.VALUES_OF_459
    assert len(values) == 460
    assert [values[one] for one in ids] == [*range(60)]
    assert all(values[one] == 0 for one in set(range(460)) - set(ids))


def test_context_of_59_is_that_of_60_without_background() -> None:
    full, reduced = DATASETS["pascal-context"], DATASETS["pascal-context-59"]
    assert reduced.classes == full.classes[1:]
    assert reduced.palette == full.palette[1:]
    assert (reduced.archives, reduced.also) == (full.archives, full.also)
    for whole, part in zip(codings(full), codings(reduced), strict=True):
        assert part.id_map[0] == IGNORE
        assert 0 in part.ignored
        assert all(part.id_map[v] == whole.id_map[v] - 1 for v in range(1, 60))
        assert part.id_map[60:] == whole.id_map[60:]


def test_stuff_of_164k_is_that_of_10k_less_one() -> None:
    ten, many = (DATASETS[f"coco-stuff-{name}"] for name in ("10k", "164k"))
    raw_10k, raw_164k = codings(ten)[0].id_map, codings(many)[0].id_map
    assert raw_10k[1:] == raw_164k[:-1]
    assert raw_10k[0] == raw_164k[-1] == IGNORE
    assert (ten.classes, ten.palette) == (many.classes, many.palette)
    assert [v for v in range(183) if raw_10k[v] == IGNORE] == [0, *coco_stuff.NEVER_DRAWN]


def test_converted_stuff_has_the_train_ids() -> None:
    ten, many = (codings(DATASETS[f"coco-stuff-{name}"])[-1] for name in ("10k", "164k"))
    assert ten.id_map == (IGNORE, *many.id_map[:-1])
    assert many.id_map[:171] == tuple(range(171))


def test_things_of_coco_stuff_are_the_classes_of_coco() -> None:
    assert DATASETS["coco-stuff-164k"].classes[:80] == DATASETS["coco"].classes
    assert coco_stuff.IDS[:80] == coco.CATEGORIES
    assert DATASETS["coco"].codes == tuple(str(value) for value in coco.CATEGORIES)


def test_imagenet_is_in_the_order_of_its_codes() -> None:
    spec = DATASETS["imagenet"]
    assert list(spec.codes) == sorted(spec.codes)
    assert all(re.fullmatch(r"n\d{8}", code) for code in spec.codes)
    known = {0: "tench", 1: "goldfish", 207: "Golden Retriever", 281: "tabby cat", 954: "banana"}
    assert {index: spec.classes[index] for index in known} == known
    assert spec.codes[0] == "n01440764"
    assert spec.codes[-1] == "n15075141"


@pytest.mark.parametrize("archive", DATASETS["imagenet"].archives, ids=lambda one: one.name)
def test_imagenet_is_never_downloaded_nor_unpacked(archive: Archive) -> None:
    assert archive.urls == ()
    assert not archive.unpack


@pytest.fixture(scope="module")
def facts(shared: Path) -> dict[str, Any]:
    """Class lists, palettes and id maps as they were collected from the authors' files."""
    content: dict[str, Any] = json.loads((shared / "facts" / "classes.json").read_text())
    return content


def colours(spec: DatasetSpec) -> list[list[int]]:
    return [list(colour) for colour in spec.palette]


def test_ade20k_against_the_facts(facts: dict[str, Any]) -> None:
    spec, known = DATASETS["ade20k"], facts["ade20k"]
    assert list(spec.classes) == known["classes"]
    assert colours(spec) == known["palette"]


def test_context_against_the_facts(facts: dict[str, Any]) -> None:
    spec, known = DATASETS["pascal-context"], facts["pascal_context"]
    assert list(spec.classes) == known["classes60"]
    assert colours(spec) == known["palette60"]
    assert list(pascal_context.IDS_OF_459) == known["ids459"]


@pytest.mark.parametrize(("name", "key"), [("10k", "map10k"), ("164k", "map164k")])
def test_coco_stuff_against_the_facts(facts: dict[str, Any], name: str, key: str) -> None:
    """The facts' maps give what mmsegmentation stores: of the 10k set the train ids plus one."""
    spec, known = DATASETS[f"coco-stuff-{name}"], facts["coco_stuff"]
    assert list(spec.classes) == known["classes171"]
    assert colours(spec) == known["palette171"]
    raw, stored = (codings(spec)[index].id_map for index in (0, -1))
    for value, converted in known[key].items():
        assert raw[int(value)] == stored[converted], value
    assert {str(v) for v in range(256) if raw[v] != IGNORE} <= set(known[key])


def test_coco_stuff_names_against_the_facts(facts: dict[str, Any]) -> None:
    names = facts["coco_stuff"]["labels183"]
    for train_id, value in enumerate(coco_stuff.IDS):
        assert coco_stuff.CLASSES[train_id] == names[str(value)]


def test_coco_against_the_facts(facts: dict[str, Any]) -> None:
    rows = facts["coco80"]
    assert list(DATASETS["coco"].classes) == [name for _, name, _ in rows]
    assert list(DATASETS["coco"].codes) == [str(value) for value, _, _ in rows]
