"""Folders that measurements without an end, or without a phone at their end, have left."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

from topformer_cli.bench.phone.device import Phone

WORK: Final = PurePosixPath("/data/local/tmp")
"""The only folder of a phone that its shell may both write to and execute from."""

PREFIX: Final = "topformer-"


def find_remains(phone: Phone, own: PurePosixPath) -> Sequence[str]:
    """Return the folders of other measurements, of dead ones and of those under way."""
    listed = phone.shell(f"cd {WORK} && ls -d {PREFIX}*").stdout.split()
    return tuple(str(WORK / name) for name in listed if name != own.name)


def remove_remains(phone: Phone, own: PurePosixPath) -> Sequence[str]:
    """Remove the folders in which no process runs; return those.

    Raises:
        DeviceError: one could not be removed.
    """
    live = phone.shell("ls -l /proc/[0-9]*/cwd 2>/dev/null").stdout
    taken = {part for line in live.splitlines() for part in line.rpartition(" -> ")[2].split("/")}
    dead = [path for path in find_remains(phone, own) if PurePosixPath(path).name not in taken]
    for path in dead:
        phone.ask(f"rm -rf {path}")
    return tuple(dead)
