"""Files come into being in a hidden folder, and take their names when all of them are right."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from topformer_cli.deploy.manifest import Manifest
from topformer_cli.errors import ExportError
from topformer_cli.rundir import atomic_write


@contextlib.contextmanager
def staging(output_dir: Path, name: str) -> Iterator[Path]:
    """Yield a hidden folder in the output folder; one that a killed export left goes first."""
    output_dir.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}-export-"
    for old in output_dir.glob(f"{prefix}*"):
        if not _alive(old.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=output_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place(files: Sequence[Path], manifest: Manifest, output_dir: Path) -> Path:
    """Give verified files their names; without its manifest, the last, a set is not whole.

    Raises:
        ExportError: a folder has one of the names; nothing was replaced.
    """
    staged = files[0].with_name(f"{manifest.name}.json")
    for taken in (output_dir / path.name for path in (*files, staged)):
        if taken.is_dir():
            message = f"{taken} is a folder; rename it, or choose another --output-dir"
            raise ExportError(message)
    atomic_write(staged, manifest.model_dump_json(indent=2) + "\n")
    final = output_dir / staged.name
    final.unlink(missing_ok=True)
    for path in (*files, staged):
        path.replace(output_dir / path.name)
    return final


def keep_failed(folder: Path, output_dir: Path, name: str) -> Path:
    """Keep the files of an export that failed its proof under a name that says so."""
    kept = output_dir / f"{name}-parity-failed"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    for path in folder.iterdir():
        path.replace(kept / path.name)
    return kept


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
