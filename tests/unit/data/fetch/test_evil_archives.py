"""Archives with members that no data set has: nothing of them is unpacked."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.evil_archives import (
    GOOD,
    MAKERS,
    Entry,
    encrypted,
    huge_header,
    make_tar,
    make_zip,
    negative_size,
    understated,
)
from tests.unit.data.fetch.unpacking import LIMIT, Place, names
from topformer_cli.data.fetch import tree
from topformer_cli.errors import DataError


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


def evil(kind: str, *entries: Entry) -> bytes:
    return MAKERS[kind]([GOOD, *entries])


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil", "would be written out of the tree"),
        ("set/../../evil", "would be written out of the tree"),
        ("..", "would be written out of the tree"),
        ("set/..", "would be written out of the tree"),
        ("/tmp/evil", "has an absolute name"),
        ("//host/evil", "has an absolute name"),
        ("C:/evil", "has an absolute name"),
        ("c:evil", "has an absolute name"),
        ("..\\evil", "has a backslash"),
        ("set\\evil", "has a backslash"),
        ("n" * 256, "has a name of more than 255 bytes"),
        ("ü" * 128, "has a name of more than 255 bytes"),
        (".", "has no name"),
    ],
)
def test_names_that_leave_the_tree(place: Place, kind: str, name: str, said: str) -> None:
    message = place.refuse(place.part(evil(kind, Entry(name)), f"set.{kind}"))
    assert said in message
    assert f"member {name[:200]!r}"[:-1] in message


LINKS = (
    ("/etc/passwd", "out of the tree"),
    ("../secret.txt", "out of the tree"),
    ("../../raw/secret.txt", "out of the tree"),
    ("inside/../../../secret.txt", "out of the tree"),
    ("", "out of the tree"),
)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(("target", "said"), LINKS)
def test_links_that_leave_the_tree(place: Place, kind: str, target: str, said: str) -> None:
    link = Entry("link", "symlink", target=target)
    assert said in place.refuse(place.part(evil(kind, link), f"set.{kind}"))


@pytest.mark.parametrize("kind", MAKERS)
def test_links_that_leave_the_tree_over_other_links(place: Place, kind: str) -> None:
    links = [
        Entry("set/here", "symlink", target=".."),
        Entry("out", "symlink", target="set/here/../secret.txt"),
    ]
    for order in (links, links[::-1]):
        message = place.refuse(place.part(evil(kind, *order), f"set.{kind}"))
        assert "out of the tree" in message


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_written_through_a_link(place: Place, kind: str) -> None:
    entries = [Entry("link", "symlink", target="../.."), Entry("link/evil")]
    message = place.refuse(place.part(evil(kind, *entries), f"set.{kind}"))
    assert "link" in message
    folder = [Entry("link", "symlink", target="set"), Entry("link/evil")]
    assert "collides" in place.refuse(place.part(evil(kind, *folder), f"set.{kind}"))


def test_nothing_is_written_through_a_link_of_another_archive(place: Place) -> None:
    one = place.part(evil("zip", Entry("link", "symlink", target="set")), "one.zip")
    two = place.part(evil("tar", Entry("link/evil")), "two.tar")
    assert "needs the folder 'link', which is a file" in place.refuse(one, two)


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret.txt", "absent", "link", "set"])
def test_hard_links_to_what_is_no_member(place: Place, kind: str, target: str) -> None:
    link = Entry("link", "hardlink", target=target)
    assert "member 'link'" in place.refuse(place.part(evil(kind, link), f"set.{kind}"))


def test_a_hard_link_to_a_symlink_is_refused(place: Place) -> None:
    links = [
        Entry("a", "symlink", target="set/good.txt"),
        Entry("b", "hardlink", target="a"),
    ]
    assert "which is no member" in place.refuse(place.part(evil("tar", *links), "set.tar"))


@pytest.mark.parametrize("kind", MAKERS)
def test_links_inside_the_tree_are_made(place: Place, kind: str) -> None:
    entries = [
        Entry("set/near.txt", "symlink", target="good.txt"),
        Entry("deep/far.txt", "symlink", target="../set/good.txt"),
    ]
    if kind != "zip":
        entries.append(Entry("hard.txt", "hardlink", target="set/good.txt"))
    found = place.unpack(place.part(evil(kind, *entries), f"set.{kind}"))
    assert set(found.values()) == {b"good"}
    assert len(found) == len(entries) + 1


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("what", ["character device", "block device", "pipe"])
def test_devices_and_pipes(place: Place, kind: str, what: str) -> None:
    message = place.refuse(place.part(evil(kind, Entry("dev", what)), f"set.{kind}"))
    assert "member 'dev' is a device, a pipe or a socket" in message


def test_members_of_no_known_kind(place: Place) -> None:
    message = place.refuse(place.part(evil("tar", Entry("odd", "unknown")), "set.tar"))
    assert "member 'odd'" in message


def test_encrypted_members(place: Place) -> None:
    message = place.refuse(place.part(encrypted(make_zip([GOOD]))))
    assert "member 'set/good.txt' is encrypted" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression(place: Place, method: int) -> None:
    message = place.refuse(place.part(make_zip([GOOD], method)))
    assert "is compressed or stored in a way" in message


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "entries",
    [
        (Entry("a", data=b"1"), Entry("a", data=b"2")),
        (Entry("a"), Entry("./a")),
        (Entry("a"), Entry("a/b")),
        (Entry("a/b"), Entry("a")),
        (Entry("a", "folder"), Entry("a")),
        (Entry("a"), Entry("a", "folder")),
        (Entry("a"), Entry("a", "symlink", target="set/good.txt")),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_collide(place: Place, kind: str, entries: Sequence[Entry]) -> None:
    message = place.refuse(place.part(evil(kind, *entries), f"set.{kind}"))
    assert "collides with another member" in message or "which is a file" in message


@pytest.mark.parametrize("kind", MAKERS)
def test_more_than_was_announced(place: Place, kind: str) -> None:
    zeros = Entry("zeros", data=bytes(LIMIT))
    data = MAKERS[kind]([zeros]) if kind != "zip" else make_zip([zeros], zipfile.ZIP_DEFLATED)
    assert place.unpack(place.part(data, f"set.{kind}"))["zeros"] == bytes(LIMIT)
    place.tree.rename(place.archives / "set")
    data = MAKERS[kind]([zeros, Entry("one more byte", data=b"x")])
    message = place.refuse(place.part(data, f"set.{kind}"))
    assert "more than the 1.0 MB it may" in message or "'one more byte'" in message


def test_a_bomb_of_many_layers_is_not_even_begun(place: Place) -> None:
    data = make_zip([Entry(f"{n}", data=bytes(LIMIT)) for n in range(100)], zipfile.ZIP_DEFLATED)
    assert len(data) < LIMIT
    assert "unpacks to 100.0 MB, more than the 1.0 MB it may" in place.refuse(place.part(data))


@pytest.mark.parametrize("said", [1, 1000, 99_999])
def test_a_member_that_inflates_beyond_its_header(place: Place, said: int) -> None:
    data = understated(make_zip([Entry("a", data=bytes(100_000))], zipfile.ZIP_DEFLATED), said)
    assert "'a' cannot be read: the archive is damaged" in place.refuse(place.part(data))


def test_a_header_that_fills_the_memory(place: Place) -> None:
    data = huge_header(64_000_000)
    assert len(data) < LIMIT
    message = place.refuse(place.part(data, "set.tar.gz"))
    assert "has a header of 64.0 MB" in message


def test_a_member_smaller_than_nothing(place: Place) -> None:
    message = place.refuse(place.part(negative_size(), "set.tar"))
    assert "'set/odd.txt' has a size of -512" in message or "it has no end mark" in message


def test_too_many_members(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_MEMBERS", 10)
    entries = [Entry(f"{number}", data=b"") for number in range(11)]
    for kind, make in MAKERS.items():
        assert "it has 11 members" in place.refuse(place.part(make(entries), f"set.{kind}"))


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "entries", [(), (Entry("a", "folder"), Entry("a/b", "folder")), (Entry("__MACOSX/._a"),)]
)
def test_empty_archives(place: Place, kind: str, entries: Sequence[Entry]) -> None:
    message = place.refuse(place.part(MAKERS[kind](entries), f"set.{kind}"))
    assert "empty" in message


def test_an_empty_file_and_one_that_is_no_archive(place: Place) -> None:
    assert "is empty" in place.refuse(place.part(b""))
    for data in (b"no archive at all" * 100, b"PK and nothing more", b"\x1f\x8b\x08"):
        assert "damaged or cut short" in place.refuse(place.part(data))


MEMBERS = [GOOD, *(Entry(f"set/{number}.bin", data=bytes([number]) * 700) for number in range(9))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(sorted(MAKERS)), share=st.floats(0, 1, exclude_max=True))
def test_what_is_cut_short_is_never_taken_for_whole(
    tmp_path_factory: pytest.TempPathFactory, kind: str, share: float
) -> None:
    place = Place(tmp_path_factory.mktemp("cut"))
    data = MAKERS[kind](MEMBERS)
    part = place.part(data[: int(share * len(data))], f"set.{kind}")
    try:
        found = place.unpack(part)
    except DataError:
        assert names(place.root / "raw") == ["secret.txt"]
    else:
        assert found == {one.name: one.data for one in MEMBERS}


@pytest.mark.parametrize("blocks", range(0, 22, 2))
def test_a_tar_cut_between_members_is_refused(place: Place, blocks: int) -> None:
    data = make_tar(MEMBERS)
    part = place.part(data[: 512 * blocks], "set.tar")
    assert "set.tar" in place.refuse(part)


NASTY = st.sampled_from(
    ["..", ".", "", "a", "b", "/", "\\", "c:", "\0", "~", "link", "ü", " ", "._x", "CON", "\n"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(sorted(MAKERS)),
    members=st.lists(
        st.tuples(
            st.lists(NASTY, min_size=1, max_size=4).map("/".join),
            st.sampled_from(["file", "folder", "symlink", "hardlink"]),
            st.lists(NASTY, min_size=1, max_size=3).map("/".join),
        ),
        min_size=1,
        max_size=6,
    ),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_ever_lands_outside(
    tmp_path_factory: pytest.TempPathFactory, kind: str, members: list[tuple[str, str, str]]
) -> None:
    place = Place(tmp_path_factory.mktemp("nasty"))
    entries = [
        Entry(name, "symlink" if kind == "zip" and what == "hardlink" else what, target=target)
        for name, what, target in members
    ]
    try:
        place.unpack(place.part(MAKERS[kind](entries), f"set.{kind}"))
    except DataError:
        assert not place.tree.exists()
    root = os.path.realpath(place.root / "raw")
    assert names(place.root / "raw") in (["secret.txt"], ["secret.txt", "set"])
    assert names(place.root) == ["archives", "raw"]
    for path in place.tree.rglob("*"):
        assert os.path.realpath(path).startswith(f"{root}/set")
