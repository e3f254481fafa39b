"""Commands by the shell v2 protocol, which keeps streams apart and tells the exit code.

Source of the format: AOSP adb, shell_protocol.h.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from topformer_cli.bench.adb.wire import Link, Wire, open_wire
from topformer_cli.bench.station import ShellResult

STDOUT: Final = 1
STDERR: Final = 2
EXIT: Final = 3


@dataclass(slots=True)
class Streams:
    """What a command has printed so far; it stays when the command never ends."""

    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    @property
    def stdout(self) -> str:
        """The first stream as text."""
        return self.out.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """The second stream as text."""
        return self.err.decode(errors="replace")


def shell(
    link: Link, command: str, deadline_s: float, streams: Streams | None = None
) -> ShellResult:
    """Run a command to its end.

    Raises:
        LinkLostError: the connection broke or the deadline passed before the exit code came;
            the given streams hold what was printed until then.
    """
    heard = Streams() if streams is None else streams
    with open_wire(link, f"shell,v2:{command}", deadline_s) as wire:
        code = _until_exit(wire, heard)
    return ShellResult(code, heard.stdout, heard.stderr)


def _until_exit(wire: Wire, heard: Streams) -> int:
    while True:
        kind, content = frame(wire)
        if kind == STDOUT:
            heard.out += content
        elif kind == STDERR:
            heard.err += content
        elif kind == EXIT and content:
            return content[0]


def frame(wire: Wire) -> tuple[int, bytes]:
    """Return kind and content of what arrives next.

    Raises:
        EOFError: the connection ended.
    """
    kind, size = struct.unpack("<BI", wire.receive(5))
    return kind, wire.receive(size)
