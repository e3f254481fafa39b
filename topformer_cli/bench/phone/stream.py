"""A script that runs on a phone in the background and whose lines are read as they come."""

import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from topformer_cli.bench.adb import Wire, open_wire
from topformer_cli.bench.adb.shell import STDOUT, frame
from topformer_cli.bench.phone.device import Phone
from topformer_cli.bench.phone.execution import Workplace
from topformer_cli.bench.station import Lines
from topformer_cli.errors import DeviceError

LONGEST_S: Final = 24 * 3600.0
ENDS_WITHIN_S: Final = 5.0
_PID: Final = re.compile(r"sampler pid ([0-9]{1,9})")


class _Listener:
    """What has come from the script and was not handed out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = bytearray()
        self._pid: int | None = None

    def listen(self, wire: Wire) -> None:
        """Collect until the connection ends, from whichever side."""
        with suppress(EOFError, OSError):
            while True:
                kind, content = frame(wire)
                if kind == STDOUT:
                    with self._lock:
                        self._text += content

    def lines(self) -> list[str]:
        """Return the whole lines that have come since the last call."""
        with self._lock:
            whole, newline, rest = self._text.rpartition(b"\n")
            self._text = bytearray(rest)
        lines = (whole + newline).decode(errors="replace").splitlines()
        if self._pid is None and lines and (match := _PID.fullmatch(lines[0])):
            self._pid = int(match[1])
            lines.pop(0)
        return lines

    def pid(self) -> int | None:
        """Return the script's process, which its first line names."""
        self.lines()
        return self._pid


@contextmanager
def phone_stream(phone: Phone, workplace: Workplace, script: str) -> Iterator[Lines]:
    """Run a script inside the block; nothing comes when it cannot be, or not any more.

    It runs in the folder, so that its process is known as one of the measurement.
    """
    listener = _Listener()
    folder = shlex.quote(str(workplace.folder))
    command = f'cd {folder} && echo "sampler pid $$" && {{ {script}\n}}'
    with ExitStack() as stack:
        with suppress(DeviceError):
            wire = stack.enter_context(open_wire(phone.link, f"shell,v2:{command}", LONGEST_S))
            thread = threading.Thread(target=listener.listen, args=(wire,), daemon=True)
            thread.start()
            stack.callback(thread.join, ENDS_WITHIN_S)
            stack.callback(wire.hang_up)
        try:
            yield listener.lines
        finally:
            stack.close()
            _end(phone, workplace, listener.pid())


def _end(phone: Phone, workplace: Workplace, pid: int | None) -> None:
    """Make sure of the end; a phone that is gone has nothing to end."""
    if pid is not None:
        with suppress(DeviceError):
            phone.shell(workplace.kill_command(pid))
