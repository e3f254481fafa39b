"""Prebuilt programs that measure LiteRT models: where Google puts them, and what came.

<cache>/downloads/runners/<name>-<version>/benchmark_model        the program
<cache>/downloads/runners/<name>-<version>/benchmark_model.json   sha256, url and date of first use
<cache>/downloads/runners/<name>-<version>/run_model[.json]       what it is compared with

Nobody publishes their hashes: the first file of a version counts as the version, and another one
is refused until it is asked for. Source of the addresses: litert-cli 0.2.1, litert_cli/core/
constants.py, and google-ai-edge/LiteRT, tflite/g3doc/performance/implementing_delegate.md.
"""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from topformer_cli.bench.formats import run_model
from topformer_cli.bench.programs.download import Heard, Patience, download
from topformer_cli.errors import DeviceError, UsageError
from topformer_cli.rundir import file_sha256, write_json

ELF: Final = b"\x7fELF"
LICENCE: Final = "Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0"


@dataclass(frozen=True, slots=True)
class Published:
    """A program that somebody publishes; address holds {version} where there are several.

    companion: name of the program beside it that shows the output, which it does not write itself.
    """

    name: str
    version: str
    address: str
    about: str
    abi: str = "arm64-v8a"
    licence: str = LICENCE
    companion: str | None = None


PROGRAMS: Final = {
    one.name: one
    for one in (
        Published(
            "litert",
            "2.2.0",
            "https://storage.googleapis.com/litert/binaries/{version}/android_arm64/benchmark_model",
            "LiteRT's benchmark_model: compiled models, CPU and GPU; run_model shows its output",
            companion=run_model.PROGRAM,
        ),
        Published(
            "tflite",
            "nightly",
            "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/"
            "tools/nightly/latest/android_aarch64_benchmark_model",
            "TensorFlow Lite's benchmark_model: the interpreter, CPU and GPU; writes its output",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchWanted:
    """A program to fetch: a key of PROGRAMS, another version of it, and where from.

    url is asked in place of the published address, given is a file that the user has. again
    downloads what is there already, and accepts another file than the first.
    """

    name: str = "litert"
    version: str | None = None
    url: str | None = None
    given: Path | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class FetchedProgram:
    """A program that came, or was there; how: `first use`, `as before` or `replaced`.

    companion: the program that shows its output. missing: why there is none, where one is needed.
    """

    path: Path
    name: str
    version: str
    abi: str
    sha256: str
    source: str
    how: str
    licence: str
    companion: Path | None = None
    missing: str | None = None

    @property
    def origin(self) -> str:
        """What results say of where the program comes from."""
        return f"{self.name} {self.version}, {self.source}"


@dataclass(frozen=True, slots=True)
class _FirstUse:
    sha256: str
    url: str
    date: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file of a program: where it goes, where it is published, and the user's own."""

    place: Path
    url: str
    given: Path | None

    def beside(self, name: str) -> "_Piece":
        url = f"{self.url.rpartition('/')[0]}/{name}"
        return _Piece(self.place.with_name(name), url, self.given and self.given.with_name(name))


@dataclass(frozen=True, slots=True)
class _Transfer:
    again: bool
    heard: Heard
    patience: Patience | None


def fetch_program(
    wanted: FetchWanted, cache_dir: Path, heard: Heard, patience: Patience | None = None
) -> FetchedProgram:
    """Return the program, downloaded unless it is there already.

    Raises:
        UsageError: nobody publishes a program of that name, or not in several versions.
        DeviceError: it cannot be had, is no program, or not the file that it was.
    """
    published, version = _published(wanted)
    url = wanted.url or published.address.format(version=version)
    folder = cache_dir / "downloads" / "runners" / f"{published.name}-{version}"
    piece = _Piece(folder / "benchmark_model", url, wanted.given)
    transfer = _Transfer(wanted.again, heard, patience)
    known, how = _obtain(piece, transfer)
    companion, missing = _obtain_companion(piece, published.companion, transfer)
    return FetchedProgram(
        path=piece.place,
        name=published.name,
        version=version,
        abi=published.abi,
        sha256=known.sha256,
        source=known.url,
        how=how,
        licence=published.licence,
        companion=companion,
        missing=missing,
    )


def _obtain_companion(
    piece: _Piece, name: str | None, transfer: _Transfer
) -> tuple[Path | None, str | None]:
    """Return the program beside another, or why it cannot be had: times come without it."""
    if name is None:
        return None, None
    companion = piece.beside(name)
    try:
        _obtain(companion, transfer)
    except DeviceError as error:
        return None, str(error)
    return companion.place, None


def _obtain(piece: _Piece, transfer: _Transfer) -> tuple[_FirstUse, str]:
    place = piece.place
    first = _first_use(place)
    to_fetch = piece.given or transfer.again or not place.is_file()
    if first and not to_fetch and file_sha256(place) == first.sha256:
        return first, "as before"
    incoming = place.with_name(f"{place.name}.new")
    if piece.given:
        _copy(piece.given, incoming)
    else:
        download(piece.url, incoming, ELF, transfer.heard, transfer.patience)
    source = str(piece.given.resolve()) if piece.given else piece.url
    came = _FirstUse(file_sha256(incoming), source, datetime.now(UTC).date().isoformat())
    how = _compare(first, came, incoming, again=transfer.again)
    if how != "as before":
        write_json(_note(place), asdict(came))
    incoming.chmod(0o755)
    incoming.replace(place)
    return (first if first and how == "as before" else came), how


def _published(wanted: FetchWanted) -> tuple[Published, str]:
    published = PROGRAMS.get(wanted.name)
    if published is None:
        message = f"no program {wanted.name!r} is known; choose from {', '.join(PROGRAMS)}"
        raise UsageError(message)
    version = wanted.version or published.version
    if not re.fullmatch(r"\w[\w.+-]*", version, re.ASCII):
        message = f"version {version!r}: give one such as {published.version}"
        raise UsageError(message)
    if version != published.version and "{version}" not in published.address and not wanted.url:
        message = (
            f"{published.name} is published as {published.version} only, not as {version!r}; "
            "leave --version out or give its address with --url"
        )
        raise UsageError(message)
    return published, version


def _compare(first: _FirstUse | None, came: _FirstUse, incoming: Path, *, again: bool) -> str:
    if first is None:
        return "first use"
    if first.sha256 == came.sha256:
        return "as before"
    if again:
        return "replaced"
    incoming.unlink()
    message = (
        f"{came.url} is not the file that was first used on {first.date} (SHA-256 "
        f"{came.sha256[:16]}..., then {first.sha256[:16]}...); numbers of the two do not compare; "
        "take it with --again"
    )
    raise DeviceError(message)


def _copy(given: Path, incoming: Path) -> None:
    try:
        with given.open("rb") as file:
            head = file.read(len(ELF))
        if head != ELF:
            message = f"{given} is no program for Android (the mark ELF is missing)"
            raise DeviceError(message)
        incoming.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(given, incoming)
    except OSError as error:
        message = f"{given} cannot be copied to the cache ({error.strerror or error})"
        raise DeviceError(message) from error


def _note(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _first_use(place: Path) -> _FirstUse | None:
    note = _note(place)
    try:
        return _FirstUse(**json.loads(note.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        message = f"{note} is damaged; remove it, and the program beside it counts as new"
        raise DeviceError(message) from error
