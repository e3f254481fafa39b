"""What a server's answer means for the file that is asked for.

Ranges and conditions: RFC 9110, sections 13.1.5, 14.2 to 14.4 and 15.5.17.
"""

import email.utils
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import requests

from topformer_cli.data.fetch.part import Origin
from topformer_cli.data.fetch.wanted import (
    Broken,
    Changed,
    Refused,
    Wanted,
    same_place,
    without_user,
)

WEB_PAGE: Final = "a web page in place of the file"
_LATER: Final = frozenset({408, 425, 429})
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Coming:
    """What comes: from which byte on, of what; start is the size where nothing is left to come."""

    start: int
    origin: Origin
    nothing_left: bool = False


def examine(response: requests.Response, wanted: Wanted, url: str, have: int) -> Coming:
    """Return what the answer to a request for the bytes from `have` on brings.

    Raises:
        Refused: not the file; nothing of the part is lost.
        Broken: not now.
        Changed: not what the part is the beginning of.
    """
    status = response.status_code
    origin = Origin(
        url=without_user(url),
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        total=_total(response),
    )
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
        if origin.total == have and not _contradicted(wanted, origin):
            return Coming(have, origin, nothing_left=True)
        raise Changed
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _other_status(response)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise Refused(WEB_PAGE)
    _require_size(wanted, origin, response)
    if status == HTTPStatus.OK:
        return Coming(0, origin)
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not have:
        message = "sends a piece that was not asked for"
        raise Refused(message)
    if match is None or int(match[1]) != have or _contradicted(wanted, origin):
        raise Changed
    return Coming(have, origin)


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


def _other_status(response: requests.Response) -> Refused | Broken:
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


def reason(error: Exception) -> str:
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


_BROKE_OFF: Final = "the connection broke off"
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
    "IncompleteRead": _BROKE_OFF,
    "RemoteDisconnected": _BROKE_OFF,
    "ConnectionReset": _BROKE_OFF,
    "ConnectionError": _BROKE_OFF,
}
"""What libraries' errors hold -> what is said, the most telling first."""
