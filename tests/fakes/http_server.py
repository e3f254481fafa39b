"""A real HTTP server on loopback that misbehaves as it is told, page by page.

It also answers as a forward proxy: a request for http://any.host/page is logged with its host and
answered from the same pages.
"""

import contextlib
import email.utils
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

FIRST_DATE: Final = 1_600_000_000.0
_PIECE: Final = 1 << 13


@dataclass(frozen=True, slots=True)
class Act:
    """How one request is answered.

    status, where it is set, comes with a short page and the headers in place of the file. cut is
    the number of body bytes after which the connection ends, with a reset if that is said.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    wait_s: float = 0.0


@dataclass(slots=True)
class Page:
    """A file at an address.

    script has the acts of the next requests; after them the file is served as it should be.
    length `none` ends the body by closing, `chunked` says it piece by piece, a number is a lie.
    rate is in bytes per second.
    """

    data: bytes
    ranges: bool = True
    conditions: bool = True
    etag: str | None = '"one"'
    modified: float | None = FIRST_DATE
    kind: str = "application/octet-stream"
    length: Literal["right", "none", "chunked"] | int = "right"
    rate: float | None = None
    script: deque[Act] = field(default_factory=deque)

    def change(self, data: bytes) -> None:
        """Put another content at the address."""
        self.data = data
        self.etag = None if self.etag is None else f'"{time.monotonic_ns()}"'
        self.modified = None if self.modified is None else self.modified + 3600

    @property
    def date(self) -> str | None:
        return None if self.modified is None else email.utils.formatdate(self.modified, usegmt=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; host is that of the address, range None where none was asked for."""

    path: str
    host: str
    range: str | None
    condition: str | None
    agent: str


class Server(ThreadingHTTPServer):
    """Pages by path, and what was asked."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, name: str, page: Page) -> str:
        """Serve a page and return its address."""
        self.pages[f"/{name}"] = page
        return f"{self.url}/{name}"

    def ranges(self) -> list[str | None]:
        """Return the ranges that were asked for, in order."""
        return [one.range for one in self.asked]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Serve on a free port inside the block."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        host = parts.netloc or self.headers.get("Host", "")
        path = unquote(parts.path)
        self.server.asked.append(
            Asked(
                path,
                host,
                self.headers.get("Range"),
                self.headers.get("If-Range"),
                self.headers.get("User-Agent", ""),
            )
        )
        page = self.server.pages.get(path)
        if page is None:
            self._tell(HTTPStatus.NOT_FOUND, {})
            return
        act = page.script.popleft() if page.script else Act()
        time.sleep(act.wait_s)
        if act.status is not None:
            self._tell(act.status, act.headers)
        else:
            self._send(page, act)

    def _tell(self, status: int, headers: dict[str, str]) -> None:
        body = b"<html>no file here</html>"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, page: Page, act: Act) -> None:
        start = self._start(page)
        total = len(page.data)
        if start is not None and start >= total:
            self._tell(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {
                "Content-Range": f"bytes */{total}", **self._validators(page),
            })  # fmt: skip
            return
        self.send_response(HTTPStatus.OK if start is None else HTTPStatus.PARTIAL_CONTENT)
        for name, value in {**self._validators(page), **act.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", page.kind)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self._send_body(page, act, page.data[start or 0 :])

    def _start(self, page: Page) -> int | None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if match is None or not page.ranges:
            return None
        if page.conditions and condition is not None and condition not in (page.etag, page.date):
            return None
        return int(match[1])

    def _validators(self, page: Page) -> dict[str, str]:
        pairs = (("ETag", page.etag), ("Last-Modified", page.date))
        return {name: value for name, value in pairs if value is not None}

    def _send_body(self, page: Page, act: Act, body: bytes) -> None:
        if page.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif page.length == "none":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            said = len(body) if page.length == "right" else page.length
            self.send_header("Content-Length", str(said))
            body = body[:said]
        self.end_headers()
        for begin in range(0, len(body) if act.cut is None else act.cut, _PIECE):
            end = begin + _PIECE if act.cut is None else min(begin + _PIECE, act.cut)
            self._write(body[begin:end], chunked=page.length == "chunked")
            if page.rate is not None:
                time.sleep((end - begin) / page.rate)
        if act.cut is not None:
            self._hang_up(reset=act.reset)
        elif page.length == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, piece: bytes, *, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)

    def _hang_up(self, *, reset: bool) -> None:
        self.wfile.flush()
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""
