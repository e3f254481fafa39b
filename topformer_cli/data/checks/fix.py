"""Mends the files of a raw set where that is safe; originals are kept beside them.

images/train/a.jpg              the image as it was
images/train/.originals/a.jpg   where it is afterwards; pairing looks into no hidden folder
images/train/a.png              what it became

The original has its second name before the new content takes the first one, so a kill at any
moment leaves both or the original alone.
"""

import itertools
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.checks.mend import Mended, mend_image, mend_mask
from topformer_cli.data.checks.report import CheckReport
from topformer_cli.data.checks.subject import RawSet
from topformer_cli.data.findings import Kind, LintError
from topformer_cli.data.prepare import Progress, silent
from topformer_cli.data.sources.pairs import leads_back
from topformer_cli.data.sources.source import Blob, Item, Reading
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_write

ORIGINALS: Final = ".originals"
FIXING: Final = "fix"

Mend = Callable[[Item, Reading], Mended]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A file that was mended: how it is called now, what was done, and where the original is."""

    kind: Kind
    file: str
    what: str
    original: str


@dataclass(frozen=True, slots=True)
class Left:
    """A file that was left as it is, and why."""

    kind: Kind
    file: str
    why: str


def fix(
    raw: RawSet, report: CheckReport, progress: Progress = silent
) -> tuple[list[Fixed], list[Left]]:
    """Mend what a check of the set found, and say what was mended and what was left.

    Raises:
        DataError: a file cannot be written; what was mended before is whole.
    """
    wanted = {
        finding.place: finding.kind
        for line in report.lines
        if line.check.fixable
        for finding in line.findings
    }
    jobs = [
        (wanted[str(blob)], mend, item)
        for items in raw.source.splits.values()
        for item in items
        for blob, mend in ((item.image, mend_image), (item.target, mend_mask))
        if isinstance(blob, Blob) and str(blob) in wanted
    ]
    fixed: list[Fixed] = []
    left: list[Left] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        try:
            for done, result in enumerate(pool.map(lambda job: _fix(raw, *job), jobs), start=1):
                if isinstance(result, Fixed):
                    fixed.append(result)
                else:
                    left.append(result)
                progress(FIXING, done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return fixed, left


def finish_fixes(folder: Path) -> None:
    """Take away images that a killed fix left beside the PNG file that they became."""
    for parent, folders, _ in os.walk(folder, followlinks=True):
        fixed = ORIGINALS in folders
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not leads_back(Path(parent, name))
        ]
        if not fixed:
            continue
        for kept in Path(parent, ORIGINALS).iterdir():
            path = Path(parent, kept.name)
            became = path.with_suffix(".png")
            if became != path and became.is_file() and path.is_file() and _same(kept, path):
                path.unlink()


def _fix(raw: RawSet, kind: Kind, mend: Mend, item: Item) -> Fixed | Left:
    try:
        mended = mend(item, raw.reading)
    except LintError as error:
        return Left(kind, error.finding.place, str(error))
    try:
        original = _keep(mended.path)
        atomic_write(mended.target, mended.data)
        if mended.target != mended.path:
            mended.path.unlink()
    except OSError as error:
        message = (
            f"{error.filename or mended.path}: {error.strerror or error}; nothing is lost: make "
            "it writable or free, then run it again"
        )
        raise DataError(message) from error
    return Fixed(mended.kind, str(mended.target), mended.what, str(original))


def _keep(path: Path) -> Path:
    """Give a file a second name among the originals beside it, and return that."""
    folder = path.parent / ORIGINALS
    folder.mkdir(exist_ok=True)
    for number in itertools.count():
        kept = folder / (f"{path.name}.{number}" if number else path.name)
        if kept.exists():
            if _same(kept, path):
                return kept
            continue
        if path.is_symlink():
            kept.symlink_to(path.resolve())
        else:
            _link(path, kept)
        return kept
    raise AssertionError


def _link(path: Path, kept: Path) -> None:
    try:
        kept.hardlink_to(path)
    except FileExistsError:
        raise
    except OSError:  # not every file system has hard links
        atomic_write(kept, path.read_bytes())
        shutil.copystat(path, kept)


def _same(kept: Path, path: Path) -> bool:
    return kept.samefile(path) or kept.read_bytes() == path.read_bytes()
