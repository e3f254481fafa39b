"""Phone runners that are built here or judged, for `topformer runner`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topformer_cli.api.places import Places
from topformer_cli.bench.building.build import Built, build_runner
from topformer_cli.bench.building.compilers import choose_compiler
from topformer_cli.bench.building.toolchains import HOME
from topformer_cli.bench.programs.check import check_runner
from topformer_cli.bench.programs.elf import ABI_OF_MACHINE
from topformer_cli.bench.programs.judge import Finding, judge
from topformer_cli.bench.programs.program import open_program
from topformer_cli.bench.programs.store import keep, kept_runners
from topformer_cli.bench.runner import Runner
from topformer_cli.cache import cache_dir
from topformer_cli.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWanted:
    """What a runner is to be built from: TNN's folders, and a compiler or an NDK.

    out: where it is left, in the cache otherwise.
    """

    homes: Sequence[Path] = ()
    ndk: Path | None = None
    cxx: str | None = None
    abi: str = "arm64-v8a"
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """A runner that was built; kept is None for one that no phone can run."""

    built: Built
    kept: Runner | None


def build(wanted: BuildWanted, places: Places) -> BuildOutcome:
    """Build a runner and keep it for the phones that it fits.

    Raises:
        UsageError: no folder of TNN is known.
        DeviceError: it cannot be built, or does not start.
    """
    homes = wanted.homes or [Path(one) for one in (os.environ.get(HOME),) if one]
    if not homes:
        message = f"which TNN? give its folder with --tnn-home DIR, or set {HOME}"
        raise UsageError(message)
    compiler = choose_compiler(wanted.cxx, wanted.ndk, wanted.abi)
    cache = cache_dir(places.cache)
    abi = ABI_OF_MACHINE[compiler.machine]
    out = wanted.out or cache / "built" / abi / "topformer-runner"
    built = build_runner(homes, compiler, out)
    if open_program(built.path).is_linux:
        return BuildOutcome(built, None)
    return BuildOutcome(built, keep(check_runner(built.path, (abi,)), cache))


def check(path: Path) -> list[Finding]:
    """Return what a program's file says about where it runs; DeviceError when it is none."""
    return judge(path)


@dataclass(frozen=True, slots=True)
class KeptRunner:
    """A runner in use, by engine and ABI; origin is where it was fetched from, or where it lies."""

    engine: str
    abi: str
    kind: str
    linkage: str
    sha256: str
    origin: str


def kept(places: Places) -> list[KeptRunner]:
    """Return the runners that are kept; DeviceError when one of them is damaged."""
    return [
        KeptRunner(
            one.module.ENGINE,
            one.abi,
            one.kind,
            one.linkage,
            one.sha256,
            one.origin or str(one.path),
        )
        for one in kept_runners(cache_dir(places.cache))
    ]


def outcome_record(outcome: BuildOutcome) -> dict[str, Any]:
    """Return the plain record of what was built."""
    built, kept = outcome.built, outcome.kept
    return {
        "program": str(built.path),
        "libraries": [str(path) for path in built.libraries],
        "abi": built.abi,
        "linked_with": built.tnn.describe(),
        "tnn": built.origin,
        "compiler": built.compiler,
        "started": built.started,
        "kept": str(kept.path) if kept else None,
    }
