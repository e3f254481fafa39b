"""One connection to a service of a phone, whose every byte is under one wall-clock deadline.

adbutils starts the server and lists phones. Its connections are not used: they bound each recv
instead of the whole, and start a new server when the old one died, which hides that it did.
Source of the format: AOSP adb, docs/dev/services.md.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from adbutils import AdbClient
from adbutils.errors import AdbError

from topformer_cli.bench.adb.failures import CutError, LinkLostError, named_failures

CHUNK: Final = 64 * 1024
CONNECT_S: Final = 10.0
CANCELLED: Final = "the measurement was cancelled"


class Deadline:
    """A moment by which something must be finished."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds left.

        Raises:
            TimeoutError: none is.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            message = f"not finished within {self.seconds:g} s"
            raise TimeoutError(message)
        return left


class Cutter:
    """Hangs up, from any thread, every wire of a link; new ones are refused until `mend`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wires: set[Wire] = set()
        self.is_cut = False

    def cut(self) -> None:
        """End what is under way, and what would begin."""
        with self._lock:
            self.is_cut = True
            for wire in self._wires:
                wire.hang_up()

    def mend(self) -> None:
        """Let wires be opened again, to clean up."""
        self.is_cut = False

    def add(self, wire: "Wire") -> None:
        """Know a wire from now on.

        Raises:
            CutError: there may be none.
        """
        with self._lock:
            if self.is_cut:
                raise CutError(CANCELLED)
            self._wires.add(wire)

    def forget(self, wire: "Wire") -> None:
        """Know a wire no longer."""
        with self._lock:
            self._wires.discard(wire)


@dataclass(frozen=True, slots=True)
class Link:
    """A phone as the adb server knows it."""

    client: AdbClient
    serial: str
    cutter: Cutter = field(default_factory=Cutter, compare=False)

    @property
    def server(self) -> tuple[str, int]:
        """Host and port of the adb server."""
        return self.client.host, self.client.port


class Wire:
    """An open service; services that only choose a phone come first in the row."""

    def __init__(self, link: Link, services: Sequence[str], deadline: Deadline) -> None:
        self._deadline = deadline
        limit = min(deadline.remaining(), CONNECT_S)
        self._socket = socket.create_connection(link.server, timeout=limit)
        try:
            for service in services:
                self._request(service.encode())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up and free the socket."""
        self.hang_up()
        self._socket.close()

    def hang_up(self) -> None:
        """End the connection; whoever waits for its bytes stops waiting."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        """Send all of the data."""
        self._socket.settimeout(self._deadline.remaining())
        self._socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            EOFError: the other end closed first.
        """
        parts = []
        while size:
            self._socket.settimeout(self._deadline.remaining())
            part = self._socket.recv(min(size, CHUNK))
            if not part:
                message = f"closed {size} bytes too early"
                raise EOFError(message)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def block(self) -> str:
        """Return a text that its length goes before, in four hexadecimal digits."""
        return self.receive(int(self.receive(4), 16)).decode(errors="replace")

    def _request(self, service: bytes) -> None:
        self.send(b"%04x" % len(service) + service)
        answer = self.receive(4)
        if answer != b"OKAY":
            raise AdbError(self.block() if answer == b"FAIL" else f"answered {answer!r}")


@contextmanager
def open_wire(link: Link, service: str, deadline_s: float) -> Iterator[Wire]:
    """Open a service of the phone, closed at the end.

    Raises:
        DeadlineError: it was not finished in time.
        CutError: another thread cancelled.
        LinkLostError: the connection broke.
        DeviceError: adb or the phone refused.
    """
    try:
        with named_failures(link.serial, deadline_s), _opened(link, service, deadline_s) as wire:
            yield wire
    except LinkLostError as error:
        if link.cutter.is_cut and not isinstance(error, CutError):
            raise CutError(CANCELLED) from error
        raise


@contextmanager
def _opened(link: Link, service: str, deadline_s: float) -> Iterator[Wire]:
    wire = Wire(link, (f"host:transport:{link.serial}", service), Deadline(deadline_s))
    try:
        link.cutter.add(wire)
        yield wire
    finally:
        link.cutter.forget(wire)
        wire.close()
