"""One request for an archive: from where its part ends to the end of the file."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

import requests
import urllib3.exceptions

from topformer_cli import __version__
from topformer_cli.data.fetch.answer import Coming, examine, reason
from topformer_cli.data.fetch.disk import require_space
from topformer_cli.data.fetch.verify import FIRST_BYTES, Mismatch, refuse_other_kind
from topformer_cli.data.fetch.wanted import Broken, Cancelled, Refused, Wanted
from topformer_cli.units import size_text

_CHUNK: Final = 1 << 16
_REDIRECTS: Final = 10
_NO_LIMIT: Final = 1 << 40


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
    have, condition = wanted.usable(url)
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and condition:
        headers["If-Range"] = condition
    with _asked(wanted, session, url, headers) as response:
        coming = examine(response, wanted, url, have)
        if coming.nothing_left:
            return False
        if coming.origin.total is not None:
            wanted.track.total = coming.origin.total
            rest = coming.origin.total - coming.start
            require_space(wanted.part.whole.parent, rest, f"the rest of {wanted.archive.name}")
        # Not decoded: some servers name the compression of a .tar.gz as if it were their own.
        chunks = response.raw.stream(_CHUNK, decode_content=False)
        _store(chunks, wanted, coming)
    return coming.start == 0


@contextlib.contextmanager
def _asked(
    wanted: Wanted, session: requests.Session, url: str, headers: dict[str, str]
) -> Iterator[requests.Response]:
    timeout = (wanted.patience.connect_s, wanted.patience.read_s)
    reached = False
    try:
        with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
            reached = True
            yield response
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        message = "no address that can be asked"
        raise Refused(message) from error
    except requests.TooManyRedirects as error:
        message = f"more than {_REDIRECTS} redirects"
        raise Refused(message) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Broken(reason(error), reached=reached) from error


def _store(chunks: Iterator[bytes], wanted: Wanted, coming: Coming) -> None:
    """Append what comes; a chunk is written as soon as it is there."""
    part, size, total = wanted.part, coming.start, coming.origin.total
    if size == 0:
        first, chunks = _begun(chunks)
        # Before the old part goes: a page of apology must not cost what is there.
        _refuse_other_kind(wanted, first)
        part.begin(coming.origin)
    elif coming.origin != part.origin():
        part.go_on(coming.origin)
    limit = total or wanted.archive.size or wanted.archive.unpacked or _NO_LIMIT
    with part.open() as file:
        for chunk in chunks:
            if wanted.track.stop.is_set():
                raise Cancelled
            size += len(chunk)
            if size > limit:
                part.discard()
                message = f"sends more than {size_text(limit)}"
                raise Refused(message)
            part.append(chunk, file)
            wanted.track.done = size
    expected = wanted.archive.size if total is None else total
    if expected is not None and size < expected:
        message = f"the connection broke off at {size} of {expected} bytes"
        raise Broken(message, reached=True)


def _begun(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return as many first bytes as tell a file's kind, and all chunks, those included."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= FIRST_BYTES:
            break
    return first, _chained(first, chunks)


def _chained(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _refuse_other_kind(wanted: Wanted, first: bytes) -> None:
    try:
        refuse_other_kind(wanted.archive.name, first[:FIRST_BYTES])
    except Mismatch as wrong:
        raise Refused(str(wrong)) from wrong
