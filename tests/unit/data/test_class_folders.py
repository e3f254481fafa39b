"""Sets of one's own with a folder of pictures a class: what is taken, and what is refused."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.class_folders import make_class_folders
from topformer_cli.data.sources.class_folders import ClassRequest, class_source, divided_by_class
from topformer_cli.data.sources.source import Blob, Item, Source
from topformer_cli.errors import DataError

Change = Callable[[Path], object]


@pytest.fixture
def flat(tmp_path: Path) -> ClassRequest:
    return make_class_folders(tmp_path, {"tulip": 5, "rose": 10, "Aster": 1}, 0.2)


@pytest.fixture
def parted(tmp_path: Path) -> ClassRequest:
    return make_class_folders(
        tmp_path, {"train/rose": 3, "train/tulip": 2, "val/rose": 1, "val/tulip": 1}
    )


def by_class(source: Source, split: str) -> dict[str, int]:
    names = source.reading.labels.classes
    return dict(Counter(names[item.target] for item in source.splits[split]))  # type: ignore[index]


def refusal(request: ClassRequest) -> str:
    with pytest.raises(DataError) as caught:
        class_source(request)
    return str(caught.value)


def test_each_class_keeps_its_share(flat: ClassRequest) -> None:
    source = class_source(flat)
    assert source.reading.task == "classification"
    assert source.reading.labels.classes == ("Aster", "rose", "tulip")
    assert by_class(source, "train") == {"Aster": 1, "rose": 8, "tulip": 4}
    assert by_class(source, "val") == {"rose": 2, "tulip": 1}
    assert all(item.image.path.is_file() for items in source.splits.values() for item in items)


def test_an_added_picture_moves_no_other_one(flat: ClassRequest) -> None:
    before = {item.id for item in class_source(flat).splits["val"]}
    (flat.images / "rose/777.jpg").write_bytes((flat.images / "rose/001.jpg").read_bytes())
    after = {item.id for item in class_source(flat).splits["val"]}
    assert len(after) == len(before)
    assert after - before <= {"rose/777.jpg"}


@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=6), fraction=st.floats(0.01, 0.99))
def test_the_parts_are_the_whole(counts: list[int], fraction: float) -> None:
    items = [
        Item(f"{label}/{number}", Blob(Path("x")), label)
        for label, count in enumerate(counts)
        for number in range(count)
    ]
    if max(counts) < 2:
        with pytest.raises(DataError, match="no class has two pictures"):
            divided_by_class(items, fraction, 0)
        return
    parts = divided_by_class(items, fraction, 0)
    assert sorted(one.id for part in parts.values() for one in part) == sorted(i.id for i in items)
    for label, count in enumerate(counts):
        held = sum(item.target == label for item in parts["val"])
        assert held == (min(max(round(count * fraction), 1), count - 1) if count > 1 else 0)


def test_parts_on_the_disk_are_kept(parted: ClassRequest) -> None:
    source = class_source(parted)
    assert by_class(source, "train") == {"rose": 3, "tulip": 2}
    assert by_class(source, "val") == {"rose": 1, "tulip": 1}
    assert source.splits["val"][0].id == "rose/000.jpg"
    divided = class_source(
        dataclasses.replace(parted, images=parted.images / "train", val_fraction=0.5)
    )
    assert by_class(divided, "val") == {"rose": 2, "tulip": 1}


def test_classes_give_the_order_and_may_have_commas(flat: ClassRequest, tmp_path: Path) -> None:
    (flat.images / "Aster").rename(flat.images / "Aster, wild é")
    path = tmp_path / "order.txt"
    path.write_text("tulip\nrose,250,0,10\n\nAster, wild é\n")
    labels = class_source(dataclasses.replace(flat, classes=str(path))).reading.labels
    assert labels.classes == ("tulip", "rose", "Aster, wild é")
    assert labels.palette[1] == (250, 0, 10)
    path.write_text("rose\ntulip\n")
    message = refusal(dataclasses.replace(flat, classes=str(path)))
    assert "Aster, wild é is named like no class of --classes; add it to the list" in message
    assert "rose/000" not in message
    many = ",".join(f"class{number}" for number in range(300))
    assert "named like no class" in refusal(dataclasses.replace(flat, classes=many))


def test_folders_inside_a_class_and_links_belong_to_it(flat: ClassRequest, tmp_path: Path) -> None:
    (flat.images / "rose/2019").mkdir()
    (flat.images / "rose/000.jpg").rename(flat.images / "rose/2019/a b.JPEG")
    (flat.images / "tulip").rename(tmp_path / "elsewhere")
    (flat.images / "tulip").symlink_to(tmp_path / "elsewhere")
    (flat.images / "rose/back").symlink_to(flat.images)
    (flat.images / "rose/.hidden.jpg").write_bytes(b"")
    items = [item for part in class_source(flat).splits.values() for item in part]
    assert len(items) == 16
    assert "rose/2019/a b.JPEG" in {item.id for item in items}


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: _remove(root / "train/rose"), "train/rose holds no picture (.bmp, .jpeg"),
        (
            lambda root: (root / "train/rose").rename(root / "train/lily"),
            "train/rose is missing, though val has the class; add its pictures, or take the c",
        ),
        (
            lambda root: (root / "val/rose").rename(root / "val/Rose "),
            "val/Rose  differs from ",
        ),
        (
            lambda root: (root / "val/rose").rename(root / "val" / os.fsdecode(b"r\xffse")),
            r"val/r\xffse has a name that is not UTF-8; rename it",
        ),
        (
            lambda root: (root / "val/rose/000.jpg").rename(
                root / "val/rose" / os.fsdecode(b"\xe9.jpg")
            ),
            r"val/rose/\xe9.jpg has a name that is not UTF-8; rename it",
        ),
    ],
)
def test_faulty_folders_are_named(parted: ClassRequest, change: Change, said: str) -> None:
    change(parted.images)
    assert said in refusal(parted)


def test_what_is_left_out_is_noted_not_refused(parted: ClassRequest) -> None:
    (parted.images / "train/stray.png").write_bytes(b"x")
    (parted.images / "train/rose/notes.txt").write_text("x")
    (parted.images / "val/rose/a.HEIC").write_text("x")
    (parted.images / "test/rose").mkdir(parents=True)
    source = class_source(parted)
    assert sum(map(len, source.splits.values())) == 7
    for said in (
        "train holds pictures in no class's folder, which are left out: 1, the first stray.png",
        "train holds files that are no pictures by name, which are left out: 1, the first rose/not",
        "val holds files that are no pictures by name, which are left out: 1, the first rose/a.HE",
        "pictures holds folders beside train and val, which are left out: 1, the first test; move",
    ):
        assert sum(said in note for note in source.notes) == 1
    assert len(source.notes) == 4


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({".": 2}, "holds pictures and no folders, so nothing says what is on them; put them in"),
        ({"train": 2, "val": 1}, "pictures/train holds pictures and no folders, so nothing says"),
        (
            {"images": 2, "masks": 2},
            "holds images and masks, which are no classes; masks take --im",
        ),
        (
            {"train/images": 2, "val/images": 1, "train/labels": 1, "val/labels": 1},
            "are no classes",
        ),
        ({"train/rose": 2, "train/tulip": 1}, "holds train: the parts of a set are called train"),
        (
            {"train/rose": 2, "valid/rose": 1},
            "holds train and valid: the parts of a set are called",
        ),
        ({"Train/rose": 2, "Test/rose": 1}, "--images {root}/Test --val-fraction 0.2"),
        ({"train2017": 2, "val2017": 1}, "holds train2017 and val2017: the parts of a set"),
        (
            {"rose/train": 2, "rose/val": 1, "tulip": 1},
            "put the parts above the classes: train/rose",
        ),
        ({"rose": 3}, "'rose' is the only class, and there is nothing to tell it from; add one"),
        (
            {"raw/rose": 3, "raw/tulip": 3},
            "if its folders are the classes, give --images {root}/raw",
        ),
        ({"rose": 0, "tulip": 3}, "rose holds no picture"),
    ],
)
def test_what_may_be_meant_otherwise_is_not_guessed(
    tmp_path: Path, folders: dict[str, int], said: str
) -> None:
    request = make_class_folders(tmp_path, folders, 0.5)
    if {"train", "val"} <= {path.name for path in request.images.iterdir()}:
        request = dataclasses.replace(request, val_fraction=None)
    assert said.format(root=request.images) in refusal(request)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"train": 4, "bus": 4}, 0.5)
    assert class_source(request).reading.labels.classes == ("bus", "train")


def test_one_division_is_asked_for(flat: ClassRequest, parted: ClassRequest) -> None:
    undivided = dataclasses.replace(flat, images=parted.images / "train", val_fraction=None)
    assert "add --val-fraction 0.2 to divide each class" in refusal(undivided)
    faults: list[object] = []
    assert [*class_source(undivided, faults).splits] == ["train"]  # type: ignore[arg-type]
    assert faults == []
    twice = dataclasses.replace(parted, val_fraction=0.2)
    assert "holds train and val already; leave it out" in refusal(twice)
    alone = dataclasses.replace(flat, images=parted.images / "val")
    assert "no class has two pictures to divide" in refusal(alone)
