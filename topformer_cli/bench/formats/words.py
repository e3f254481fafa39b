"""What a program printed: made fit for a message of one line, or taken as a number."""

import re
from typing import Final

from topformer_cli.bench.station import ShellResult

_LINES: Final = 20
_WIDTH: Final = 200


def shown(done: ShellResult, most: int = _LINES) -> str:
    """Return the first lines of both streams, one after the other."""
    lines = [plain(line) for line in (done.stdout + "\n" + done.stderr).splitlines()]
    return " | ".join([line[:_WIDTH] for line in lines if line][:most]) or "nothing"


def plain(text: str) -> str:
    """Return a text without characters that move the cursor."""
    return "".join(c if c.isprintable() else "?" for c in text).strip()


def number(text: str | None) -> int | None:
    """Return a count that a machine printed, None for anything else."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None
