"""A prepared set is checked against its card, with the findings of a raw one."""

import json
import shutil
from pathlib import Path

import pytest

from tests.fakes import broken
from tests.fakes.broken import Break
from tests.fakes.pictures import make_custom
from tests.fakes.published import MAKE
from tests.unit.data.checks.conftest import checked, found, only
from topformer_cli.data.card import DatasetCard, prepared_path, read_card
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.quick import quick_check, refuse_damaged
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.run import check
from topformer_cli.data.checks.stored import StoredSet
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.sources.published import KnownRequest, published_source
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError


def stored(request: FolderRequest) -> Path:
    prepare(request)
    return prepared_path(request.cache_dir, request.name)


def check_stored(path: Path) -> CheckReport:
    return check(StoredSet(path, read_card(path)))


def test_a_sound_set_has_a_line_for_every_check(request_: FolderRequest) -> None:
    report = check_stored(stored(request_))
    assert found(report) == {}
    assert (report.name, report.images, len(report.lines)) == ("tiny-set", 8, 9)


@pytest.mark.parametrize(
    "damage",
    [
        broken.all_ignored,
        broken.mostly_ignored,
        broken.absent_class,
        broken.in_two_splits,
        broken.saved_again,
        broken.twice,
        broken.turned,
        broken.wrongly_tagged,
        broken.colours,
    ],
)
def test_finds_what_a_check_before_prepare_finds(request_: FolderRequest, damage: Break) -> None:
    damage(request_)
    settled = {"exif", "mask-colours"}
    before = {kind: what for kind, what in found(checked(request_)).items() if kind not in settled}
    assert found(check_stored(stored(request_))) == before


def test_names_images_by_split_and_id(request_: FolderRequest) -> None:
    broken.in_two_splits(request_)
    report = check_stored(stored(request_))
    said = "val/val_0001 is the same file as train/train_0001; take one of them out"
    assert only(report, "in-two-splits").startswith(said)


def shard(path: Path, split: str) -> Path:
    [found_shard] = (path / split).glob("*.arrow")
    return found_shard


def overwrite(path: Path, signature: bytes, skip: int, new: bytes) -> None:
    data = bytearray(path.read_bytes())
    start = data.index(signature) + skip
    data[start : start + len(new)] = new
    path.write_bytes(data)


def test_finds_a_mask_that_decayed(request_: FolderRequest) -> None:
    path = stored(request_)
    overwrite(shard(path, "val"), b"\x89PNG", 0, bytes(30))
    report = check_stored(path)
    assert found(report) == {"changed": ("wrong", 1), "mask-format": ("wrong", 1)}
    assert only(report, "mask-format").startswith("the mask of val/val_0000 is not a PNG file")


def test_finds_a_change_that_still_decodes(request_: FolderRequest) -> None:
    path = stored(request_)
    overwrite(shard(path, "train"), b"JFIF\0", 11, b"\x00")
    overwrite(shard(path, "train"), b"train_0002", 0, b"train_9992")
    report = check_stored(path)
    assert found(report) == {"changed": ("wrong", 1)}
    assert "is not as prepare wrote it; prepare the set again" in only(report, "changed")


def _remove_shard(path: Path) -> None:
    shard(path, "val").unlink()


def _cut_shard(path: Path) -> None:
    data = shard(path, "val").read_bytes()
    shard(path, "val").write_bytes(data[:-9])


def _lengthen_shard(path: Path) -> None:
    with shard(path, "train").open("ab") as file:
        file.write(b"\0")


def _remove_record(path: Path) -> None:
    shard(path, "train").with_suffix(".json").unlink()


def _remove_state(path: Path) -> None:
    (path / "train" / "state.json").unlink()


def _rename_class(path: Path) -> None:
    card = json.loads((path / "card.json").read_text())
    card["classes"][1] = "street"
    (path / "card.json").write_text(json.dumps(card))


def _exchange_shards(path: Path) -> None:
    """The shards of another set, in which everything agrees with itself."""
    other = stored(make_custom(path.parents[2] / "other", 5, 3, seed=9))
    for split in ("train", "val"):
        shutil.rmtree(path / split)
        shutil.copytree(other / split, path / split)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_remove_shard, "or its record is missing"),
        (_cut_shard, " bytes"),
        (_lengthen_shard, " bytes"),
        (_remove_record, "or its record is missing"),
        (_remove_state, "state.json"),
        (_rename_class, "its shards are not those that the card describes"),
        (_exchange_shards, "its shards are not those that the card describes"),
    ],
)
def test_the_quick_check_refuses_what_is_not_as_recorded(
    request_: FolderRequest, damage: Break, said: str
) -> None:
    path = stored(request_)
    refuse_damaged(path, read_card(path))
    damage(path)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        refuse_damaged(path, read_card(path))
    message = str(caught.value)
    assert said in message
    assert message.endswith("prepare the set again with --force")
    assert "\n" not in message


def test_the_quick_check_notes_what_the_card_says(request_: FolderRequest) -> None:
    broken.absent_class(request_)
    path = stored(request_)
    notes = quick_check(PreparedSet.open(path, request_.cache_dir))
    assert notes == ("val lacks 1 of 3 classes: car",)


@pytest.mark.parametrize("name", DATASETS)
def test_published_sets_before_and_after_prepare(tmp_path: Path, name: str) -> None:
    MAKE[name](tmp_path, 6, 6)
    request = KnownRequest(
        spec=DATASETS[name], folder=tmp_path, cache_dir=tmp_path / "cache", allow_partial=True
    )
    source = published_source(request, [])
    raw = check(RawSet(source, allow_partial=True))
    assert raw.wrong == ()
    assert found(raw)["count"] == ("note", 2)
    assert check(RawSet(source)).wrong[0].check.kind == "count"
    prepare(request)
    path = prepared_path(request.cache_dir, name)
    after = check_stored(path)
    assert after.images == raw.images
    assert found(after) == found(raw) | {"count": ("note", 1)}
    card: DatasetCard = read_card(path)
    refuse_damaged(path, card)
    assert card.partial in quick_check(PreparedSet.open(path, request.cache_dir))
