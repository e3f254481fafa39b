"""A loopback server, sets made of what it serves, and a watcher that remembers."""

import dataclasses
import hashlib
import io
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.http_server import Server, serving
from topformer_cli.data.datasets import ade20k
from topformer_cli.data.fetch.request import FetchRequest, Patience
from topformer_cli.data.spec import Archive, DatasetSpec

QUICK: Final = Patience(
    connect_s=2.0, read_s=0.5, first_tries=2, tries=4, pause_s=0.01, longest_s=0.05
)
MakeRequest = Callable[..., FetchRequest]


@dataclass(slots=True)
class Watching:
    """A watcher that remembers, and acts when it hears of progress."""

    act: Callable[[str, int, int], None] = lambda *_: None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def progress(self, what: str, done: int, total: int, text: str = "") -> None:
        assert done >= 0, (what, text)
        if what not in self.steps:
            self.steps.append(what)
        self.act(what, done, total)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the proxies of the machine out of the way of loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def zip_bytes(members: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2016, 7, 1, 12, 0, 0)), data, kind)
    return out.getvalue()


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def a_zip(size: int = 200_000, seed: int = 0) -> bytes:
    """Return a zip of about so many bytes that cannot be guessed."""
    return zip_bytes({"set/one.bin": noise(size // 2, seed), "set/two.bin": noise(size // 2, 1)})


def archive_of(data: bytes, *urls: str, name: str = "set.zip") -> Archive:
    """Return an archive whose size and checksum are published."""
    return Archive(
        name=name,
        urls=urls,
        size=len(data),
        unpacked=10_000_000,
        checksums={"sha256": hashlib.sha256(data).hexdigest()},
    )


def unpublished(archive: Archive) -> Archive:
    """Return the archive as if nobody had published its size and checksum."""
    return dataclasses.replace(archive, size=None, checksums={})


def spec_of(*archives: Archive) -> DatasetSpec:
    return dataclasses.replace(ade20k.SPEC, archives=archives)


@pytest.fixture
def asked_for(tmp_path: Path) -> MakeRequest:
    """Return a maker of requests that end with the unpacked tree."""

    def make(*archives: Archive, **changes: object) -> FetchRequest:
        request = FetchRequest(
            spec=spec_of(*archives),
            cache_dir=tmp_path / "cache",
            accept_terms=True,
            prepare=False,
            patience=QUICK,
        )
        return dataclasses.replace(request, **changes)  # type: ignore[arg-type]

    return make


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a tree that are not hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def downloads(request: FetchRequest) -> list[str]:
    """Return what lies in the folder of archives, but for locks and the ledger."""
    return sorted(
        path.name
        for path in request.downloads.iterdir()
        if not path.name.startswith(".") and path.name != "ledger.json"
    )
