"""One file over HTTP: what came is kept beside it as NAME.part, so that a later try goes on."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import requests
import urllib3.exceptions

from topformer_cli import __version__
from topformer_cli.errors import DeviceError
from topformer_cli.rundir import write_json
from topformer_cli.units import size_text

_CHUNK: Final = 1 << 16
_HOW_ELSE: Final = "download it by other means and give it with --from FILE"

Heard = Callable[[int, int], None]
"""Hears of bytes that are there and of bytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is waited for, in seconds; only tries without progress count."""

    connect_s: float = 10.0
    read_s: float = 30.0
    deadline_s: float = 1800.0
    tries: int = 4
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Origin:
    url: str
    etag: str | None
    total: int


@dataclass(frozen=True, slots=True)
class _Asked:
    url: str
    magic: bytes
    heard: Heard
    patience: Patience
    until: float


class _Broken(Exception):  # noqa: N818 - a state, ended by another try or by the error it becomes
    """The connection failed; another try may go on."""


class _Part:
    """The beginning of a file, and a note of what it is the beginning of."""

    def __init__(self, whole: Path) -> None:
        self.path = whole.with_name(f"{whole.name}.part")
        self.note = whole.with_name(f"{whole.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def origin(self) -> _Origin | None:
        try:
            return _Origin(**json.loads(self.note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(
    url: str, target: Path, magic: bytes, heard: Heard, patience: Patience | None = None
) -> None:
    """Write what an address holds; magic is how the file must begin.

    Raises:
        DeviceError: the address does not have it, sends something else, or cannot be reached in
            time; what came is kept. An older file of the name stays as it was.
    """
    patience = patience or Patience()
    asked = _Asked(url, magic, heard, patience, time.monotonic() + patience.deadline_s)
    part = _Part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    failures, furthest = 0, part.size
    while True:
        try:
            _receive(asked, part)
            break
        except _Broken as trouble:
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= patience.tries or time.monotonic() >= asked.until:
                kept = f"; {size_text(part.size)} are kept, try again to go on" if part.size else ""
                message = f"{url}: {trouble}{kept}; or {_HOW_ELSE}"
                raise DeviceError(message) from trouble
        except OSError as error:
            message = f"{target} cannot be written ({error.strerror or error})"
            raise DeviceError(message) from error
        time.sleep(patience.pause_s)
    part.path.replace(target)
    part.discard()


def _receive(asked: _Asked, part: _Part) -> None:
    """Ask once and append what comes; return when the file is whole."""
    known = part.origin()
    have = part.size if known and known.etag and known.url == asked.url else 0
    headers = {"Range": f"bytes={have}-", "If-Range": known.etag} if have and known else {}
    with _answer(asked, {name: value for name, value in headers.items() if value}) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.discard()
            message = "the file has changed on the server"
            raise _Broken(message)
        _require_file(asked.url, response)
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            have = 0
        origin = _Origin(asked.url, _strong_etag(response), _total(asked.url, response, have))
        if have == 0:
            part.discard()
            write_json(part.note, asdict(origin))
        _append(asked, response, part, origin)
    if part.size < origin.total:
        message = f"the connection broke off at {part.size} of {origin.total} bytes"
        raise _Broken(message)


@contextlib.contextmanager
def _answer(asked: _Asked, headers: dict[str, str]) -> Iterator[requests.Response]:
    sent = {
        "User-Agent": f"topformer/{__version__} (runner fetch)",
        # A server that compresses would change what is counted and compared.
        "Accept-Encoding": "identity",
        **headers,
    }
    timeout = (asked.patience.connect_s, asked.patience.read_s)
    try:
        with requests.get(asked.url, headers=sent, stream=True, timeout=timeout) as response:
            yield response
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        message = f"{asked.url!r} is no address; give one that begins with https://"
        raise DeviceError(message) from error
    except (requests.exceptions.MissingSchema, requests.TooManyRedirects) as error:
        message = f"{asked.url!r} leads nowhere ({type(error).__name__}); check the address"
        raise DeviceError(message) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _Broken(_reason(error)) from error


def _require_file(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"the server answers {status} {response.reason}"
        raise _Broken(message)
    message = (
        f"{url}: the server answers {status} {response.reason}; there may be no such version, "
        f"or {_HOW_ELSE}"
    )
    raise DeviceError(message)


def _total(url: str, response: requests.Response, have: int) -> int:
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal() or have + int(length) == 0:
        message = f"{url}: the server names no length of the file, or none above 0; {_HOW_ELSE}"
        raise DeviceError(message)
    return have + int(length)


def _strong_etag(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag")
    return None if etag is None or etag.startswith("W/") else etag


def _append(asked: _Asked, response: requests.Response, part: _Part, origin: _Origin) -> None:
    size = part.size
    with part.path.open("ab", buffering=0) as file:
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            if size == 0 and chunk[: len(asked.magic)] != asked.magic[: len(chunk)]:
                part.discard()
                what = "a web page" if chunk.lstrip()[:1] == b"<" else "something else"
                message = f"{asked.url} sent {what}, not a program; {_HOW_ELSE}"
                raise DeviceError(message)
            file.write(chunk)
            size += len(chunk)
            asked.heard(size, origin.total)
            if time.monotonic() >= asked.until:
                message = f"not finished after {asked.patience.deadline_s:.0f} s"
                raise _Broken(message)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return "the server does not answer"
    if isinstance(error, requests.exceptions.SSLError):
        return "the connection is not secure (certificate refused)"
    if isinstance(error, requests.ConnectionError):
        return "the server cannot be reached"
    return f"the connection failed ({type(error).__name__})"
