"""Runners that are kept in the cache, one in use for each engine and ABI.

<cache>/runners/<engine>/<abi>/<first 16 of sha256>/TNNTest [libTNN.so ...]
<cache>/runners/<engine>/<abi>/current.json      names the folder above and the hashes
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from topformer_cli.bench.programs.check import check_runner
from topformer_cli.bench.runner import RUNNERS, Runner
from topformer_cli.errors import DeviceError, UsageError, add_to
from topformer_cli.rundir import atomic_path, file_sha256, write_json

PhoneEngine = Literal["auto", "tnn", "litert"]
ENGINES: Final[Mapping[str, str]] = {"tnn": "TNN", "litert": "LiteRT"}
"""`--engine` on a phone -> the engine as results name it, in the order of preference."""

HOW_TO_GET: Final = (
    "build TNN's (`topformer runner build --tnn-home DIR`; `topformer doctor` says what that "
    "needs) or give TNN's own TNNTest with --runner PATH; without any compiler `topformer runner "
    "fetch litert` gets LiteRT's, another engine than the paper's"
)

HOW_TO_GET_LITERT: Final = (
    "`topformer runner fetch litert` gets Google's benchmark_model (`--from FILE` without network)"
)


def find_runner(
    given: Path | None, cache_dir: Path, abis: Sequence[str], engine: PhoneEngine = "auto"
) -> Runner:
    """Return the program that measures on a phone of these ABIs (the phone's own order).

    A given one is checked, kept in the cache and used from then on; TOPFORMER_RUNNER overrides
    the cache without changing it. engine `auto` takes TNN's where one is known, else LiteRT's.

    Raises:
        DeviceError: there is none, or it cannot run on this phone; says why and what to do.
        UsageError: the given program is one of another engine.
    """
    if given is not None:
        return keep(_of_engine(check_runner(given, abis), engine), cache_dir)
    if override := os.environ.get("TOPFORMER_RUNNER"):
        try:
            return _of_engine(check_runner(Path(override), abis), engine)
        except (DeviceError, UsageError) as error:
            add_to(error, "TOPFORMER_RUNNER names it")
            raise
    for name in ENGINES if engine == "auto" else (engine,):
        for abi in abis:
            if (kept := _kept(cache_dir / "runners" / name / abi)) is not None:
                return kept
    words = "" if engine == "auto" else f"{ENGINES[engine]} "
    how = HOW_TO_GET_LITERT if engine == "litert" else HOW_TO_GET
    message = f"no {words}runner for a phone of ABI {', '.join(abis) or 'unknown'}: {how}"
    raise DeviceError(message)


def keep(runner: Runner, cache_dir: Path) -> Runner:
    """Copy a checked runner into the cache, to be used from now on, and return the copy."""
    home = cache_dir / "runners" / engine_of(runner) / runner.abi
    folder = home / runner.sha256[:16]
    for source in runner.files:
        with atomic_path(folder / source.name) as temporary:
            shutil.copyfile(source, temporary)
    record = {
        "kind": runner.kind,
        "linkage": runner.linkage,
        "program": runner.path.name,
        "checker": None if runner.checker is None else runner.checker.name,
        "folder": folder.name,
        "sha256": {path.name: file_sha256(folder / path.name) for path in runner.files},
        "origin": runner.origin,
    }
    write_json(home / "current.json", record)
    return _recall(record, home)


def kept_runners(cache_dir: Path) -> list[Runner]:
    """Return every runner that is in use, by engine and ABI.

    Raises:
        DeviceError: one of them is damaged.
    """
    notes = sorted((cache_dir / "runners").glob("*/*/current.json"))
    return [runner for note in notes if (runner := _kept(note.parent)) is not None]


def engine_of(runner: Runner) -> str:
    """Return the key of `ENGINES` that a runner belongs to."""
    return next(key for key, name in ENGINES.items() if name == runner.module.ENGINE)


def _of_engine(runner: Runner, engine: PhoneEngine) -> Runner:
    if engine not in ("auto", engine_of(runner)):
        message = (
            f"{runner.path} is {runner.kind}, of {runner.module.ENGINE}; --engine {engine} needs "
            f"another program, or --engine {engine_of(runner)}"
        )
        raise UsageError(message)
    return runner


def _kept(home: Path) -> Runner | None:
    note = home / "current.json"
    if not note.is_file():
        return None
    try:
        return _recall(json.loads(note.read_text()), home)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the kept runner at {home} is damaged; give it again with --runner PATH"
        raise DeviceError(message) from error


def _recall(record: Mapping[str, Any], home: Path) -> Runner:
    folder, program = home / record["folder"], record["program"]
    hashes = {name: file_sha256(folder / name) for name in record["sha256"]}
    if hashes != record["sha256"] or record["kind"] not in RUNNERS:
        message = "hashes or kind differ from the record"
        raise ValueError(message)
    programs = {program, record["checker"]}
    return Runner(
        kind=record["kind"],
        path=folder / program,
        abi=home.name,
        linkage=record["linkage"],
        sha256=hashes[program],
        libraries=tuple(folder / name for name in sorted(hashes) if name not in programs),
        checker=folder / record["checker"] if record["checker"] else None,
        origin=record["origin"],
    )
