"""The three adb services that bench uses, each with one wall-clock deadline.

adbutils opens the connections. Its own shell and sync calls are not used: they bound each recv
instead of the whole, lose what was printed before a cut, lose the phone's reason for a failed
push, and report success for a file that is not there.
Source of the formats: AOSP adb, docs/dev/{services,sync}.md and shell_protocol.h.
"""

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from adbutils import AdbClient
from adbutils.errors import AdbError, AdbTimeout

from topformer_cli.errors import DeviceError

CHUNK: Final = 64 * 1024
REGULAR_FILE: Final = 0o100000
STDOUT, STDERR, EXIT = 1, 2, 3


class LinkLostError(DeviceError):
    """The connection ended before the answer was whole; stdout is what had arrived."""

    def __init__(self, message: str, stdout: str = "") -> None:
        super().__init__(message)
        self.stdout = stdout


class DeadlineError(LinkLostError):
    """The answer was not whole when its time was over."""


@dataclass(frozen=True, slots=True)
class ShellResult:
    """What a command on the phone left behind."""

    returncode: int
    stdout: str
    stderr: str


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


@dataclass(frozen=True, slots=True)
class Link:
    """A phone as the adb server knows it."""

    client: AdbClient
    serial: str


class Wire:
    """One service connection whose every byte is under the deadline."""

    def __init__(self, link: Link, services: Sequence[str], deadline: Deadline) -> None:
        self._deadline = deadline
        self._connection = link.client.make_connection(timeout=min(deadline.remaining(), 10.0))
        try:
            for service in services:
                self._connection.send_command(service)
                self._connection.check_okay()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def send(self, data: bytes) -> None:
        """Send all of the data."""
        self._connection.conn.settimeout(self._deadline.remaining())
        self._connection.conn.sendall(data)

    def receive(self, size: int) -> bytes:
        """Return exactly this many bytes.

        Raises:
            EOFError: the other end closed first.
        """
        parts = []
        while size:
            self._connection.conn.settimeout(self._deadline.remaining())
            part = self._connection.conn.recv(min(size, CHUNK))
            if not part:
                message = f"closed {size} bytes too early"
                raise EOFError(message)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


@contextmanager
def open_wire(link: Link, service: str, deadline_s: float) -> Iterator[Wire]:
    """Open a service of the phone, closed at the end.

    Raises:
        DeadlineError: it was not finished in time.
        LinkLostError: the connection broke.
        DeviceError: adb or the phone refused.
    """
    with named_failures(link.serial, deadline_s):
        wire = Wire(link, (f"host:transport:{link.serial}", service), Deadline(deadline_s))
        try:
            yield wire
        finally:
            wire.close()


@contextmanager
def named_failures(serial: str, deadline_s: float) -> Iterator[None]:
    """Turn whatever breaks a connection into one line that names the phone."""
    try:
        yield
    except (TimeoutError, AdbTimeout) as error:
        message = f"{serial} did not answer within {deadline_s:g} s"
        raise DeadlineError(message) from error
    except (EOFError, OSError) as error:
        message = f"the connection to {serial} broke ({error})"
        raise LinkLostError(message) from error
    except AdbError as error:
        raise refusal(serial, error) from error


def features(link: Link, deadline_s: float) -> frozenset[str]:
    """Return what the phone's adb daemon can do."""
    with named_failures(link.serial, deadline_s):
        service = f"host-serial:{link.serial}:features"
        wire = Wire(link, (service,), Deadline(deadline_s))
        try:
            return frozenset(wire.receive(int(wire.receive(4), 16)).decode().split(","))
        finally:
            wire.close()


@dataclass(slots=True)
class _Streams:
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def text(self) -> tuple[str, str]:
        return self.out.decode(errors="replace"), self.err.decode(errors="replace")


def shell(link: Link, command: str, deadline_s: float) -> ShellResult:
    """Run a command by the shell v2 protocol, which keeps streams apart and tells the exit code.

    Raises:
        LinkLostError: the connection broke or the deadline passed before the exit code came;
            carries what was printed until then.
    """
    streams = _Streams()
    try:
        with open_wire(link, f"shell,v2:{command}", deadline_s) as wire:
            code = _read_frames(wire, streams)
    except LinkLostError as error:
        error.stdout = streams.text()[0]
        raise
    return ShellResult(code, *streams.text())


def _read_frames(wire: Wire, streams: _Streams) -> int:
    while True:
        kind, size = struct.unpack("<BI", wire.receive(5))
        content = wire.receive(size)
        if kind == STDOUT:
            streams.out += content
        elif kind == STDERR:
            streams.err += content
        elif kind == EXIT and content:
            return content[0]


def push(link: Link, content: bytes, remote: str, mode: int, deadline_s: float) -> None:
    """Write a file on the phone.

    Raises:
        DeviceError: with the phone's own reason, such as `No space left on device`.
        LinkLostError: the connection broke or stalled.
    """
    with open_wire(link, "sync:", deadline_s) as wire:
        target = f"{remote},{REGULAR_FILE | mode}".encode()
        try:
            wire.send(b"SEND" + struct.pack("<I", len(target)) + target)
            for start in range(0, len(content), CHUNK):
                chunk = content[start : start + CHUNK]
                wire.send(b"DATA" + struct.pack("<I", len(chunk)) + chunk)
            wire.send(b"DONE" + struct.pack("<I", int(time.time())))
        except (BrokenPipeError, ConnectionResetError):
            _reply(wire, remote)  # the phone hangs up after saying why; the reason comes first
            raise
        _reply(wire, remote)
        wire.send(b"QUIT" + struct.pack("<I", 0))


def pull(link: Link, remote: str, deadline_s: float) -> bytes:
    """Return the content of a regular file.

    Raises:
        DeviceError: there is no such file, it cannot be read, or it arrived short.
        LinkLostError: the connection broke or stalled.
    """
    path = remote.encode()
    with open_wire(link, "sync:", deadline_s) as wire:
        wire.send(b"STAT" + struct.pack("<I", len(path)) + path)
        _, mode, size, _ = struct.unpack("<4s3I", wire.receive(16))
        if not mode & REGULAR_FILE:
            message = f"{remote} is no file on {link.serial}"
            raise DeviceError(message)
        wire.send(b"RECV" + struct.pack("<I", len(path)) + path)
        parts = list(_chunks(wire, remote))
        wire.send(b"QUIT" + struct.pack("<I", 0))
    content = b"".join(parts)
    if len(content) & 0xFFFFFFFF != size:  # STAT counts in 32 bits
        message = f"{remote} on {link.serial}: {len(content)} bytes arrived of {size}"
        raise DeviceError(message)
    return content


def _chunks(wire: Wire, remote: str) -> Iterator[bytes]:
    while True:
        kind, size = struct.unpack("<4sI", wire.receive(8))
        if kind == b"DONE":
            return
        content = wire.receive(size)
        if kind != b"DATA":
            message = f"{remote}: {content.decode(errors='replace')}"
            raise DeviceError(message)
        yield content


def _reply(wire: Wire, remote: str) -> None:
    kind, size = struct.unpack("<4sI", wire.receive(8))
    if kind != b"OKAY":
        reason = wire.receive(size).decode(errors="replace")
        message = f"{remote} could not be written: {reason}"
        raise DeviceError(message)


def refusal(serial: str, error: AdbError) -> DeviceError:
    """Return the one line, with its remedy, for what the adb server said of a phone."""
    text = str(error).splitlines()[0] if str(error) else "the adb server hung up"
    if "unauthorized" in text:
        return DeviceError(remedy(serial, "unauthorized"))
    if "offline" in text:
        return LinkLostError(remedy(serial, "offline"))
    if "not found" in text:
        return LinkLostError(f"{serial} is not connected; see `adb devices`")
    if "closed" in text or "hung up" in text:
        return LinkLostError(f"the connection to {serial} broke ({text})")
    if "No adb exe" in text or "connect to adb server" in text:
        return DeviceError(
            f"no adb server ({text}); install Android's platform-tools (apt install adb, "
            "brew install android-platform-tools) and run `adb devices`"
        )
    return DeviceError(f"{serial}: {text}")


REMEDIES: Final = {
    "unauthorized": "unlock the phone and accept its debugging question",
    "authorizing": "unlock the phone and accept its debugging question",
    "offline": "replug it, or run `adb reconnect`",
    "no": "it lacks USB permissions; see `adb devices` for the udev rule",
    "recovery": "it is in recovery mode; restart it",
    "sideload": "it is in sideload mode; restart it",
    "bootloader": "it is in its bootloader; restart it",
}


def remedy(serial: str, state: str) -> str:
    """Return the line for a phone that is listed but cannot be used."""
    return f"{serial} is {state}: {REMEDIES.get(state, 'reconnect it and see `adb devices`')}"
