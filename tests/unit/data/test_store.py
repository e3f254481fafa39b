"""Prepared sets open everywhere, and say what is wrong when they do not."""

import os
import pickle
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.pictures import make_custom
from topformer_cli.data import convert
from topformer_cli.data.card import DatasetCard, LabelFacts, SplitCard, prepared_path, read_card
from topformer_cli.data.prepare import prepare
from topformer_cli.data.spec import identity_map
from topformer_cli.data.store import PreparedSet, prepared_names
from topformer_cli.errors import DataError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    request = make_custom(tmp_path_factory.mktemp("store"), 5, 2)
    prepare(request)
    return request.cache_dir


def test_opens_by_name_and_by_path(cache: Path) -> None:
    by_name = PreparedSet.open("tiny-set", cache)
    by_path = PreparedSet.open(prepared_path(cache, "tiny-set"), Path("elsewhere"))
    assert by_name.sample("val", 1) == by_path.sample("val", 1)
    assert by_name.length("train") == 5
    assert by_name.find("train", "train_0003") == 3
    assert prepared_names(cache) == ["tiny-set"]


def test_travels_to_another_process(cache: Path) -> None:
    prepared = PreparedSet.open("tiny-set", cache)
    copy = pickle.loads(pickle.dumps(prepared))
    assert copy.sample("train", 4) == prepared.sample("train", 4)


def test_refuses_what_is_not_there(cache: Path) -> None:
    prepared = PreparedSet.open("tiny-set", cache)
    with pytest.raises(IndexError):
        prepared.sample("train", 5)
    with pytest.raises(DataError, match="has no split 'test'; it has train, val"):
        prepared.length("test")
    with pytest.raises(DataError, match="no image 'nobody'"):
        prepared.find("val", "nobody")


def test_names_the_command_that_prepares_a_missing_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="topformer data prepare ade20k --source FOLDER"):
        PreparedSet.open("ade20k", tmp_path)
    with pytest.raises(DataError, match="topformer data prepare mine --images FOLDER"):
        PreparedSet.open("mine", tmp_path)
    with pytest.raises(DataError, match=r"^sets/mine is not a prepared set: there is no card"):
        PreparedSet.open("sets/mine", tmp_path)


@pytest.mark.parametrize(
    ("pattern", "content"),
    [
        ("train/*.arrow", b""),
        ("train/*.arrow", None),
        ("val/state.json", b"{"),
        ("val/state.json", b'{"_data_files": []}'),
        ("card.json", b"{}"),
        ("card.json", b"not json"),
    ],
)
def test_refuses_a_damaged_set(tmp_path: Path, pattern: str, content: bytes | None) -> None:
    request = make_custom(tmp_path, 5, 2)
    prepare(request)
    (path,) = prepared_path(request.cache_dir, request.name).glob(pattern)
    path.write_bytes(path.read_bytes()[:-2000] if content is None else content)
    with pytest.raises(DataError, match="damaged"):
        PreparedSet.open(request.name, request.cache_dir)


def test_names_a_shard_that_is_damaged_inside(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 5, 2)
    prepare(request)
    (path,) = prepared_path(request.cache_dir, request.name).glob("train/*.arrow")
    path.write_bytes(bytes(path.stat().st_size))
    prepared = PreparedSet.open(request.name, request.cache_dir)
    assert prepared.sample("val", 0).id == "val_0000"
    with pytest.raises(DataError, match=rf"{path.name} cannot be read .* --force"):
        prepared.sample("train", 0)


def test_many_shards_need_no_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "SHARD_ROWS", 1)
    request = make_custom(tmp_path, 30, 2)
    prepare(request)
    prepared = PreparedSet.open(request.name, request.cache_dir)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, hard))
    try:
        assert len({prepared.sample("train", index).image for index in range(30)}) == 30
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


names = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=20, unique=True)


@given(names=names, pixels=st.integers(0, 2**40), terms=st.text(max_size=40))
def test_cards_survive_being_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], pixels: int, terms: str
) -> None:
    classes = len(names)
    labels = LabelFacts(counts=(pixels,) * classes, images=(3,) * classes, ignored=0, empty=0)
    sizes = dict.fromkeys(("smallest", "median", "largest"), (3, 4))
    card = DatasetCard(
        name="x",
        title="X",
        task="segmentation",
        classes=tuple(names),
        palette=tuple((n, 2 * n, 255 - n) for n in range(classes)),
        codes=(),
        id_map=identity_map(classes),
        splits={
            "train": SplitCard(images=3, pixels=36, labels=labels, **sizes),
            "val": SplitCard(images=1, pixels=12, labels=labels, **sizes),
        },
        expected={"train": 4},
        terms=terms,
        homepage="",
        source="",
        source_fingerprint="0",
        fingerprint="1",
        warnings=(),
    )
    folder = tmp_path_factory.mktemp("card")
    (folder / "card.json").write_text(card.to_text(), encoding="utf-8")
    assert read_card(folder) == card
    assert card.partial == "partial: train 3 of 4"
    assert sum(card.class_shares("train")) == pytest.approx(1.0 if pixels else 0.0)
