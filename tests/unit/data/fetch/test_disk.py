"""A disk that is full, read-only or not there: one line, and nothing is lost.

Real file systems of a few megabytes, mounted in a namespace of their own, where the system allows
that; elsewhere those tests skip.
"""

import dataclasses
import json
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.disk import files_end_at
from tests.fakes.fetching import record_of
from tests.fakes.http_server import Page, Server
from tests.unit.data.fetch.conftest import (
    MakeRequest,
    a_zip,
    archive_of,
    downloads,
    noise,
    zip_bytes,
)
from topformer_cli.data.fetch import disk
from topformer_cli.data.fetch.request import FetchRequest
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.errors import DataError

ROOT = Path(__file__).resolve().parents[4]
DATA = a_zip()
NAMESPACES = (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"])


@cache
def namespace() -> list[str] | None:
    """Return the words that start a program with mounts of its own, None if none work."""
    for words in NAMESPACES:
        line = [*words, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
        try:
            done = subprocess.run(line, capture_output=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return words
    return None


def fetched_on(mounts: str, request: FetchRequest) -> dict[str, Any]:
    """Fetch in a process for which `mounts`, a shell line that knows $1, was run before."""
    words = namespace()
    if words is None:
        pytest.skip("no mount namespaces here")
    request.cache_dir.mkdir(parents=True, exist_ok=True)
    line = f'{mounts} && exec "$2" -m tests.fakes.fetching "$3"'
    done = subprocess.run(
        [*words, "sh", "-c", line, "sh", request.cache_dir, sys.executable, record_of(request)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert "\n" not in (found["error"] or "")
    return found


def test_a_disk_that_fills_during_the_download(server: Server, asked_for: MakeRequest) -> None:
    """Somebody else takes the space that was free at the start."""
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    with files_end_at(120_000), pytest.raises(DataError) as caught:
        fetch(request)
    message = str(caught.value)
    assert "set.zip.part: File too large; what is complete is kept: free some space" in message
    part = request.downloads / "set.zip.part"
    assert part.read_bytes() == DATA[:120_000]
    fetch(request)
    assert server.ranges() == [None, "bytes=120000-"]
    assert (request.downloads / "set.zip").read_bytes() == DATA


def test_a_full_disk_during_the_download(server: Server, asked_for: MakeRequest) -> None:
    """The size is not known before, so that only writing shows that there is no room."""
    data = zip_bytes({"a.bin": noise(3_000_000)})
    url = server.put("set.zip", Page(data, length="chunked"))
    archive = dataclasses.replace(archive_of(data, url), size=None, unpacked=0)
    request = asked_for(archive)
    found = fetched_on('mount -t tmpfs -o size=2m tmpfs "$1"', request)
    assert "No space left on device; what is complete is kept" in found["error"]
    assert 1_500_000 < found["downloads"]["set.zip.part"] < 2_200_000
    assert "set.zip" not in found["downloads"]


def test_a_full_disk_during_unpacking(server: Server, asked_for: MakeRequest) -> None:
    """The set unpacks to more than there is, which the announced size does not tell."""
    data = zip_bytes({f"{n}.bin": bytes(500_000) for n in range(9)}, zipfile.ZIP_DEFLATED)
    archive = archive_of(data, server.put("set.zip", Page(data)))
    tight = 'mount -t tmpfs -o size=3m tmpfs "$1" && mkdir "$1/raw" && '
    tight += 'mount -t tmpfs -o size=2m tmpfs "$1/raw"'
    request = asked_for(dataclasses.replace(archive, unpacked=2_900_000))
    refused = fetched_on(tight, request)
    assert "more than the 2.9 MB it may" in refused["error"]
    roomy = tight.replace("size=3m", "size=30m")
    found = fetched_on(roomy, asked_for(dataclasses.replace(archive, unpacked=5_000_000)))
    assert "No space left on device" in found["error"]
    assert found["downloads"]["set.zip"] == len(data)
    assert found["raw"] == {}


def test_too_little_space_is_told_before_anything_is_asked(
    server: Server, asked_for: MakeRequest
) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    found = fetched_on('mount -t tmpfs -o size=2m tmpfs "$1"', request)
    assert found["error"].startswith(f"{request.cache_dir} has 2.1 MB free, and 10.2 MB are needed")
    assert "(download 200.2 kB, unpacking up to 10.0 MB, prepared form about 0 B)" in found["error"]
    assert server.asked == []


def test_space_is_looked_at_again_when_the_size_is_told(
    server: Server, asked_for: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(DATA, server.put("set.zip", Page(DATA)))
    request = asked_for(dataclasses.replace(archive, size=None, unpacked=1000))
    monkeypatch.setattr(disk, "free_bytes", lambda _: 100_000)
    with pytest.raises(DataError, match=r"200\.2 kB are needed \(the rest of set\.zip\)"):
        fetch(request)
    assert downloads(request) == []


def test_a_read_only_cache(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    found = fetched_on('mount -t tmpfs -o size=90m,ro tmpfs "$1"', request)
    assert "Read-only file system; what is complete is kept" in found["error"]
    assert "choose another place with --cache-dir" in found["error"]
    assert server.asked == []


def test_a_cache_that_turns_read_only(server: Server, asked_for: MakeRequest) -> None:
    """What was downloaded and unpacked before stays usable."""
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    fetch(request)
    found = fetched_on('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', request)
    assert "Read-only file system" in found["error"]
    assert found["downloads"]["set.zip"] == len(DATA)
    assert len(found["raw"]) == 2


@pytest.mark.parametrize("name", ["cache", "cache/downloads", "cache/raw"])
def test_a_file_in_place_of_a_folder(server: Server, asked_for: MakeRequest, name: str) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    path = request.cache_dir.parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    with pytest.raises(DataError, match=r"; what is complete is kept: .* --cache-dir"):
        fetch(request)
    assert path.read_text() == "a file"


def test_a_folder_in_place_of_an_archive(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    (request.downloads / "set.zip").mkdir(parents=True)
    with pytest.raises(DataError, match=r"set\.zip cannot be read \(Is a directory\)"):
        fetch(request)
