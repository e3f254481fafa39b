"""Names inside a run folder, atomic writes, hashes of files, and which run is the latest.

runs/<command>/<recipe>-<size>-NNN/
    recipe.yaml  env.json  ledger.json  job.txt  metrics.jsonl  log.txt  result.json
    batch.png  loss.png  miou.png (top1.png, ap.png: the headline's, by task)
    eval-<set>-<split>.json  eval-<set>-<split>/{confusion.png,confusion.csv,worst.png} (label maps)
    pictures/step-NNNNNN.png  val.png (labels of a few validation images; val.png is the latest)
    checkpoints/{last,best,step-NNNNNN}.safetensors  checkpoints/state.pt  .lock
runs/<command>/latest -> the newest of them
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import platform
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topformer_cli.errors import UsageError

RUNS = Path("runs")
_KEPT = re.compile(r"step-(\d+)\.safetensors")


@dataclass(frozen=True, slots=True)
class RunDir:
    """The files of one run, by name."""

    path: Path

    @property
    def going_on(self) -> str:
        """The command line that goes on with this run's stopped training."""
        return f"topformer train --resume {shlex.quote(str(self.path))}"

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def environment(self) -> Path:
        """Versions, machine and command line."""
        return self.path / "env.json"

    @property
    def job(self) -> Path:
        """The launcher's job that last trained it, where there was one."""
        return self.path / "job.txt"

    @property
    def ledger(self) -> Path:
        """What the run began with, and in which settings it departs from its preset."""
        return self.path / "ledger.json"

    @property
    def metrics(self) -> Path:
        """One JSON record a line, appended during training."""
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """The plain text that also went to the terminal."""
        return self.path / "log.txt"

    @property
    def result(self) -> Path:
        """The final record; its presence says that the run finished."""
        return self.path / "result.json"

    @property
    def state(self) -> Path:
        """Everything that a resumed training needs."""
        return self.path / "checkpoints" / "state.pt"

    def weights(self, which: str) -> Path:
        """The weights called `last` or `best`, or by the name of a step."""
        return self.path / "checkpoints" / f"{which}.safetensors"

    @staticmethod
    def kept_name(step: int) -> str:
        """Return what the weights of an evaluation at a step are called."""
        return f"step-{step:06d}"

    def kept(self) -> list[Path]:
        """Return the weights of evaluations that were kept, the oldest first."""
        found = self.state.parent.glob("step-*.safetensors")
        numbered = [(int(m[1]), path) for path in found if (m := _KEPT.fullmatch(path.name))]
        return [path for _, path in sorted(numbered)]

    def half_written(self) -> list[Path]:
        """Return temporary files that a killed process left behind."""
        folders = (self.path, self.state.parent)
        return [path for folder in folders for path in folder.glob(".*-*") if path.is_file()]

    @property
    def lock(self) -> Path:
        """Held by the process that trains this run."""
        return self.path / ".lock"

    @property
    def tensorboard(self) -> Path:
        """Event files for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def batch_picture(self) -> Path:
        """The sheet of the first training images."""
        return self.path / "batch.png"

    def picture(self, step: int) -> Path:
        """The sheet of validation images as they were labelled after a step."""
        return self.path / "pictures" / f"step-{step:06d}.png"

    @property
    def latest_picture(self) -> Path:
        """The last of these sheets."""
        return self.path / "val.png"

    @property
    def exports(self) -> Path:
        """The exported files of this run's checkpoint."""
        return self.path / "export"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.result.is_file()


def new_run(root: Path, command: str, name: str) -> RunDir:
    """Create the next free `<root>/<command>/<name>-NNN` and point `latest` at it."""
    parent = root / command
    parent.mkdir(parents=True, exist_ok=True)
    number = 1 + max((n for n, _ in _numbered(parent, name)), default=0)
    while True:
        path = parent / f"{name}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        break
    (path / "checkpoints").mkdir()
    point_latest(path)
    return RunDir(path)


def point_latest(run: Path) -> None:
    """Point the `latest` link beside a run at it."""
    link = run.parent / "latest"
    temporary = run.parent / f".latest-{run.name}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run.name)
    temporary.replace(link)


def latest_run(root: Path, command: str = "train") -> RunDir:
    """Return the newest run of a command.

    Raises:
        UsageError: there is none; says where it looked and what to type.
    """
    return runs_newest_first(root, command)[0]


def runs_newest_first(root: Path, command: str = "train") -> list[RunDir]:
    """Return the runs of a command, the one that `latest` points at before all others.

    Raises:
        UsageError: there is none; says where it looked and what to type.
    """
    parent = root / command
    latest = (parent / "latest").resolve()
    folders = [path for path in parent.glob("*-[0-9][0-9][0-9]*") if path.is_dir()]
    if not folders:
        message = f"no {command} run under {parent}; run `topformer {command}` first"
        raise UsageError(message)
    newest = sorted(
        (path.resolve() for path in folders),
        key=lambda path: (path == latest, path.stat().st_mtime_ns),
        reverse=True,
    )
    return [RunDir(path) for path in newest]


def run_called(path: Path, root: Path) -> Path:
    """Return the folder of the run that a path names, if it is a run's bare name; else the path.

    Trainings come before the runs of other commands.
    """
    if path.exists() or len(path.parts) != 1:
        return path
    folders = [folder for folder in root.glob(f"*/{glob.escape(path.name)}") if _is_run(folder)]
    return min(folders, key=lambda folder: (folder.parent.name != "train", folder), default=path)


def run_names(root: Path) -> list[str]:
    """Return the names of all runs."""
    return sorted({folder.name for folder in root.glob("*/*") if _is_run(folder)} - {"latest"})


def _is_run(folder: Path) -> bool:
    return (folder / "recipe.yaml").is_file()


def open_run(path: Path) -> RunDir:
    """Return the run folder at a path, or the one that a file inside it belongs to.

    Raises:
        UsageError: the path is no run folder.
    """
    for folder in (path, *path.parents[:2]):
        if _is_run(folder):
            return RunDir(folder.resolve())
    message = f"{path} is no run folder (no recipe.yaml in it)"
    raise UsageError(message)


@contextlib.contextmanager
def only_here(run: RunDir) -> Iterator[None]:
    """Keep other processes from training this run inside the block.

    Raises:
        UsageError: another one does.
    """
    with run.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read() or "unknown"
            message = (
                f"{run.path} is being trained by process {pid}; wait until it ends, or end it "
                f"with `kill {pid.split()[0]}`"
            )
            raise UsageError(message) from error
        except OSError:  # a file system that knows no locks
            yield
            return
        with contextlib.suppress(OSError):  # a full disk is told by what matters
            file.truncate(0)
            file.write(f"{os.getpid()} on {platform.node()}")
            file.flush()
        yield


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that its name always stands for the whole old or the whole new content."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_path(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary name in the same folder that takes the final name when the block ends.

    suffix ends the temporary name, for writers that go by it. An OSError that names no file, as
    that of a full disk does not, gets the final name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    atomic_write(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _numbered(parent: Path, name: str) -> Iterator[tuple[int, Path]]:
    pattern = re.compile(re.escape(name) + r"-(\d{3,})")
    for path in parent.iterdir():
        if match := pattern.fullmatch(path.name):
            yield int(match[1]), path


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
