"""Sets are found, paired and divided as they lie on disk."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from tests.fakes.ade20k import make_ade20k
from tests.fakes.pictures import make_custom
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.sources.custom import FolderRequest, folder_source
from topformer_cli.data.sources.published import KnownRequest, published_source
from topformer_cli.errors import DataError


def ade20k(folder: Path) -> KnownRequest:
    return KnownRequest(spec=DATASETS["ade20k"], folder=folder, cache_dir=Path("cache"))


@pytest.fixture
def request_(tmp_path: Path) -> FolderRequest:
    return make_custom(tmp_path, 4, 2)


def flat(request: FolderRequest, fraction: float, seed: int = 0) -> FolderRequest:
    return dataclasses.replace(
        request,
        images=request.images / "train",
        masks=request.masks / "train",
        val_fraction=fraction,
        seed=seed,
    )


def test_pairs_by_stem_in_order(request_: FolderRequest) -> None:
    source = folder_source(request_)
    assert [pair.id for pair in source.splits["train"]] == [f"train_{n:04d}" for n in range(4)]
    assert [str(item.target.name) for item in source.splits["val"]] == [
        "val_0000.png",
        "val_0001.png",
    ]


def test_pairs_in_subfolders_and_with_unicode_names(request_: FolderRequest) -> None:
    for folder, suffix in ((request_.images, ".jpg"), (request_.masks, ".png")):
        (folder / "train" / "stadt é").mkdir()
        (folder / "train" / f"train_0000{suffix}").rename(folder / f"train/stadt é/a b{suffix}")
    assert "stadt é/a b" in [pair.id for pair in folder_source(request_).splits["train"]]


def test_names_that_are_not_text_are_refused(request_: FolderRequest) -> None:
    for folder, suffix in ((request_.images, ".jpg"), (request_.masks, ".png")):
        name = os.fsdecode(b"\xff" + suffix.encode())
        (folder / f"train/train_0000{suffix}").rename(folder / "train" / name)
    with pytest.raises(DataError, match=r"train/\\xff has a name that is not UTF-8; rename it"):
        folder_source(request_)


def test_names_every_missing_partner(request_: FolderRequest) -> None:
    (request_.masks / "train/train_0001.png").unlink()
    (request_.images / "val/val_0000.jpg").unlink()
    with pytest.raises(DataError) as caught:
        folder_source(request_)
    message = str(caught.value)
    assert "train_0001.jpg has no mask" in message
    assert "val_0000.png has no image" in message
    assert message.startswith("2 problems")


def test_names_two_images_of_one_stem(request_: FolderRequest) -> None:
    shutil.copy(request_.images / "train/train_0001.jpg", request_.images / "train/train_0001.png")
    with pytest.raises(DataError, match=r"same stem as train_0001\.jpg; keep one"):
        folder_source(request_)


def test_explains_masks_that_are_named_otherwise(request_: FolderRequest) -> None:
    for path in (request_.masks / "val").iterdir():
        path.rename(path.with_name(f"{path.stem}_label.png"))
    with pytest.raises(DataError, match="name each mask like its image"):
        folder_source(request_)


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("images", "--images .*: no such folder"),
        ("masks/val", "--masks .* has no folder val; .*--val-fraction"),
    ],
)
def test_names_a_missing_folder(request_: FolderRequest, gone: str, expected: str) -> None:
    shutil.rmtree(request_.images.parent / gone)
    with pytest.raises(DataError, match=expected):
        folder_source(request_)


def test_says_when_a_folder_is_empty(request_: FolderRequest) -> None:
    for path in (request_.masks / "val").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds no masks"):
        folder_source(request_)


def test_divides_a_flat_folder_by_seed(tmp_path: Path) -> None:
    request = flat(make_custom(tmp_path, 20, 1), 0.25)
    splits = folder_source(request).splits
    train, val = ({pair.id for pair in splits[name]} for name in ("train", "val"))
    assert len(val) == 5
    assert len(train) == 15
    assert not train & val
    assert folder_source(request).splits == splits
    assert folder_source(dataclasses.replace(request, seed=1)).splits != splits


def test_a_set_that_is_divided_is_not_divided_anew(request_: FolderRequest) -> None:
    request = dataclasses.replace(request_, val_fraction=0.25)
    with pytest.raises(DataError, match=r"--val-fraction 0\.25: .* holds train and val already"):
        folder_source(request)


def test_an_added_image_moves_at_most_one_other(tmp_path: Path) -> None:
    request = flat(make_custom(tmp_path, 20, 1), 0.25)
    before = {pair.id for pair in folder_source(request).splits["val"]}
    for folder, suffix in ((request.images, ".jpg"), (request.masks, ".png")):
        shutil.copy(folder / f"train_0000{suffix}", folder / f"new{suffix}")
    after = {pair.id for pair in folder_source(request).splits["val"]}
    assert len(before - after) <= 1


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5])
def test_refuses_a_senseless_share(request_: FolderRequest, fraction: float) -> None:
    with pytest.raises(DataError, match="--val-fraction"):
        folder_source(flat(request_, fraction))


@pytest.mark.parametrize("up", [0, 1, 2])
def test_finds_ade20k_in_or_below_a_folder(tmp_path: Path, up: int) -> None:
    root = make_ade20k(tmp_path / "data/ade", 3, 1)
    source = published_source(ade20k([root, *root.parents][up]))
    assert {split: len(pairs) for split, pairs in source.splits.items()} == {"train": 3, "val": 1}
    assert source.place == root.resolve()


def test_recognises_the_full_ade20k_release(tmp_path: Path) -> None:
    (tmp_path / "ADE20K_2021_17_01/images/ADE/training").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds the full ADE20K release; .* ADEChallengeData2016"):
        published_source(ade20k(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absent", "no such folder"),
        (".", "does not hold the set"),
        ("a.zip", "it unpacks to, or type: topformer data fetch ade20k --from"),
    ],
)
def test_says_what_is_needed_elsewhere(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=expected):
        published_source(ade20k(tmp_path / name))
