"""One request for an archive: from where its part ends to the end of the file.

Ranges and conditions: RFC 9110, sections 13.1.5, 14.2 to 14.4 and 15.5.17.
"""

import contextlib
import email.utils
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import requests
import urllib3.exceptions

from topformer_cli import __version__
from topformer_cli.data.fetch.disk import require_space
from topformer_cli.data.fetch.part import Origin, Part
from topformer_cli.data.fetch.request import Patience
from topformer_cli.data.fetch.track import Track
from topformer_cli.data.fetch.verify import FIRST_BYTES, Mismatch, refuse_other_kind
from topformer_cli.data.spec import Archive
from topformer_cli.units import size_text

_CHUNK: Final = 1 << 16
_REDIRECTS: Final = 10
_LATER: Final = frozenset({408, 425, 429})
_MAX_UNKNOWN: Final = 1 << 40
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Refused(Exception):  # noqa: N818 - these four say what to do next, they are no errors yet
    """This address will not do: go to the next one."""


class Broken(Exception):  # noqa: N818
    """It may work when asked again, pause_s seconds from now if the server says so."""

    def __init__(self, reason: str, *, reached: bool, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.reached = reached
        self.pause_s = pause_s


class Changed(Exception):  # noqa: N818
    """The part is of another content than the server has now: begin again."""


class Cancelled(Exception):  # noqa: N818
    """Somebody asked for the end of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An archive to download: from which addresses in order, and what else the user can do."""

    archive: Archive
    urls: tuple[str, ...]
    part: Part
    patience: Patience
    unverified: bool
    track: Track
    remedy: str

    @property
    def mixes(self) -> bool:
        """Whether a wrong piece would show: then any server may go on with the part."""
        return bool(self.archive.checksums) and not self.unverified


def new_session() -> requests.Session:
    """Return a session with this program's name; proxies and .netrc are the environment's."""
    session = requests.Session()
    session.headers["User-Agent"] = f"topformer/{__version__} (data fetch)"
    # A server that compresses would change what is counted and compared.
    session.headers["Accept-Encoding"] = "identity"
    session.max_redirects = _REDIRECTS
    return session


def receive(wanted: Wanted, url: str, session: requests.Session) -> bool:
    """Ask once and write what comes; return whether it was the whole file in one go.

    Raises:
        Refused: the address does not have it.
        Broken: the connection failed, or the server asks to wait.
        Changed: the part cannot be gone on with.
        Cancelled: the stop event was set.
        DiskError: the part cannot be written.
    """
    have = _usable(wanted, url)
    with _answer(wanted, session, url, have) as response:
        start, origin = _examine(response, wanted, url, have)
        if start is None:
            return False
        _require_space(wanted, origin, start)
        if start == 0:
            wanted.part.begin(origin)
        elif url != (wanted.part.origin() or origin).url:
            wanted.part.go_on(origin)
        _store(response, wanted, origin, start)
    return start == 0


def is_whole(wanted: Wanted) -> bool:
    """Return whether the part has every byte already."""
    origin, have = wanted.part.origin(), wanted.part.size
    if origin is None or have == 0:
        return False
    return have == (wanted.archive.size if origin.total is None else origin.total)


def same_place(one: str, other: str) -> bool:
    """Return whether two addresses differ in nothing but http and https."""
    return one.partition("://")[2] == other.partition("://")[2]


def _usable(wanted: Wanted, url: str) -> int:
    """Return how many bytes of the part may be gone on with at this address."""
    origin, have = wanted.part.origin(), wanted.part.size
    if origin is None or have == 0:
        return 0
    if origin.total is not None and have > origin.total:
        return 0
    same_content = same_place(url, origin.url) and origin.condition is not None
    return have if same_content or (wanted.mixes and origin.total is not None) else 0


@contextlib.contextmanager
def _answer(
    wanted: Wanted, session: requests.Session, url: str, have: int
) -> Iterator[requests.Response]:
    headers = {"Range": f"bytes={have}-"} if have else {}
    origin = wanted.part.origin()
    if have and origin and same_place(origin.url, url) and origin.condition:
        headers["If-Range"] = origin.condition
    patience = wanted.patience
    reached = False
    try:
        with session.get(
            url, headers=headers, stream=True, timeout=(patience.connect_s, patience.read_s)
        ) as response:
            reached = True
            yield response
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        message = "no address that can be asked"
        raise Refused(message) from error
    except requests.TooManyRedirects as error:
        message = f"more than {_REDIRECTS} redirects"
        raise Refused(message) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Broken(_reason(error), reached=reached) from error


def _reason(error: Exception) -> str:
    """Say in a few words why a request failed; the libraries' own words run to many lines."""
    cause: BaseException | None = error
    seen: list[str] = []
    while cause is not None:
        seen.append(f"{type(cause).__name__} {cause}")
        cause = cause.__cause__ or cause.__context__
    text = " ".join(seen)
    for mark, words in _REASONS.items():
        if mark in text:
            return words
    return type(error).__name__


_REASONS: Final = {
    "ProxyError": "the proxy refuses or does not answer",
    "NameResolution": "its name cannot be resolved",
    "getaddrinfo": "its name cannot be resolved",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
    "SSLError": "no secure connection",
    "ConnectTimeout": "does not answer",
    "ReadTimeout": "sends nothing any more",
    "Connection refused": "refuses the connection",
    "Network is unreachable": "no network",
    "No route to host": "no route to it",
    "IncompleteRead": "the connection broke off",
    "RemoteDisconnected": "the connection broke off",
    "ConnectionReset": "the connection broke off",
    "ConnectionError": "the connection broke off",
}


def _examine(
    response: requests.Response, wanted: Wanted, url: str, have: int
) -> tuple[int | None, Origin]:
    """Return the offset of the first byte that comes, None if there is nothing left to come."""
    status = response.status_code
    origin = Origin(
        url=url,
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        total=_total(response),
    )
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        if origin.total == have and not _contradicted(wanted, origin):
            return None, origin
        raise Changed
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _unusable_status(response)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        message = "a web page in place of the file"
        raise Refused(message)
    _require_size(wanted, origin, response)
    if status == HTTPStatus.OK:
        return 0, origin
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != have or _contradicted(wanted, origin):
        if have:
            raise Changed
        message = "sends a piece that was not asked for"
        raise Refused(message)
    return have, origin


def _total(response: requests.Response) -> int | None:
    """Return the size of the whole file, as far as the server tells."""
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("Content-Length", "")
    else:
        length = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(length) if length.isdecimal() else None


def _contradicted(wanted: Wanted, origin: Origin) -> bool:
    """Return whether the part is of another content than this answer."""
    before = wanted.part.origin()
    if before is None:
        return True
    if same_place(before.url, origin.url):
        return before.contradicts(origin)
    return before.total != origin.total


def _unusable_status(response: requests.Response) -> Refused | Broken:
    status = response.status_code
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        pause = _retry_after(response.headers.get("Retry-After", ""))
        return Broken(words, reached=True, pause_s=pause)
    return Refused(words)


def _retry_after(text: str) -> float | None:
    """Return the seconds of a Retry-After header, which may be a date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _require_size(wanted: Wanted, origin: Origin, response: requests.Response) -> None:
    size, total = wanted.archive.size, origin.total
    if total is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
        message = "does not say how long the file is, so that a cut would not show"
        raise Refused(message)
    if total == 0:
        message = "an empty file"
        raise Refused(message)
    if size is not None and total not in (None, size) and not wanted.unverified:
        message = f"has {total} bytes, the published archive {size}"
        raise Refused(message)


def _require_space(wanted: Wanted, origin: Origin, start: int) -> None:
    if origin.total is not None:
        wanted.track.total = origin.total
        what = f"the rest of {wanted.archive.name}"
        require_space(wanted.part.path.parent, origin.total - start, what)


def _store(response: requests.Response, wanted: Wanted, origin: Origin, start: int) -> None:
    """Append what comes; a chunk is written as soon as it is there."""
    size = start
    limit = origin.total or wanted.archive.size or wanted.archive.unpacked or _MAX_UNKNOWN
    with wanted.part.open() as file:
        # Not decoded: some servers name the compression of a .tar.gz as if it were their own.
        for chunk in _from_512(response.raw.stream(_CHUNK, decode_content=False)):
            if wanted.track.stop.is_set():
                raise Cancelled
            if size == 0:
                _refuse_other_kind(wanted, chunk)
            size += len(chunk)
            if size > limit:
                wanted.part.discard()
                message = f"sends more than {size_text(limit)}"
                raise Refused(message)
            wanted.part.append(chunk, file)
            wanted.track.done = size
    expected = wanted.archive.size if origin.total is None else origin.total
    if expected is not None and size < expected:
        message = f"the connection broke off at {size} of {expected} bytes"
        raise Broken(message, reached=True)


def _from_512(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Let the first chunk be long enough to tell what kind of file it begins."""
    first, begun = b"", False
    for chunk in chunks:
        if begun:
            yield chunk
        else:
            first += chunk
            if begun := len(first) >= FIRST_BYTES:
                yield first
    if first and not begun:
        yield first


def _refuse_other_kind(wanted: Wanted, chunk: bytes) -> None:
    try:
        refuse_other_kind(wanted.archive.name, chunk[:FIRST_BYTES])
    except Mismatch as wrong:
        wanted.part.discard()
        raise Refused(str(wrong)) from wrong
