"""`topformer data fetch`, over loopback, as people type it."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, run_cli
from tests.fakes.ade20k import make_ade20k
from tests.fakes.archives import pack
from tests.fakes.http_server import Act, Page, Server, serving
from tests.fakes.published import republished
from topformer_cli import console
from topformer_cli.data.catalog import DATASETS

ROOT = Path(__file__).resolve().parents[2]
NAME = "ADEChallengeData2016.zip"
COUNTS = {"train": 6, "val": 3}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    root = make_ade20k(folder / "tree", COUNTS["train"], COUNTS["val"])
    return pack(folder / NAME, {root.name: root})


@pytest.fixture
def server(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a little ADE20K, and let the catalogue say that this is the published one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as one:
        one.put(NAME, Page(archive.read_bytes()))
        spec = republished(DATASETS["ade20k"], {NAME: archive}, one.url, COUNTS)
        monkeypatch.setitem(DATASETS, "ade20k", spec)
        yield one


def fetch(*words: str | Path) -> Ran:
    return run_cli("data", "fetch", *words)


def test_the_first_line_of_the_readme(server: Server, own_cache: Path) -> None:
    done = fetch("ade20k", "--accept-terms")
    assert done.code == 0, done.err
    assert done.out == "ade20k: prepared, 6 train, 3 val images, 150 classes\n"
    lines = done.err.splitlines()
    assert lines[0] == "ade20k: ADE20K (ADEChallengeData2016)"
    assert re.fullmatch(rf"  {NAME}  +\d+\.\d kB  from 127\.0\.0\.1:\d+", lines[1])
    assert re.match(r"download \d+\.\d kB, unpacking up to 1\.5 GB, prepared form about", lines[2])
    assert f"free in {own_cache}" in lines[2]
    assert lines[3].startswith("terms (accepted): annotations BSD-3-Clause; images for non-comm")
    assert "next: topformer data show ade20k, topformer train ade20k --size tiny" in lines
    assert run_cli("data", "info", "ade20k").code == 0
    again = fetch("ade20k")
    assert again.out == "ade20k: already prepared, 6 train, 3 val images, 150 classes\n"
    assert len(server.asked) == 1


def test_nothing_is_asked_before_the_terms_are_accepted(server: Server) -> None:
    done = fetch("ade20k")
    assert done.code == 2
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert last.startswith("topformer: the terms of ade20k are not accepted (annotations BSD")
    assert last.endswith("to accept them type: topformer data fetch ade20k --accept-terms")
    assert server.asked == []


def test_a_dry_run_is_the_plan(server: Server, archive: Path, own_cache: Path) -> None:
    done = fetch("ade20k", "--dry-run")
    assert done.code == 0
    assert done.err == ""
    assert NAME in done.out
    assert "terms: annotations" in done.out
    record = fetch("ade20k", "--dry-run", "--json").record
    (one,) = record["archives"]
    assert (one["name"], one["state"], one["bytes"]) == (NAME, "absent", archive.stat().st_size)
    assert one["sources"] == [f"{server.url}/{NAME}"]
    assert record["download_bytes"] == archive.stat().st_size
    assert not record["terms_accepted"]
    assert server.asked == []
    assert not own_cache.exists()


def test_json_is_one_record(server: Server, own_cache: Path) -> None:
    done = fetch("ade20k", "--accept-terms", "--json")
    record = done.record
    assert record["prepared"]
    assert record["card"]["images"] == COUNTS
    assert record["card"]["classes"] == 150
    assert record["card"]["terms"] == DATASETS["ade20k"].terms
    (one,) = record["archives"]
    assert one["path"] == str(own_cache / "downloads" / NAME)
    assert one["url"] == f"{server.url}/{NAME}"
    assert one["verified"] == "published checksum"
    assert one["sha256"] == DATASETS["ade20k"].archives[0].checksums["sha256"]
    again = fetch("ade20k", "--json").record
    assert (again["prepared"], again["archives"]) == (True, [])


@pytest.mark.usefixtures("server")
def test_quiet_and_verbose() -> None:
    quiet = fetch("ade20k", "--accept-terms", "-q", "--no-prepare")
    assert quiet.err == ""
    loud = fetch("ade20k", "--no-prepare", "-v")
    assert re.search(rf"{NAME}: sha256 [0-9a-f]{{64}}, published checksum", loud.err)


@pytest.mark.usefixtures("server")
def test_without_prepare_the_next_line_prepares(own_cache: Path) -> None:
    done = fetch("ade20k", "--accept-terms", "--no-prepare")
    raw = own_cache / "raw" / "ade20k"
    assert done.out == f"ade20k: unpacked in {raw}\n"
    line = done.err.splitlines()[-1]
    assert line == f"next: topformer data prepare ade20k --source {raw}"
    prepared = run_cli(*line.removeprefix("next: topformer ").split())
    assert prepared.code == 0, prepared.err


def test_from_a_file_a_folder_and_a_tree(server: Server, archive: Path, tmp_path: Path) -> None:
    for number, given in enumerate((archive, archive.parent, archive.parent / "tree")):
        cache = tmp_path / f"cache {number}"
        done = fetch("ade20k", "--accept-terms", "--from", given, "--cache-dir", cache)
        assert done.code == 0, done.err
        assert done.out.startswith("ade20k: prepared, 6 train, 3 val")
    assert server.asked == []


def test_a_dead_source_says_what_to_do_by_hand(server: Server, archive: Path) -> None:
    del server.pages[f"/{NAME}"]
    done = fetch("ade20k", "--accept-terms")
    assert done.code == 3
    line = done.err.splitlines()[-1]
    assert line == (
        f"topformer: {NAME}: no source has it ({server.url.removeprefix('http://')}: 404 Not "
        f"Found); download it by hand from {server.url}/{NAME} and type: topformer data fetch "
        "ade20k --from FILE"
    )
    done = fetch("ade20k", "--from", archive)
    assert done.code == 0


def test_a_mirror_with_a_repack_needs_to_be_wanted(server: Server, tmp_path: Path) -> None:
    root = make_ade20k(tmp_path / "repack", 6, 3, seed=1)
    other = pack(tmp_path / "other" / NAME, {root.name: root})
    server.put(f"mirror/{NAME}", Page(other.read_bytes()))
    del server.pages[f"/{NAME}"]
    words = ("ade20k", "--accept-terms", "--mirror", f"{server.url}/mirror")
    refused = fetch(*words)
    assert refused.code == 3
    assert "the published archive" in refused.err
    done = fetch(*words, "--unverified")
    assert done.code == 0, done.err
    assert f"warning: {NAME} is not the published archive" in done.err
    assert f"{NAME} is not the published archive" in run_cli("data", "info", "ade20k").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("ade21k", 2, "did you mean 'ade20k'?"),
        ("holiday", 2, "a set of your own: topformer data prepare"),
        ("ade20k --mirror /srv/mirror", 2, "--mirror /srv/mirror is no address"),
        ("ade20k --from gone.zip", 2, "Path 'gone.zip' does not exist"),
        ("imagenet --accept-terms", 3, "type: topformer data fetch imagenet --from FOLDER"),
        ("", 2, "Missing argument 'NAME'"),
    ],
)
def test_mistakes(words: str, code: int, said: str) -> None:
    done = fetch(*words.split())
    assert done.code == code
    assert done.out == ""
    assert said in " ".join(done.err.split())


def words_of_a_process(server: Server, cache: Path, *words: str) -> list[str]:
    """Return a line that fetches the little set in a process that knows the published one."""
    return [
        sys.executable, "-m", "topformer_cli", "data", "fetch", "ade20k", "--mirror", server.url,
        "--unverified", "--allow-partial", "--cache-dir", str(cache), *words,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_stopped_fetch_goes_on(
    server: Server, tmp_path: Path, archive: Path, number: int, code: int
) -> None:
    page = server.pages[f"/{NAME}"]
    page.rate = 40_000
    line = words_of_a_process(server, tmp_path / "cache", "--accept-terms", "--no-prepare")
    part = tmp_path / "cache" / "downloads" / f"{NAME}.part"
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not part.exists() or not part.stat().st_size:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == code
    if number == signal.SIGINT:
        assert err.splitlines()[-1] == (
            "topformer: stopped; what came is kept, go on with: topformer data fetch ade20k"
        )
    kept = part.read_bytes()
    assert archive.read_bytes().startswith(kept)
    page.rate = None
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"ade20k: unpacked in {tmp_path / 'cache' / 'raw' / 'ade20k'}\n"
    assert server.ranges()[-1] == f"bytes={len(kept)}-"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2)])
def test_a_terminal_is_asked_for_the_terms(
    server: Server, tmp_path: Path, answer: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    line = words_of_a_process(server, tmp_path / "cache", "--no-prepare")
    with subprocess.Popen(
        line, cwd=ROOT, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, f"{answer}\n".encode())
        with contextlib.suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                seen += data
        assert process.wait() == code
    os.close(ours)
    text = seen.decode()
    assert "use ade20k under its terms (annotations BSD-3-Clause; images for" in text
    assert ("not accepted" in text) == (code == 2)
    assert bool(server.asked) == (code == 0)


def test_progress_of_a_plain_log(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.2)
    server.pages[f"/{NAME}"].rate = 200_000
    done = fetch("ade20k", "--accept-terms")
    pattern = r"download ade20k \d+\.\d kB of \d+\.\d kB, \d+\.\d kB/s, 0:\d\d left"
    assert re.search(pattern, done.err)


def test_trouble_on_the_way_is_told(server: Server) -> None:
    server.pages[f"/{NAME}"].script = deque([Act(cut=20_000)])
    done = fetch("ade20k", "--accept-terms", "--no-prepare")
    assert done.code == 0
    assert f"{NAME}: the connection broke off; asking again in 1 s" in done.err.splitlines()
