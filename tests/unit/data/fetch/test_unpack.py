"""Archives end up below one folder, whole, or not at all."""

import dataclasses
import zipfile
from pathlib import Path

import pytest

from tests.fakes.disk import files_end_at
from tests.fakes.evil_archives import GOOD, MAKERS, Entry, make_tar, make_tar_gz, make_zip
from tests.unit.data.fetch.conftest import Watching
from tests.unit.data.fetch.unpacking import Place, names

MEMBERS = [GOOD, *(Entry(f"set/{number}.bin", data=bytes([number]) * 700) for number in range(9))]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def test_what_macos_leaves_is_left_out(place: Place) -> None:
    litter = [Entry("__MACOSX/set/._good.txt"), Entry("set/.DS_Store"), Entry("set/._good.txt")]
    for kind, make in MAKERS.items():
        assert place.unpack(place.part(make([GOOD, *litter]), f"set.{kind}")) == {
            "set/good.txt": b"good"
        }


def test_the_same_archive_makes_the_same_tree(place: Place) -> None:
    for kind, make in MAKERS.items():
        part = place.part(make([GOOD]), f"set.{kind}")
        place.unpack(part)
        date = (place.tree / "set/good.txt").stat().st_mtime
        assert date == 1467374400
        assert (place.tree / "set/good.txt").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("date", [(1980, 0, 0, 0, 0, 0), (2107, 15, 31, 31, 63, 62)])
def test_a_date_that_is_none(place: Place, date: tuple[int, int, int, int, int, int]) -> None:
    data = bytearray(make_zip([GOOD]))
    stamp = (date[0] - 1980) << 9 | date[1] << 5 | date[2]
    at = data.find(b"PK\x01\x02")
    data[at + 14 : at + 16] = stamp.to_bytes(2, "little")
    assert place.unpack(place.part(bytes(data))) == {"set/good.txt": b"good"}


def test_archives_go_to_their_folders_and_some_are_linked(place: Place) -> None:
    one = place.part(make_zip([GOOD]), "one.zip")
    two = place.part(make_tar_gz([Entry("labels/a.mat")]), "two.tar.gz", folder="set/deeper")
    three = place.part(b"{}", "three.json", folder="set")
    three = dataclasses.replace(three, archive=dataclasses.replace(three.archive, unpack=False))
    assert place.unpack(one, two, three) == {
        "set/good.txt": b"good",
        "set/deeper/labels/a.mat": b"content",
        "set/three.json": b"{}",
    }
    assert (place.tree / "set/three.json").is_symlink()


def test_a_file_of_two_archives_is_told(place: Place) -> None:
    one = place.part(make_zip([GOOD, Entry("README", data=b"1")]), "one.zip")
    two = place.part(make_tar([Entry("README", data=b"2")]), "two.tar")
    watcher = Watching()
    assert place.unpack(one, two, watcher=watcher)["README"] == b"1"
    assert watcher.notes == ["README is in one.zip and in two.tar; the first is kept"]


def test_a_tree_of_the_same_archives_is_left_alone(place: Place) -> None:
    part = place.part(make_zip([GOOD]))
    place.unpack(part)
    inode = (place.tree / "set/good.txt").stat().st_ino
    watcher = Watching()
    place.unpack(part, watcher=watcher)
    assert watcher.steps == []
    assert (place.tree / "set/good.txt").stat().st_ino == inode
    other = place.part(make_zip([Entry("other.txt")]))
    assert place.unpack(other) == {"other.txt": b"content"}


def test_what_a_kill_left_is_removed(place: Place) -> None:
    for name in ("set.partial", "set.removed", "set.partial.removed"):
        (place.root / "raw" / name / "half").mkdir(parents=True)
    assert place.unpack(place.part(make_zip([GOOD]))) == {"set/good.txt": b"good"}
    assert names(place.root / "raw") == ["secret.txt", "set"]


def test_names_of_any_alphabet(place: Place) -> None:
    wanted = {"Straße ünd/größe 1.txt", "データ/二.txt", "emoji 🙂.txt"}
    for kind, make in MAKERS.items():
        assert (
            place.unpack(place.part(make([Entry(n) for n in wanted]), f"s.{kind}")).keys() == wanted
        )


def test_a_full_disk_leaves_the_archive_and_no_half_tree(place: Place) -> None:
    part = place.part(make_zip([GOOD, Entry("big.bin", data=bytes(500_000))], zipfile.ZIP_DEFLATED))
    with files_end_at(100_000):
        message = place.refuse(part)
    assert "set.partial/big.bin: File too large" in message
    assert "--cache-dir" in message
    assert len(place.unpack(part)) == 2


def test_progress_goes_to_the_end_of_the_archives(place: Place) -> None:
    seen: list[tuple[int, int]] = []
    watcher = Watching(lambda _, done, total: seen.append((done, total)))
    one = place.part(make_zip(MEMBERS), "one.zip")
    two = place.part(make_tar([Entry(f"tar/{n}", data=bytes(5000)) for n in range(9)]), "two.tar")
    place.unpack(one, two, watcher=watcher)
    done = [one for one, _ in seen]
    assert done == sorted(done)
    assert {total for _, total in seen} == {sum(p.path.stat().st_size for p in (one, two))}
    assert done[-1] <= seen[-1][1]
