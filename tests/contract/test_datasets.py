"""Every published data set obeys the same contract."""

from pathlib import Path

import pytest

from topformer_cli.data import datasets
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.labels import published_labels
from topformer_cli.data.spec import IGNORE, DatasetSpec

SPECS = pytest.mark.parametrize("spec", DATASETS.values(), ids=DATASETS)


def test_every_module_is_listed() -> None:
    modules = {path.stem for path in Path(datasets.__path__[0]).glob("*.py")} - {"__init__"}
    listed = {name.replace("-", "_") for name in DATASETS}
    assert modules == listed


@pytest.mark.parametrize("name", DATASETS)
def test_is_listed_under_its_name(name: str) -> None:
    assert DATASETS[name].name == name


@SPECS
def test_classes_and_colours_are_distinct_names_and_rgb(spec: DatasetSpec) -> None:
    assert len(set(spec.classes)) == len(spec.classes) == len(spec.palette)
    assert all(name == name.strip() and name for name in spec.classes)
    assert all(0 <= channel <= 255 for colour in spec.palette for channel in colour)


@SPECS
def test_id_map_reaches_every_class_and_nothing_else(spec: DatasetSpec) -> None:
    labels = published_labels(spec)
    assert len(labels.id_map) == 256
    assert set(labels.id_map) - {IGNORE} == set(range(len(spec.classes)))
    for value in spec.ignore_ids:
        assert labels.id_map[value] == IGNORE


@SPECS
def test_says_what_it_may_be_used_for_and_how_large_it_is(spec: DatasetSpec) -> None:
    assert spec.terms
    assert spec.homepage.startswith("http")
    assert set(spec.counts) == set(spec.layout.splits) == {"train", "val"}
    assert all(count > 0 for count in spec.counts.values())
