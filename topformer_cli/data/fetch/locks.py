"""One process at a time; the system frees the lock of a dead one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from topformer_cli.data.fetch.disk import writing
from topformer_cli.errors import DataError


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a path inside the block; does not wait for it.

    Raises:
        DataError: another process holds it.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            message = f"{what} by another process; wait until it is done"
            raise DataError(message) from error
        except NotImplementedError as error:
            message = f"{path.parent} lies on a file system without locks; choose --cache-dir"
            raise DataError(message) from error
    try:
        yield
    finally:
        lock.release()
