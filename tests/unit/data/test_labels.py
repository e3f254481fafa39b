"""Class lists and id maps."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.labels import (
    ClassLine,
    custom_labels,
    published_labels,
    read_classes,
)
from topformer_cli.data.spec import IGNORE, Coding, generated_colour, shifted_map
from topformer_cli.errors import DataError


def test_reads_a_comma_list() -> None:
    assert read_classes("sky, road,car") == (ClassLine("sky"), ClassLine("road"), ClassLine("car"))


def test_reads_a_file_with_and_without_colours(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("sky\n\nside walk, 1, 2, 3\n", encoding="utf-8-sig")
    assert read_classes(str(path)) == (ClassLine("sky"), ClassLine("side walk", (1, 2, 3)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "empty"),
        ("sky\nroad\nsky\n", "'sky' occurs 2 times"),
        ("sky,1,2,3\nroad,1,2,3\n", "(1, 2, 3) occurs 2 times"),
        ("sky,1,2\n", ":1: 'sky,1,2' is neither"),
        ("sky\nroad,1,2,300\n", ":2: 'road,1,2,300': a colour"),
        ("sky\n,1,2,3\n", ":2: ',1,2,3' is neither"),
        ("\n".join(map(str, range(256))), "256 classes"),
    ],
)
def test_refuses_a_wrong_file(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_classes(str(path))
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_refuses_an_empty_list_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--classes: the class list is empty"):
        read_classes(" , ")
    with pytest.raises(DataError, match="no class file"):
        read_classes(str(tmp_path / "absent.txt"))


def test_refuses_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a text file"):
        read_classes(str(path))


def test_an_ignored_value_outside_the_list_moves_no_class() -> None:
    labels = custom_labels(read_classes("a,b,c"), ignore=(11,))
    assert labels.id_map[:3] == (0, 1, 2)
    assert labels.id_map[11] == 255
    assert labels.known == {0, 1, 2, 11, 255}


def test_an_ignored_value_inside_the_list_takes_its_name_off() -> None:
    labels = custom_labels(read_classes("void,a,b"), ignore=(0,))
    assert labels.classes == ("a", "b")
    assert labels.id_map[:3] == (255, 0, 1)


@pytest.mark.parametrize("ignore", [(-1,), (256,), (0, 1, 2)])
def test_refuses_ignored_values_that_leave_nothing_or_are_no_bytes(ignore: tuple[int, ...]) -> None:
    with pytest.raises(DataError):
        custom_labels(read_classes("a,b,c"), ignore)


@given(count=st.integers(1, 254), ignore=st.sets(st.integers(0, 255), max_size=6))
def test_every_known_value_has_a_class_or_is_ignored(count: int, ignore: set[int]) -> None:
    lines = tuple(ClassLine(f"c{n}") for n in range(count))
    if set(range(count)) <= ignore:
        return
    labels = custom_labels(lines, tuple(ignore))
    for value in range(256):
        train_id = labels.id_map[value]
        if value < count and value not in ignore:
            assert labels.classes[train_id] == f"c{value}"
        else:
            assert train_id == 255
    assert labels.known == set(range(count)) | ignore | {255}


def test_ade20k_drops_its_zero() -> None:
    spec = DATASETS["ade20k"]
    labels = published_labels(spec, Coding(shifted_map(150), ignored=(0, IGNORE)))
    assert labels.id_map[0] == 255
    assert [labels.id_map[value] for value in (1, 2, 150, 151, 255)] == [0, 1, 149, 255, 255]
    assert labels.classes[0] == "wall"
    assert labels.classes[149] == "flag"
    assert 151 not in labels.known


def test_ade20k_matches_the_list_that_comes_with_the_data(shared: Path) -> None:
    lines = (shared / "data/ade20k_sample/objectInfo150.txt").read_text().splitlines()[1:]
    first_names = [line.split("\t")[4].split(",")[0].strip() for line in lines]
    differing = {
        (ours, theirs)
        for ours, theirs in zip(DATASETS["ade20k"].classes, first_names, strict=True)
        if ours != theirs
    }
    assert differing == {("television receiver", "television")}


def test_generated_colours_follow_the_bit_rule() -> None:
    assert [generated_colour(n) for n in range(4)] == [
        (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128),
    ]  # fmt: skip
    assert len({generated_colour(n) for n in range(254)}) == 254
