"""Give a finished bundle its name, in place of an earlier one but of nothing else."""

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from topformer_cli.deploy.artifact import describe_file
from topformer_cli.errors import ExportError

MANIFEST: Final = "bundle.json"
KIND: Final = "topformer bundle"


def refuse_strangers(folder: Path) -> None:
    """Refuse a folder that holds anything but an untouched earlier bundle.

    Raises:
        ExportError: names what would be lost.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not folder.is_dir():
        message = f"{folder}: is a file; name a folder for the bundle"
        raise ExportError(message)
    if not folder.exists():
        return
    files = _listed(folder)
    if files is None:
        message = f"{folder}: exists and is no earlier bundle (no {MANIFEST}); name a new folder"
        raise ExportError(message)
    if foreign := _foreign(folder, files):
        message = (
            f"{folder}: holds {foreign}, which is not as the earlier bundle had it; move it away "
            "or name a new folder"
        )
        raise ExportError(message)


def take_name(made: Path, folder: Path) -> None:
    """Rename a finished bundle; an earlier one goes when the new one has its name.

    made must lie in a hidden folder that its owner removes.
    """
    earlier = made.with_name("earlier")
    if folder.exists():
        folder.replace(earlier)
    try:
        made.replace(folder)
    except OSError:
        if earlier.exists():
            earlier.replace(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _listed(folder: Path) -> Mapping[str, Any] | None:
    """Return the files of the bundle that lies in a folder, None if there is none."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        record = json.loads((folder / MANIFEST).read_bytes())
        if record["kind"] == KIND:
            return dict(record["files"])
    return None


def _foreign(folder: Path, files: Mapping[str, Any]) -> str | None:
    """Return a file that the bundle did not have, or had with another content."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or (path.is_file() and name != MANIFEST and name not in files):
            return name
        if path.is_file() and name in files and describe_file(path).sha256 != files[name]:
            return f"a changed {name}"
    return None
