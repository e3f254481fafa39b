"""What was downloaded once is not downloaded again, and never mixed with another content."""

import dataclasses
from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.http_server import Act, Page, Server, serving
from tests.unit.data.fetch.conftest import (
    QUICK,
    MakeRequest,
    Watching,
    a_zip,
    archive_of,
    downloads,
    spec_of,
    unpublished,
)
from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.fetch.wanted import same_place
from topformer_cli.errors import DataError

DATA = a_zip()
OTHER = a_zip(seed=7)
SIZE = len(DATA)
CUTS = (0, 1, 2, 511, 512, 513, 4096, 65535, 65536, 65537, SIZE // 2, SIZE - 2, SIZE - 1)
GONE = Act(status=404)


def downloaded(request: FetchRequest) -> bytes:
    return (request.downloads / "set.zip").read_bytes()


def interrupted(request: FetchRequest) -> Part:
    """Return what is left when a fetch ends because no source goes on."""
    with pytest.raises(DataError, match="no source has it"):
        fetch(request)
    return Part(request.downloads / "set.zip")


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_at_any_offset_is_gone_on_from(
    server: Server, asked_for: MakeRequest, cut: int, reset: bool
) -> None:
    page = Page(DATA, script=deque([Act(cut=cut, reset=reset)]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    fetch(request)
    assert downloaded(request) == DATA
    assert downloads(request) == ["set.zip"]
    assert len(server.asked) == 2
    if not reset:  # a reset may destroy what was under way
        # Fewer bytes than tell the kind of a file are not kept.
        assert server.ranges()[1] == (None if cut < 512 else f"bytes={cut}-")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cuts=st.lists(st.integers(0, SIZE), min_size=1, max_size=6),
    length=st.sampled_from(["right", "chunked"]),
    ranges=st.booleans(),
)
def test_any_number_of_cuts(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], length: str, ranges: bool
) -> None:
    with serving() as server:
        script = deque(Act(cut=cut) for cut in cuts)
        page = Page(DATA, script=script, length=length, ranges=ranges)  # type: ignore[arg-type]
        archive = archive_of(DATA, server.put("set.zip", page))
        request = FetchRequest(
            spec=spec_of(archive),
            cache_dir=tmp_path_factory.mktemp("cuts"),
            accept_terms=True,
            prepare=False,
            patience=dataclasses.replace(QUICK, tries=10),
        )
        fetch(request)
        assert downloaded(request) == DATA


def test_tries_are_counted_anew_when_something_came(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, script=deque([Act(cut=10_000)] * 15))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    assert request.patience.tries < 15
    fetch(request)
    assert downloaded(request) == DATA


def test_a_server_that_never_comes_further_is_left(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, ranges=False, script=deque([Act(cut=50_000)] * 50))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    part = interrupted(request)
    assert len(server.asked) == request.patience.tries
    assert part.size == 50_000


def test_a_later_fetch_goes_on(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, script=deque([Act(cut=150_000), GONE]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    assert interrupted(request).size == 150_000
    fetch(request)
    assert server.ranges() == [None, "bytes=150000-", "bytes=150000-"]
    assert server.asked[-1].condition == '"one"'
    assert downloaded(request) == DATA


def test_without_ranges_it_starts_again(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, ranges=False, script=deque([Act(cut=150_000)]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    fetch(request)
    assert server.ranges() == [None, "bytes=150000-"]
    assert downloaded(request) == DATA


@pytest.mark.parametrize(
    ("etag", "modified", "condition"),
    [
        ('"one"', None, '"one"'),
        ('W/"one"', 1.6e9, "Sun, 13 Sep 2020 12:26:40 GMT"),
        (None, 1.6e9, "Sun, 13 Sep 2020 12:26:40 GMT"),
        ('W/"one"', None, None),
        (None, None, None),
    ],
)
def test_only_what_identifies_the_content_is_asked_with(
    server: Server,
    asked_for: MakeRequest,
    etag: str | None,
    modified: float | None,
    condition: str | None,
) -> None:
    page = Page(DATA, etag=etag, modified=modified, script=deque([Act(cut=150_000)]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    fetch(request)
    assert (server.asked[1].range, server.asked[1].condition) == ("bytes=150000-", condition)
    assert downloaded(request) == DATA


def test_without_checksum_and_identity_it_starts_again(
    server: Server, asked_for: MakeRequest
) -> None:
    page = Page(DATA, etag=None, modified=None, script=deque([Act(cut=150_000)]))
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", page))))
    fetch(request)
    assert server.ranges() == [None, None]
    assert downloaded(request) == DATA


@pytest.mark.parametrize("conditions", [True, False], ids=["honest", "ignores If-Range"])
@pytest.mark.parametrize("identified", [True, False], ids=["ETag", "nothing"])
@pytest.mark.parametrize("same_size", [True, False])
@pytest.mark.parametrize("published", [True, False])
def test_a_file_that_changed_between_two_tries(
    server: Server,
    asked_for: MakeRequest,
    conditions: bool,
    identified: bool,
    same_size: bool,
    published: bool,
) -> None:
    """The archive is the new content; what came of the old one is never part of it."""
    page = Page(
        OTHER if same_size else OTHER + b"x" * 1000,
        conditions=conditions,
        etag='"one"' if identified else None,
        modified=1.6e9 if identified else None,
        script=deque([Act(cut=150_000), GONE]),
    )
    new = archive_of(DATA, server.put("set.zip", page))
    archive = dataclasses.replace(new, size=None) if published else unpublished(new)
    request = asked_for(archive)
    assert interrupted(request).size == 150_000
    page.change(DATA)
    fetch(request)
    assert downloaded(request) == DATA


def test_another_mirror_goes_on_where_a_wrong_piece_would_show(
    server: Server, asked_for: MakeRequest
) -> None:
    first = server.put("a/set.zip", Page(DATA, script=deque([Act(cut=150_000), GONE])))
    second = server.put("b/set.zip", Page(DATA, etag='"of b"'))
    request = asked_for(archive_of(DATA, first, second))
    fetch(request)
    last = server.asked[-1]
    assert (last.path, last.range, last.condition) == ("/b/set.zip", "bytes=150000-", None)
    assert downloaded(request) == DATA


def test_another_mirror_starts_again_where_it_would_not_show(
    server: Server, asked_for: MakeRequest
) -> None:
    first = server.put("a/set.zip", Page(OTHER, script=deque([Act(cut=150_000), GONE])))
    second = server.put("b/set.zip", Page(DATA))
    request = asked_for(unpublished(archive_of(DATA, first, second)))
    fetch(request)
    assert (server.asked[-1].path, server.asked[-1].range) == ("/b/set.zip", None)
    assert downloaded(request) == DATA


def test_a_mirror_that_has_other_bytes_is_found_out(server: Server, asked_for: MakeRequest) -> None:
    """The pieces do not fit together, and the mirror that completed them has the file."""
    first = server.put("a/set.zip", Page(OTHER, script=deque([Act(cut=150_000), GONE])))
    second = server.put("b/set.zip", Page(DATA))
    request = asked_for(archive_of(DATA, first, second))
    watcher = Watching()
    fetch(request, watcher)
    assert any("its pieces do not fit together" in one for one in watcher.notes)
    assert [one.range for one in server.asked[-2:]] == ["bytes=150000-", None]
    assert downloaded(request) == DATA


def test_a_part_goes_on_with_the_source_it_came_from(
    server: Server, asked_for: MakeRequest
) -> None:
    first = server.put("a/set.zip", Page(DATA, script=deque([GONE])))
    second = server.put("b/set.zip", Page(DATA, script=deque([Act(cut=150_000), GONE])))
    request = asked_for(unpublished(archive_of(DATA, first, second)))
    interrupted(request)
    fetch(request)
    assert (server.asked[-1].path, server.asked[-1].range) == ("/b/set.zip", "bytes=150000-")


def test_a_whole_part_is_only_verified(server: Server, asked_for: MakeRequest) -> None:
    """A kill between the last byte and the final name."""
    page = Page(DATA, script=deque([Act(cut=150_000), GONE]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    part = interrupted(request)
    part.path.write_bytes(DATA)
    fetch(request)
    assert len(server.asked) == 2
    assert downloaded(request) == DATA


def test_a_whole_part_of_no_known_size_is_found_whole(
    server: Server, asked_for: MakeRequest
) -> None:
    page = Page(DATA, length="chunked", script=deque([Act(cut=150_000), GONE]))
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", page))))
    part = interrupted(request)
    part.path.write_bytes(DATA)
    fetch(request)
    assert server.ranges()[-1] == f"bytes={SIZE}-"
    assert downloaded(request) == DATA


@pytest.mark.parametrize("damage", ["longer", "other bytes", "note is no JSON", "no note"])
def test_a_damaged_part_is_no_harm(server: Server, asked_for: MakeRequest, damage: str) -> None:
    page = Page(DATA, script=deque([Act(cut=150_000), GONE]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    part = interrupted(request)
    match damage:
        case "longer":
            part.path.write_bytes(DATA + b"more")
        case "other bytes":
            part.path.write_bytes(b"\0" * 150_000)
        case "note is no JSON":
            part.note.write_text('{"url": ')
        case _:
            part.note.unlink()
    fetch(request)
    assert downloaded(request) == DATA


def test_a_page_of_apology_costs_nothing(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, script=deque([Act(cut=150_000), GONE]))
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", page))))
    interrupted(request)
    sorry = Page(b"<html>back soon</html>" * 99, kind="text/plain", etag=None, modified=None)
    server.put("set.zip", sorry)
    assert interrupted(request).size == 150_000
    server.put("set.zip", page)
    fetch(request)
    assert server.ranges()[-1] == "bytes=150000-"
    assert downloaded(request) == DATA


def test_passwords_of_addresses_are_written_nowhere(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA, script=deque([Act(cut=150_000), GONE]))
    url = server.put("set.zip", page).replace("://", "://me:secret@")
    request = asked_for(archive_of(DATA, url))
    interrupted(request)
    fetch(request)
    assert server.ranges()[-1] == "bytes=150000-"
    texts = [path.read_text() for path in request.cache_dir.rglob("*.json")]
    assert not any("secret" in text for text in texts)


def test_http_and_https_of_one_address_are_one_place() -> None:
    assert same_place("http://host/a.zip", "https://host/a.zip")
    assert not same_place("http://host/a.zip", "http://host/b.zip")
