"""The rendered set of the demo, made once and kept."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import filelock

from topformer_cli import __version__
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.prepare import UP_TO_DATE
from topformer_cli.data.prepare import prepare as prepare_set
from topformer_cli.data.scenes import make_scenes, scenes_request
from topformer_cli.errors import DataError
from topformer_cli.rundir import write_json

SET_NAME: Final = "scenes"
MARK: Final = "made.json"
"""Written last: says from what the scenes beside it were rendered."""

Update = Callable[[int, int], None]
"""Called with (scenes done, scenes in all)."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """What to render; size is (height, width) in pixels."""

    train: int
    val: int
    size: tuple[int, int]
    seed: int


@contextlib.contextmanager
def sole_user(cache: Path) -> Iterator[Path]:
    """Hold the demo's folder of the cache, so that two demos do not write the same set.

    Raises:
        DataError: another demo holds it, or it cannot be written.
    """
    folder = cache / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        message = (
            f"another topformer demo is making its scenes in {folder}; wait until it trains, or "
            "choose another place with --cache-dir"
        )
        raise DataError(message) from error
    except OSError as error:
        message = f"{error.filename or folder}: {error.strerror}; choose a place with --cache-dir"
        raise DataError(message) from error
    try:
        yield folder
    finally:
        lock.release()


def render(scenes: Scenes, folder: Path, update: Update) -> bool:
    """Render scenes into a folder, and say whether there was anything to do.

    The folder takes its name when every scene is in it, so that a stopped demo leaves none that
    could be taken for whole.

    Raises:
        DataError: the folder cannot be written.
    """
    made = {"version": __version__, **asdict(scenes)}
    if _mark(folder) == json.loads(json.dumps(made)):
        return False
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        _remove(partial)
        make_scenes(
            partial,
            scenes.train,
            scenes.val,
            scenes.size,
            scenes.seed,
            lambda _, done, total: update(done, total),
        )
        write_json(partial / MARK, made)
        _remove(folder)
        partial.rename(folder)
    except OSError as error:
        message = f"{error.filename or partial}: {error.strerror}; choose a place with --cache-dir"
        raise DataError(message) from error
    finally:
        _remove(partial)
    return True


def prepare(folder: Path, cache: Path, update: Update) -> tuple[DatasetCard, bool]:
    """Prepare rendered scenes, and say whether there was anything to do."""
    states = set()

    def progress(what: str, done: int, total: int) -> None:
        states.add(what)
        update(done, total)

    card = prepare_set(scenes_request(folder, SET_NAME, cache), progress)
    return card, UP_TO_DATE not in states


def _mark(folder: Path) -> object:
    try:
        return json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return None


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
