"""What servers do, each with what becomes of the download."""

import dataclasses
import email.utils
import time
from collections import deque
from pathlib import Path

import pytest

from tests.fakes.http_server import Act, Page, Server, closed_port
from tests.unit.data.fetch.conftest import (
    MakeRequest,
    Watching,
    a_zip,
    archive_of,
    contents,
    downloads,
    noise,
    unpublished,
    zip_bytes,
)
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.errors import DataError

DATA = a_zip()
OTHER = a_zip(seed=7)


def refused(request: FetchRequest) -> str:
    """Return the one line that a fetch ends with."""
    with pytest.raises(DataError) as caught:
        fetch(request)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def one_page(server: Server, *acts: Act, name: str = "set.zip", data: bytes = DATA) -> str:
    return server.put(name, Page(data, script=deque(acts)))


def downloaded(request: FetchRequest) -> bytes:
    return (request.downloads / request.spec.archives[0].name).read_bytes()


def test_a_whole_file_is_verified_unpacked_and_kept(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, one_page(server)))
    watcher = Watching()
    fetched = fetch(request, watcher)
    assert downloads(request) == ["set.zip"]
    assert downloaded(request) == DATA
    assert contents(request.tree).keys() == {"set/one.bin", "set/two.bin"}
    assert contents(request.tree)["set/two.bin"] == noise(100_000, 1)
    assert fetched.archives[0].verified.how == "published checksum"
    assert fetched.source == request.tree
    assert watcher.steps == ["download", "unpack"]
    assert server.asked[0].agent.startswith("topformer/")


def test_a_second_time_asks_nobody_and_reads_nothing_again(
    server: Server, asked_for: MakeRequest
) -> None:
    request = asked_for(archive_of(DATA, one_page(server)))
    first = fetch(request)
    watcher = Watching()
    second = fetch(request, watcher)
    assert second == first
    assert watcher.steps == []
    assert len(server.asked) == 1


def test_no_network(asked_for: MakeRequest) -> None:
    url = f"http://127.0.0.1:{closed_port()}/set.zip"
    request = asked_for(archive_of(DATA, url))
    message = refused(request)
    assert message.startswith("set.zip: no source has it (127.0.0.1:")
    assert "refuses the connection" in message
    assert message.endswith(
        f"download it by hand from {url} and type: topformer data fetch ade20k --from FILE"
    )
    assert downloads(request) == []


def test_a_name_that_does_not_resolve(asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, "http://no-such-host.invalid/set.zip"))
    message = refused(request)
    assert "no-such-host.invalid: its name cannot be resolved" in message


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "404 Not Found"), (403, "403 Forbidden"), (410, "410 Gone"), (204, "204 No Content")],
)
def test_a_refusal_goes_to_the_next_source_at_once(
    server: Server, asked_for: MakeRequest, status: int, words: str
) -> None:
    first = one_page(server, Act(status=status), name="first/set.zip")
    second = one_page(server, name="second/set.zip")
    watcher = Watching()
    request = asked_for(archive_of(DATA, first, second))
    fetch(request, watcher)
    assert [one.path for one in server.asked] == ["/first/set.zip", "/second/set.zip"]
    assert watcher.notes == [f"set.zip: {server.url}: {words}; trying the next source"]
    assert downloaded(request) == DATA


def test_when_every_source_fails_each_is_named(server: Server, asked_for: MakeRequest) -> None:
    gone = f"{server.url}/gone/set.zip"
    page = server.put("page/set.zip", Page(b"<html>moved</html>", kind="text/html"))
    closed = f"http://127.0.0.1:{closed_port()}/set.zip"
    message = refused(asked_for(archive_of(DATA, gone, page, closed)))
    assert "404 Not Found; " in message
    assert "a web page in place of the file; " in message
    assert "refuses the connection)" in message


@pytest.mark.parametrize(
    "act",
    [
        Act(status=500),
        Act(status=502),
        Act(status=503, headers={"Retry-After": "0"}),
        Act(status=429, headers={"Retry-After": "0"}),
        Act(status=429),
        Act(status=503, headers={"Retry-After": email.utils.formatdate(0, usegmt=True)}),
        Act(status=408),
    ],
)
def test_what_passes_is_asked_again(server: Server, asked_for: MakeRequest, act: Act) -> None:
    request = asked_for(archive_of(DATA, one_page(server, act, act)))
    fetch(request)
    assert len(server.asked) == 3
    assert downloaded(request) == DATA


def test_a_server_that_stays_broken_is_left(server: Server, asked_for: MakeRequest) -> None:
    url = one_page(server, *[Act(status=500)] * 50)
    request = asked_for(archive_of(DATA, url))
    assert "500 Internal Server Error" in refused(request)
    assert len(server.asked) == request.patience.tries


def test_retry_after_is_waited_for(server: Server, asked_for: MakeRequest) -> None:
    url = one_page(server, Act(status=429, headers={"Retry-After": "1"}))
    request = asked_for(archive_of(DATA, url))
    patience = dataclasses.replace(request.patience, longest_s=2.0)
    began = time.monotonic()
    fetch(dataclasses.replace(request, patience=patience))
    assert time.monotonic() - began >= 1.0


def test_a_server_that_asks_for_an_hour_is_left(server: Server, asked_for: MakeRequest) -> None:
    busy = one_page(server, Act(status=429, headers={"Retry-After": "3600"}), name="a/set.zip")
    request = asked_for(archive_of(DATA, busy, one_page(server, name="b/set.zip")))
    watcher = Watching()
    fetch(request, watcher)
    assert any("429 Too Many Requests, asks to wait 3600 s" in one for one in watcher.notes)
    assert len(server.asked) == 2


def test_a_redirect_is_followed(server: Server, asked_for: MakeRequest) -> None:
    url = one_page(server, Act(status=302, headers={"Location": "/there.zip"}))
    one_page(server, name="there.zip")
    request = asked_for(archive_of(DATA, url))
    fetch(request)
    assert downloaded(request) == DATA


def test_a_redirect_to_a_web_page(server: Server, asked_for: MakeRequest) -> None:
    url = one_page(server, Act(status=302, headers={"Location": "/login"}))
    server.put("login", Page(b"<!DOCTYPE html><p>please log in", kind="text/html; charset=utf-8"))
    request = asked_for(archive_of(DATA, url))
    assert "a web page in place of the file" in refused(request)
    assert downloads(request) == []


def test_a_circle_of_redirects(server: Server, asked_for: MakeRequest) -> None:
    url = one_page(server, *[Act(status=302, headers={"Location": "/set.zip"})] * 50)
    assert "redirects" in refused(asked_for(archive_of(DATA, url)))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("set.zip", b"\n <!doctype HTML><title>sorry" * 9000, "a web page in place of the file"),
        ("set.zip", b"not a zip at all " * 9000, "does not begin like a .zip file"),
        ("set.tar.gz", DATA, "does not begin like a .gz file"),
        ("set.tar", DATA, "does not begin like a .tar file"),
        ("set.json", DATA, "does not begin like a .json file"),
    ],
)
def test_another_kind_of_file_is_refused_at_its_first_bytes(
    server: Server, asked_for: MakeRequest, name: str, data: bytes, said: str
) -> None:
    archive = unpublished(archive_of(data, one_page(server, name=name, data=data), name=name))
    request = asked_for(archive)
    assert said in refused(request)
    assert downloads(request) == []


def test_a_wrong_checksum_names_both_and_keeps_the_file_aside(
    server: Server, asked_for: MakeRequest
) -> None:
    archive = archive_of(DATA, one_page(server, data=OTHER))
    request = asked_for(archive)
    assert len(OTHER) == len(DATA)
    message = refused(request)
    assert f"published is {archive.checksums['sha256']}" in message
    assert f"its sha256 is {archive_of(OTHER).checksums['sha256']}" in message
    assert downloads(request) == ["set.zip.rejected"]
    assert (request.downloads / "set.zip.rejected").read_bytes() == OTHER


def test_after_a_wrong_checksum_the_next_source_is_tried(
    server: Server, asked_for: MakeRequest
) -> None:
    wrong = one_page(server, name="a/set.zip", data=OTHER)
    request = asked_for(archive_of(DATA, wrong, one_page(server, name="b/set.zip")))
    watcher = Watching()
    fetch(request, watcher)
    assert any("set.zip.rejected, you may delete it" in one for one in watcher.notes)
    assert downloaded(request) == DATA
    assert downloads(request) == ["set.zip", "set.zip.rejected"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_every_published_checksum_counts(
    server: Server, asked_for: MakeRequest, algorithm: str
) -> None:
    good = archive_of(DATA, one_page(server))
    bad = dataclasses.replace(good, checksums={**good.checksums, algorithm: "00"})
    assert f"its {algorithm} is " in refused(asked_for(bad))


def test_another_size_is_refused_before_the_download(
    server: Server, asked_for: MakeRequest
) -> None:
    url = one_page(server, data=DATA + b"more")
    request = asked_for(archive_of(DATA, url))
    message = refused(request)
    assert f"has {len(DATA) + 4} bytes, the published archive {len(DATA)}" in message
    assert downloads(request) == []


@pytest.mark.parametrize("missing", [1, 1000, len(DATA) - 1])
def test_a_short_file(server: Server, asked_for: MakeRequest, missing: int) -> None:
    """The server is sure that its file is whole; only what is published tells."""
    short = DATA[:-missing]
    archive = archive_of(DATA, one_page(server, data=short))
    assert f"has {len(short)} bytes" in refused(asked_for(archive))
    nobody_knows_its_size = dataclasses.replace(archive, size=None)
    request = asked_for(nobody_knows_its_size)
    message = refused(request)
    assert "its sha256 is" in message or "does not begin like" in message
    assert "set.zip" not in downloads(request)


def test_a_short_file_that_nobody_knows_anything_of(server: Server, asked_for: MakeRequest) -> None:
    """Its end mark tells, and no checksum is remembered."""
    archive = unpublished(archive_of(DATA, one_page(server, data=DATA[:-1])))
    request = asked_for(archive)
    assert "cannot be read: the archive is damaged or cut short" in refused(request)
    assert not request.tree.exists()
    request.downloads.joinpath("set.zip").unlink()
    server.pages["/set.zip"].change(DATA)
    fetch(request)
    assert contents(request.tree)["set/two.bin"] == noise(100_000, 1)


def test_a_silent_server_is_asked_again(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, one_page(server, Act(wait_s=1.0))))
    watcher = Watching()
    fetch(request, watcher)
    assert any("sends nothing any more" in one for one in watcher.notes)


def test_pieces_of_no_stated_length_are_put_together(
    server: Server, asked_for: MakeRequest
) -> None:
    page = Page(DATA, length="chunked")
    request = asked_for(unpublished(archive_of(DATA, server.put("set.zip", page))))
    fetch(request)
    assert downloaded(request) == DATA


def test_a_server_that_ends_files_by_hanging_up_is_refused(
    server: Server, asked_for: MakeRequest
) -> None:
    page = Page(DATA, length="none")
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    assert "does not say how long the file is" in refused(request)


def test_an_endless_file_is_cut_off(server: Server, asked_for: MakeRequest) -> None:
    page = Page(DATA + noise(300_000), length="chunked")
    archive = dataclasses.replace(
        unpublished(archive_of(DATA, server.put("set.zip", page))), unpacked=250_000
    )
    assert "sends more than 250.0 kB" in refused(asked_for(archive))


def test_an_empty_file(server: Server, asked_for: MakeRequest) -> None:
    archive = unpublished(archive_of(DATA, server.put("set.zip", Page(b""))))
    assert "an empty file" in refused(asked_for(archive))


def test_a_compression_that_the_server_names_is_left_alone(
    server: Server, asked_for: MakeRequest
) -> None:
    """Some servers say of a .tar.gz that they compressed it."""
    act = Act(headers={"Content-Encoding": "gzip"})
    request = asked_for(archive_of(DATA, one_page(server, act)))
    fetch(request)
    assert downloaded(request) == DATA


def test_a_proxy_of_the_environment_is_used(
    server: Server, asked_for: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_page(server)
    monkeypatch.setenv("http_proxy", server.url)
    request = asked_for(archive_of(DATA, "http://no-such-host.invalid/set.zip"))
    fetch(request)
    assert [one.host for one in server.asked] == ["no-such-host.invalid"]
    assert downloaded(request) == DATA


def test_a_dead_proxy_is_named(
    server: Server, asked_for: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    request = asked_for(archive_of(DATA, one_page(server)))
    assert "the proxy refuses or does not answer" in refused(request)


def test_blanks_and_letters_of_any_alphabet_in_paths(
    server: Server, asked_for: MakeRequest, tmp_path: Path
) -> None:
    data = zip_bytes({"Straße ünd/größe 1.txt": b"one", "データ/二.txt": b"two"})
    url = one_page(server, name="ein Ordner/größe.zip", data=data)
    request = asked_for(
        archive_of(data, url, name="größe 1.zip"), cache_dir=tmp_path / "mein Spéicher 二"
    )
    fetch(request)
    assert contents(request.tree) == {"Straße ünd/größe 1.txt": b"one", "データ/二.txt": b"two"}
