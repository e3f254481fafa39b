"""The command line, saying what it is about: `python -m tests.fakes.phased_cli FILE WORDS...`.

FILE holds one letter, that of the phase. Nothing else differs from `python -m topformer_cli`.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

PHASES = {"i": "start", "w": "wait", "s": "step", "e": "evaluation", "k": "save"}

Answer = TypeVar("Answer")


def phased(
    file: int, letter: str, function: Callable[..., Answer], after: str = "w"
) -> Callable[..., Answer]:
    @functools.wraps(function)
    def call(*values: Any, **named: Any) -> Answer:
        os.pwrite(file, letter.encode(), 0)
        try:
            return function(*values, **named)
        finally:
            os.pwrite(file, after.encode(), 0)

    return call


def main(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.pwrite(file, b"i", 0)
    from topformer_cli import cli
    from topformer_cli.engine.keeper import Keeper
    from topformer_cli.engine.segmentation import SegmentationTask
    from topformer_cli.engine.step import Step

    for owner, name, letter in (
        (Keeper, "save", "k"),
        (Keeper, "evaluated", "k"),
        (SegmentationTask, "evaluate", "e"),
        (Step, "__call__", "s"),
    ):
        setattr(owner, name, phased(file, letter, getattr(owner, name)))
    cli.main()


if __name__ == "__main__":
    phase_file = Path(sys.argv.pop(1))
    main(phase_file)
