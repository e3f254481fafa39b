"""The one place that starts another program."""

import contextlib
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class OvertimeError(TimeoutError):
    """A program that was killed because its time was over; stdout is what it had printed."""

    def __init__(self, message: str, stdout: str) -> None:
        super().__init__(message)
        self.stdout = stdout


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program that ended left behind."""

    returncode: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end and return its exit code and output.

    Raises:
        OvertimeError: it did not end within `timeout_s` seconds; it has been killed.
        FileNotFoundError: there is no such program.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            cwd=cwd,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"{words[0]} did not end within {timeout_s:g} s"
        raise OvertimeError(message, _text(error.stdout)) from error
    return Finished(done.returncode, done.stdout, done.stderr)


def _text(printed: str | bytes | None) -> str:
    """Return what `subprocess` has of a killed program, which is bytes on some systems."""
    return printed.decode(errors="replace") if isinstance(printed, bytes) else printed or ""


@contextlib.contextmanager
def streaming(command: Sequence[str | Path]) -> Iterator[Callable[[], list[str]]]:
    """Run a program inside the block; yields what returns the lines printed since the last call.

    It is ended with the block. One that cannot be started prints nothing.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError:
        yield list
        return

    def collect() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip("\n"))

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    try:
        yield lambda: [lines.get() for _ in range(lines.qsize())]
    finally:
        process.kill()
        process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
