"""What is compared, what is remembered, and what --unverified accepts."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from tests.fakes.http_server import Page, Server
from tests.unit.data.fetch.conftest import (
    MakeRequest,
    Watching,
    a_zip,
    archive_of,
    contents,
    downloads,
    noise,
    unpublished,
)
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.fetch.unpack import remove_tree
from topformer_cli.errors import DataError, UsageError

DATA = a_zip()
OTHER = a_zip(seed=7)
SHA = archive_of(DATA).checksums["sha256"]
OTHER_SHA = archive_of(OTHER).checksums["sha256"]


def fetched_anew(request: FetchRequest, watcher: Watching | None = None) -> bytes:
    """Fetch without what is there already, and return a file of the tree."""
    for path in (*request.downloads.glob("set.zip*"),):
        path.unlink()
    remove_tree(request.tree)
    fetch(request, watcher)
    return contents(request.tree)["set/one.bin"]


def test_the_first_use_is_remembered_and_told(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", Page(DATA)))))
    watcher = Watching()
    fetched = fetch(request, watcher)
    assert fetched.archives[0].verified.how == "first use"
    (note,) = watcher.notes
    assert "nobody published a checksum" in note
    assert SHA in note
    again = Watching()
    fetched_anew(request, again)
    assert again.notes == []


def test_another_content_than_at_first_use_is_refused(
    server: Server, asked_for: MakeRequest
) -> None:
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", Page(DATA)))))
    fetch(request)
    server.pages["/set.zip"].change(OTHER)
    with pytest.raises(DataError) as caught:
        fetched_anew(request)
    message = str(caught.value)
    assert f"its sha256 is {OTHER_SHA}, and was {SHA} when it was first used" in message
    assert "--unverified takes the new one and forgets the old" in message
    assert downloads(request) == ["set.zip.rejected"]


def test_unverified_forgets_the_first_use(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", Page(DATA)))))
    fetch(request)
    server.pages["/set.zip"].change(OTHER)
    assert fetched_anew(dataclasses.replace(request, unverified=True)) == noise(100_000, 7)
    assert fetched_anew(request) == noise(100_000, 7)
    server.pages["/set.zip"].change(DATA)
    with pytest.raises(DataError, match="when it was first used"):
        fetched_anew(request)


def test_what_cannot_be_unpacked_is_no_first_use(server: Server, asked_for: MakeRequest) -> None:
    url = server.put("set.zip", Page(DATA[:-30]))
    request = asked_for(unpublished(archive_of(DATA, url)))
    with pytest.raises(DataError, match="cut short"):
        fetch(request)
    assert Ledger(request.cache_dir).first_use("set.zip") is None


def test_unverified_takes_a_repack_and_says_so(server: Server, asked_for: MakeRequest) -> None:
    repack = OTHER + b""
    url = server.put("set.zip", Page(repack))
    archive = dataclasses.replace(archive_of(DATA, url), size=len(DATA) + 50)
    request = asked_for(archive, unverified=True)
    watcher = Watching()
    fetched = fetch(request, watcher)
    (warning,) = fetched.warnings
    assert watcher.warnings == [warning]
    assert warning == (
        f"set.zip is not the published archive (its sha256 is {OTHER_SHA}); it was taken with "
        "--unverified"
    )
    assert fetched.archives[0].verified.how == "unverified"
    without_the_flag = fetch(dataclasses.replace(request, unverified=False))
    assert without_the_flag.warnings == (warning,)


def test_a_file_that_lies_there_is_verified_and_used(
    server: Server, asked_for: MakeRequest
) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    request.downloads.mkdir(parents=True)
    (request.downloads / "set.zip").write_bytes(DATA)
    watcher = Watching()
    fetch(request, watcher)
    assert watcher.steps == ["verify", "unpack"]
    assert server.asked == []


def test_a_wrong_file_that_lies_there_is_left_alone(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    request.downloads.mkdir(parents=True)
    (request.downloads / "set.zip").write_bytes(OTHER)
    with pytest.raises(DataError, match=r"is not the published set\.zip: its sha256 is .* remove"):
        fetch(request)
    assert (request.downloads / "set.zip").read_bytes() == OTHER


def test_a_changed_file_is_read_again(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    fetch(request)
    path = request.downloads / "set.zip"
    os.utime(path, (1.7e9, 1.7e9))
    watcher = Watching()
    fetch(request, watcher)
    assert watcher.steps == ["verify"]
    path.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(DataError, match="is not the published"):
        fetch(request)


def test_a_new_published_checksum_counts(server: Server, asked_for: MakeRequest) -> None:
    archive = archive_of(DATA, server.put("set.zip", Page(DATA)))
    fetch(asked_for(archive))
    with pytest.raises(DataError, match="published is 00"):
        fetch(asked_for(dataclasses.replace(archive, checksums={"sha256": "00"})))


def test_terms_are_asked_for_once(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))), accept_terms=False)
    with pytest.raises(UsageError) as caught:
        fetch(request)
    assert request.spec.terms in str(caught.value)
    assert str(caught.value).endswith("topformer data fetch ade20k --accept-terms")
    assert server.asked == []
    fetch(dataclasses.replace(request, accept_terms=True))
    fetch(request)
    changed = dataclasses.replace(request.spec, terms="other terms")
    with pytest.raises(UsageError, match="other terms"):
        fetch(dataclasses.replace(request, spec=changed))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "cache")


def entry(path: Path) -> Verified:
    status = path.stat()
    return Verified(
        sha256="ab",
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        url="",
        date="2026-01-01",
        how="published checksum",
    )


def test_the_ledger_of_a_moved_cache_still_holds(ledger: Ledger, tmp_path: Path) -> None:
    inside, outside = ledger.cache_dir / "downloads" / "a.zip", tmp_path / "b.zip"
    inside.parent.mkdir(parents=True)
    for path in (inside, outside):
        path.write_bytes(b"x")
        ledger.record(path, entry(path))
    moved = ledger.cache_dir.rename(tmp_path / "moved")
    assert Ledger(moved).verified(moved / "downloads" / "a.zip") is not None
    assert Ledger(moved).verified(outside) is not None
    outside.unlink()
    assert Ledger(moved).verified(outside) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"version": 1}', '{"version": 1, "files": []}',
     '{"version": 1, "files": {"downloads/a.zip": 1}, "first_use": {}, "terms": {}}',
     '{"version": 1, "files": {"downloads/a.zip": {}}, "first_use": {}, "terms": {}}'],
)  # fmt: skip
def test_a_damaged_ledger_is_told(ledger: Ledger, text: str) -> None:
    path = ledger.cache_dir / "downloads" / "a.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    ledger.path.write_text(text)
    with pytest.raises(DataError, match="is damaged; remove it"):
        ledger.verified(path)


def test_a_ledger_of_another_version_is_told(ledger: Ledger) -> None:
    ledger.accept("ade20k", "terms")
    content = json.loads(ledger.path.read_text())
    ledger.path.write_text(json.dumps({**content, "version": 9}))
    with pytest.raises(DataError, match="is of version 9"):
        ledger.accepted("ade20k", "terms")
