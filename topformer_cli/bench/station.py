"""What a measurement needs of a machine; a phone behind adb and this host both give it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from topformer_cli.results import CoreUse, DeviceFacts


@dataclass(frozen=True, slots=True)
class ShellResult:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Lines = Callable[[], list[str]]
"""Returns the lines that have come since the last call."""


class Station(Protocol):
    """A machine with a folder for one measurement; names of files are relative to the folder."""

    @property
    def name(self) -> str:
        """How messages call it: a serial, or `this host`."""
        ...

    def facts(self) -> DeviceFacts:
        """Return what it says about itself now."""
        ...

    def free_bytes(self) -> int | None:
        """Return the space left where the folder will lie, None when it does not tell."""
        ...

    def remains(self) -> Sequence[str]:
        """Return the folders that earlier measurements have left."""
        ...

    def open(self) -> None:
        """Create the folder."""
        ...

    def put(self, source: Path | bytes, name: str, *, program: bool = False) -> str:
        """Write a file, verify it there, and return its SHA-256; DeviceError when it cannot."""
        ...

    def run(
        self, words: Sequence[str], core: CoreUse, output: str, deadline_s: float
    ) -> ShellResult:
        """Run a program to its end on its core; an older `output` file is removed first.

        Its stdout holds the kernel's `Cpus_allowed_list` line of the process where it tells.
        DeviceError when it could not be started, MeasurementError when a signal or the deadline
        ended it or the machine went away.
        """
        ...

    def printed(self) -> str:
        """Return what the last program printed before it was cut off; empty if that is unknown."""
        ...

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        ...

    def get(self, name: str) -> bytes:
        """Return the content of a file; DeviceError when there is none."""
        ...

    def read(self, paths: Sequence[str]) -> tuple[str | None, ...]:
        """Return small files of the kernel, None for those that cannot be read."""
        ...

    def stream(self, script: str) -> AbstractContextManager[Lines]:
        """Run a shell script in the background inside the block; nothing where there is none."""
        ...

    def cancel(self) -> None:
        """End what runs there soon; called from another thread."""
        ...

    def thermal_status(self) -> int | None:
        """Return Android's thermal status, 0 to 6; None where there is none."""
        ...

    def close(self) -> str | None:
        """Remove the folder and undo every setting; return what to say when that failed."""
        ...
