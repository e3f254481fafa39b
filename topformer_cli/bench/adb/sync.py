"""Files to and from a phone; a failed push keeps the phone's own reason.

Source of the format: AOSP adb, docs/dev/sync.md.
"""

import struct
import time
from collections.abc import Iterator
from typing import Final

from topformer_cli.bench.adb.wire import CHUNK, Link, Wire, open_wire
from topformer_cli.errors import DeviceError

REGULAR_FILE: Final = 0o100000


def push(link: Link, content: bytes, remote: str, mode: int, deadline_s: float) -> None:
    """Write a file on the phone.

    Raises:
        DeviceError: with the phone's own reason, such as `No space left on device`.
        LinkLostError: the connection broke or stalled.
    """
    what = f"{remote} on {link.serial}"
    with open_wire(link, "sync:", deadline_s) as wire:
        target = f"{remote},{REGULAR_FILE | mode}".encode()
        try:
            wire.send(b"SEND" + struct.pack("<I", len(target)) + target)
            for start in range(0, len(content), CHUNK):
                chunk = content[start : start + CHUNK]
                wire.send(b"DATA" + struct.pack("<I", len(chunk)) + chunk)
            wire.send(b"DONE" + struct.pack("<I", int(time.time())))
        except (BrokenPipeError, ConnectionResetError):
            _reply(wire, what)  # the phone hangs up after saying why; the reason comes first
            raise
        _reply(wire, what)
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


def _reply(wire: Wire, what: str) -> None:
    kind, size = struct.unpack("<4sI", wire.receive(8))
    if kind != b"OKAY":
        reason = wire.receive(size).decode(errors="replace")
        message = f"{what} could not be written: {reason}"
        raise DeviceError(message)
