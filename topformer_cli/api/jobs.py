"""Which run belongs to which job of a launcher, so that a job that is restarted finds its own.

`torchrun --max-restarts` types the same command line once more when a process died. Whatever that
line says, with `--resume` or without: the job goes on with the run that it began or resumed, which
keeps the job's name for that. A job that died before it had one does what the line says. The first
start of a job looks for nothing: `--resume auto` without a run stays an error.
"""

import os
import platform
from pathlib import Path
from typing import Final

from topformer_cli.rundir import RunDir, atomic_write

UNNAMED: Final = "none"
"""What torchrun calls a job that was given no name and no rendezvous of its own."""


def restarted() -> bool:
    """Return whether a launcher started this command line again."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def sign(run: RunDir) -> None:
    """Write down that a run is in the hands of this process's job, if it has one."""
    if job := _name():
        atomic_write(run.job, job + "\n")


def own_run(parent: Path) -> RunDir | None:
    """Return the newest unfinished run of this process's job in a folder of runs."""
    job = _name()
    files = sorted(parent.glob("*/job.txt"), key=lambda path: path.stat().st_mtime_ns)
    for path in reversed(files):
        run = RunDir(path.parent.resolve())
        if path.read_text(encoding="utf-8").strip() == job and not run.finished:
            return run
    return None


def _name() -> str:
    """Name the job; empty without a launcher.

    Where torchrun has no name for it, its own process, which lives as long as the job, is one.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return f"{platform.node()}-{os.getppid()}" if name == UNNAMED else name
