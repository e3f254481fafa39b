"""Reading a file that may be anything: never more of it than a bound, never a device or a pipe."""

import stat
from pathlib import Path

from topformer_cli.errors import ExportError


def read_bounded(path: Path, kind: str, limit: int) -> bytes:
    """Return the bytes of a regular file of at most limit bytes.

    Raises:
        ExportError: it cannot be read, is no regular file or is larger; names the file.
    """
    try:
        status = path.stat()
        # A pipe or /dev/zero has size 0 and never ends.
        if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
            with path.open("rb") as file:
                return file.read(limit)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{path}: cannot be read as a {kind} file ({reason})"
        raise ExportError(message) from error
    if stat.S_ISREG(status.st_mode):
        message = f"{path}: larger than {limit >> 20} MiB, this is no {kind} file"
    else:
        message = f"{path}: cannot be read as a {kind} file (a folder or a device)"
    raise ExportError(message)
