"""Trainings that are killed at chosen moments: `python -m tests.fakes.killed_training FOLDER`.

Torch is loaded once; every case runs in a child of its own, forked before torch has threads.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.unit.engine.conftest import Watcher, make_job
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import keeper
from topformer_cli.engine.train import train
from topformer_cli.rundir import new_run


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying_after(step: int) -> Callable[[], Watcher]:
    return lambda: Watcher(lambda now: die() if now == step else None)


def dying_in_write(number: int) -> Callable[[], Watcher]:
    """Die when a file is complete under its temporary name and not yet under its own."""

    def arm() -> Watcher:
        calls: list[object] = []

        def fsync(fd: object) -> None:
            calls.append(fd)
            if len(calls) == number:
                die()

        os.fsync = fsync
        return Watcher()

    return arm


CASES: dict[str, Callable[[], Watcher]] = {
    "after-step-1": dying_after(1),
    "after-step-5": dying_after(5),
    "in-first-write": dying_in_write(2),
    "in-later-write": dying_in_write(5),
}


def main(folder: Path) -> None:
    keeper.LEAST_STEPS = 2
    for name, arm in CASES.items():
        sys.stdout.flush()
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{name} {os.WTERMSIG(status)}\n")
            continue
        prepared = PreparedSet.open("little-scenes", folder / "cache")
        train(make_job(prepared), new_run(folder / "runs", "train", name), arm())
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
