"""Fetch prebuilt programs that measure on a phone."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from topformer_cli.bench.programs.check import check_runner
from topformer_cli.bench.programs.fetch import PROGRAMS, FetchedProgram, FetchWanted, fetch_program
from topformer_cli.bench.programs.store import keep
from topformer_cli.cache import cache_dir

__all__ = ["FetchWanted", "about", "fetch_runner", "fetched_record"]


def fetch_runner(
    wanted: FetchWanted, cache: Path | None, heard: Callable[[int, int], None]
) -> FetchedProgram:
    """Download a program, or take the user's file, compare it with its first use, and keep it.

    Raises:
        UsageError: the program or the version is not known.
        DeviceError: it cannot be had, or is not the file that it was.
    """
    home = cache_dir(cache)
    if wanted.given is not None:  # before its hash becomes that of the version
        check_runner(wanted.given, (PROGRAMS[wanted.name].abi,))
    fetched = fetch_program(wanted, home, heard)
    runner = check_runner(fetched.path, (fetched.abi,))
    keep(replace(runner, checker=fetched.companion, origin=fetched.origin), home)
    return fetched


def about(name: str) -> str:
    """Return what a program is, in a line."""
    return PROGRAMS[name].about


def fetched_record(fetched: FetchedProgram) -> dict[str, Any]:
    """Return the plain record of a fetched program."""
    companion = None if fetched.companion is None else str(fetched.companion)
    return {**asdict(fetched), "path": str(fetched.path), "companion": companion}
