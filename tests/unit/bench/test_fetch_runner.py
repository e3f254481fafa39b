import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.http_server import Act, Page, Server, closed_port, serving
from topformer_cli.bench.programs.download import Patience
from topformer_cli.bench.programs.fetch import PROGRAMS, FetchedProgram, FetchWanted, fetch_program
from topformer_cli.errors import DeviceError, UsageError

PROGRAM = b"\x7fELF" + bytes(range(256)) * 400
OTHER = b"\x7fELF" + bytes(50_000)
QUICK = Patience(connect_s=2, read_s=2, deadline_s=20, tries=3, pause_s=0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def silent(done: int, total: int) -> None:
    assert done <= total


def fetch(cache: Path, wanted: FetchWanted, patience: Patience = QUICK) -> FetchedProgram:
    return fetch_program(wanted, cache, silent, patience)


def test_a_program_is_fetched_once_and_then_there(server: Server, tmp_path: Path) -> None:
    url = server.put("b", Page(PROGRAM))
    came = fetch(tmp_path, FetchWanted(url=url))
    assert came.path.read_bytes() == PROGRAM
    assert came.path.stat().st_mode & 0o111
    assert (came.name, came.version, came.abi) == ("litert", "2.2.0", "arm64-v8a")
    assert came.sha256 == hashlib.sha256(PROGRAM).hexdigest()
    assert (came.how, came.source) == ("first use", url)
    assert came.licence.startswith("Apache-2.0")
    assert came.origin == f"litert 2.2.0, {url}"
    again = fetch(tmp_path, FetchWanted(url=url))
    assert (again.how, again.path) == ("as before", came.path)
    assert [one.path for one in server.asked].count("/b") == 1
    left = sorted(path.name for path in came.path.parent.iterdir())
    assert left == ["benchmark_model", "benchmark_model.json"]


def test_the_program_that_shows_outputs_comes_along(server: Server, tmp_path: Path) -> None:
    url = server.put("bin/b", Page(PROGRAM))
    without = fetch(tmp_path, FetchWanted(url=url))
    assert without.companion is None
    assert f"{server.url}/bin/run_model: the server answers 404" in str(without.missing)
    server.put("bin/run_model", Page(OTHER))
    came = fetch(tmp_path, FetchWanted(url=url))
    assert came.missing is None
    assert came.companion is not None
    assert came.companion.read_bytes() == OTHER
    assert came.companion.stat().st_mode & 0o111
    alone = fetch(tmp_path, FetchWanted(name="tflite", url=url))
    assert (alone.companion, alone.missing) == (None, None)


def test_the_bytes_heard_of_are_those_that_come(server: Server, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    url = server.put("b", Page(PROGRAM))
    fetch_program(
        FetchWanted(name="tflite", url=url), tmp_path, lambda *pair: heard.append(pair), QUICK
    )
    assert heard[-1] == (len(PROGRAM), len(PROGRAM))
    assert heard == sorted(heard)


@pytest.mark.parametrize("reset", [True, False])
def test_a_broken_connection_is_gone_on_with(server: Server, tmp_path: Path, reset: bool) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(cut=40_000, reset=reset), Act(cut=20_000, reset=reset)])
    came = fetch(tmp_path, FetchWanted(url=server.put("b", page)))
    assert came.path.read_bytes() == PROGRAM
    first, *later = [one.range for one in server.asked if one.path == "/b"]
    assert first is None
    assert any(one is not None for one in later)


def test_a_later_run_goes_on_where_the_last_one_ended(server: Server, tmp_path: Path) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(cut=30_000), *[Act(status=503)] * 2])
    url = server.put("b", page)
    with pytest.raises(DeviceError, match=r"503.*; 30.0 kB are kept, try again to go on"):
        fetch(tmp_path, FetchWanted(url=url))
    assert fetch(tmp_path, FetchWanted(url=url)).path.read_bytes() == PROGRAM
    assert [one.range for one in server.asked if one.path == "/b"][-1] == "bytes=30000-"


def test_a_file_that_changes_meanwhile_is_begun_anew(server: Server, tmp_path: Path) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(cut=30_000), *[Act(status=503)] * 2])
    url = server.put("b", page)
    with pytest.raises(DeviceError):
        fetch(tmp_path, FetchWanted(url=url))
    page.change(OTHER)
    assert fetch(tmp_path, FetchWanted(url=url)).path.read_bytes() == OTHER


def test_a_beginning_longer_than_the_file_is_begun_anew(server: Server, tmp_path: Path) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(cut=30_000), *[Act(status=503)] * 2])
    url = server.put("b", page)
    with pytest.raises(DeviceError):
        fetch(tmp_path, FetchWanted(url=url))
    page.data = PROGRAM[:20_000]
    page.conditions = False
    assert fetch(tmp_path, FetchWanted(url=url)).path.read_bytes() == page.data


def page_of(data: bytes, **settings: object) -> Page:
    page = Page(data)
    for name, value in settings.items():
        setattr(page, name, value)
    return page


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (page_of(b"  <html>sign in</html>"), "sent a web page, not a program; .*--from FILE"),
        (page_of(b"PK\x03\x04" + bytes(99)), "sent something else, not a program"),
        (page_of(b""), "no length of the file, or none above 0; .*--from FILE"),
        (page_of(PROGRAM, length="none"), "no length of the file"),
        (page_of(PROGRAM, length="chunked"), "no length of the file"),
    ],
)
def test_what_is_no_program_is_refused(
    server: Server, tmp_path: Path, page: Page, message: str
) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        fetch(tmp_path, FetchWanted(url=server.put("b", page)))
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.rglob("benchmark_model"))


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "404 Not Found; there may be no such version, or .*--from FILE"), (403, "403"),
     (500, "500 .*or download it by other means"), (429, "429")],
)  # fmt: skip
def test_refusals_of_the_server_are_named(
    server: Server, tmp_path: Path, status: int, message: str
) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(status=status)] * 3)
    with pytest.raises(DeviceError, match=message):
        fetch(tmp_path, FetchWanted(url=server.put("b", page)))


@pytest.mark.parametrize("url", ["no address", "ftp://host/file", "http://", "https://[::bad/x"])
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DeviceError, match=r"is no address|leads nowhere"):
        fetch(tmp_path, FetchWanted(url=url))


def test_without_a_network_the_way_around_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/b"
    with pytest.raises(DeviceError, match=r"the server cannot be reached; or .*--from FILE"):
        fetch(tmp_path, FetchWanted(url=url))


def test_a_silent_server_is_not_waited_for(server: Server, tmp_path: Path) -> None:
    page = Page(PROGRAM)
    page.script.extend([Act(wait_s=0.6)] * 3)
    quick = Patience(read_s=0.1, tries=2, pause_s=0.01)
    with pytest.raises(DeviceError, match="the server does not answer"):
        fetch(tmp_path, FetchWanted(url=server.put("b", page)), quick)


def test_a_slow_server_ends_at_the_deadline(server: Server, tmp_path: Path) -> None:
    url = server.put("b", Page(PROGRAM * 4, rate=200_000))
    with pytest.raises(DeviceError, match=r"not finished after 0 s; .* kept"):
        fetch(tmp_path, FetchWanted(url=url), Patience(deadline_s=0.4, pause_s=0.01))


def test_another_file_than_the_first_is_refused_until_it_is_asked_for(
    server: Server, tmp_path: Path
) -> None:
    page = Page(PROGRAM)
    url = server.put("b", page)
    first = fetch(tmp_path, FetchWanted(url=url))
    first.path.unlink()
    page.change(OTHER)
    with pytest.raises(DeviceError, match=r"is not the file that was first used on .*--again"):
        fetch(tmp_path, FetchWanted(url=url))
    assert not first.path.exists()
    replaced = fetch(tmp_path, FetchWanted(url=url, again=True))
    assert (replaced.how, replaced.path.read_bytes()) == ("replaced", OTHER)
    assert fetch(tmp_path, FetchWanted(url=url)).sha256 == replaced.sha256


def test_a_damaged_copy_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    url = server.put("b", Page(PROGRAM))
    first = fetch(tmp_path, FetchWanted(url=url))
    first.path.write_bytes(b"\x7fELF cut off")
    again = fetch(tmp_path, FetchWanted(url=url))
    assert again.path.read_bytes() == PROGRAM
    assert again.how == "as before"


def test_a_damaged_note_says_what_to_do(server: Server, tmp_path: Path) -> None:
    url = server.put("b", Page(PROGRAM))
    note = fetch(tmp_path, FetchWanted(url=url)).path.with_name("benchmark_model.json")
    note.write_text("{")
    with pytest.raises(DeviceError, match=r"benchmark_model.json is damaged; remove it"):
        fetch(tmp_path, FetchWanted(url=url))
    note.write_text(json.dumps({"sha256": 1}))
    with pytest.raises(DeviceError, match="is damaged"):
        fetch(tmp_path, FetchWanted(url=url))


def test_versions_lie_apart(server: Server, tmp_path: Path) -> None:
    one = fetch(tmp_path, FetchWanted(url=server.put("one", Page(PROGRAM))))
    two = fetch(tmp_path, FetchWanted(url=server.put("two", Page(OTHER)), version="2.3.0"))
    assert (one.path.read_bytes(), two.path.read_bytes()) == (PROGRAM, OTHER)
    assert two.how == "first use"


def test_a_file_of_the_users_needs_no_network(tmp_path: Path) -> None:
    given = tmp_path / "mine"
    given.write_bytes(PROGRAM)
    came = fetch(tmp_path / "cache", FetchWanted(given=given))
    assert came.path.read_bytes() == PROGRAM
    assert came.source == str(given)
    assert "run_model cannot be copied" in str(came.missing)
    (tmp_path / "run_model").write_bytes(OTHER)
    beside = fetch(tmp_path / "cache", FetchWanted(given=given)).companion
    assert beside is not None
    assert beside.read_bytes() == OTHER
    given.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(DeviceError, match="is no program for Android"):
        fetch(tmp_path / "cache", FetchWanted(given=given))
    with pytest.raises(DeviceError, match=r"gone cannot be copied .*No such file"):
        fetch(tmp_path / "cache", FetchWanted(given=tmp_path / "gone"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (FetchWanted(name="tnn"), "no program 'tnn' is known; choose from litert, tflite"),
        (FetchWanted(version="../x"), r"version '\.\./x': give one such as 2.2.0"),
        (FetchWanted(name="tflite", version="2.2.0"), "is published as nightly only"),
    ],
)
def test_what_nobody_publishes_is_refused(
    tmp_path: Path, wanted: FetchWanted, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        fetch(tmp_path, wanted)


def test_addresses_are_those_of_googles_buckets() -> None:
    assert PROGRAMS["litert"].address.format(version="2.2.0") == (
        "https://storage.googleapis.com/litert/binaries/2.2.0/android_arm64/benchmark_model"
    )
    assert PROGRAMS["tflite"].address.startswith(
        "https://storage.googleapis.com/tensorflow-nightly"
    )
