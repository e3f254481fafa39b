"""Find the runs, exports, evaluations and measurements that a report is made of.

What cannot be read is left out and named; the rest goes on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topformer_cli.api.ledgers import read_ledger
from topformer_cli.bench.sessions.history import Entry, History
from topformer_cli.deploy.artifact import read_manifest
from topformer_cli.deploy.manifest import Manifest
from topformer_cli.errors import DataError, ExportError, RecipeError, UsageError
from topformer_cli.recipe import Recipe, load_resolved
from topformer_cli.results import BenchResult, BenchSession
from topformer_cli.results.bench import MAGIC
from topformer_cli.results.kept import KeptEvaluation
from topformer_cli.results.ledger import Ledger
from topformer_cli.rundir import RunDir


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation's record, where it lies, and the run that it is of; none for a foreign file."""

    kept: KeptEvaluation
    path: Path
    run: str = ""

    @property
    def where(self) -> str:
        """The run, or else the record."""
        return self.run or str(self.path)


@dataclass(frozen=True, slots=True)
class Trained:
    """A training run; result is its final record, empty while there is none."""

    name: str
    folder: RunDir
    recipe: Recipe
    ledger: Ledger | None
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """An export by its manifest, and the run that it is of, if it is of one."""

    manifest: Manifest
    path: Path
    run: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """One result of a session, with the session for its company."""

    result: BenchResult
    session: BenchSession
    path: Path


@dataclass(slots=True)
class Found:
    """Everything that was found, in the order of the folders."""

    sources: list[str] = field(default_factory=list)
    runs: list[Trained] = field(default_factory=list)
    evaluations: list[Evaluated] = field(default_factory=list)
    exports: list[Exported] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    past: list[Entry] = field(default_factory=list)
    """Latencies of the history whose records are gone."""
    problems: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.runs or self.evaluations or self.exports or self.measured or self.past)

    def run_of(self, result: BenchResult) -> str:
        """Return the run whose export was measured; empty if none was."""
        export = self.export_of(result)
        return export.run if export else ""

    def export_of(self, result: BenchResult) -> Exported | None:
        """Return the export that was measured, by the files' hashes."""
        measured = set(result.files.values())
        for one in self.exports:
            if measured and measured <= {file.sha256 for file in one.manifest.files}:
                return one
        return None


def gather(targets: Sequence[Path]) -> Found:
    """Read what lies in work folders, run folders and records.

    Raises:
        UsageError: one of them is not there.
    """
    found, seen = Found(), set[Path]()
    for target in targets:
        if not target.exists():
            message = f"{target}: no such run, folder or record; name one, or none for all of runs/"
            raise UsageError(message)
        found.sources.append(str(target))
        for folder in _folders(target) if target.is_dir() else ():
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                _read_folder(folder, found)
        if target.is_file():
            _read_record(target, found)
    for target in targets:
        _read_history(target / "bench" / "history.jsonl", found)
    return found


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders that may be runs: the one that was named, or those of a work folder.

    Those of a demo have measurements of their own inside.
    """
    inside = [root, *sorted(root.glob("*")), *sorted(root.glob("*/*"))]
    for folder in (one for one in inside if one.is_dir() and not one.is_symlink()):
        yield folder
        yield from (
            one for one in sorted(folder.glob("bench/*")) if one.is_dir() and not one.is_symlink()
        )


def _read_folder(folder: Path, found: Found) -> None:
    run = RunDir(folder)
    name = str(folder) if run.recipe.is_file() else ""
    scores = sorted(folder.glob("eval-*.json"))
    if name:
        _read_run(name, run, found)
        manifests = sorted(run.exports.glob("*.json"))
    else:
        scores += [run.result] if run.result.is_file() else []
        manifests = [path for path in sorted(folder.glob("*.json")) if path not in scores]
    for path in scores:
        _read_record(path, found, name)
    for path in manifests:
        _read_export(path, found, name)


def _read_run(name: str, run: RunDir, found: Found) -> None:
    try:
        recipe = load_resolved(run.recipe)
    except RecipeError as error:
        found.problems.append(f"{run.recipe} was left out: {' '.join(str(error).split())}")
        return
    result = _json(run.result, found) if run.result.is_file() else {}
    found.runs.append(Trained(name, run, recipe, read_ledger(run), result or {}))


def _read_record(path: Path, found: Found, run: str = "") -> None:
    """Read a record of an evaluation or of a measurement."""
    record = _json(path, found)
    if record is None:
        return
    if record.get("kind") == MAGIC:
        _read_session(path, record, found)
        return
    kept = KeptEvaluation.from_json(record)
    if kept is None:
        found.problems.append(f"{path} was left out: no record of an evaluation or a measurement")
        return
    weights = Path(kept.weights)
    if weights.is_file() and weights.stat().st_mtime > path.stat().st_mtime:
        found.problems.append(
            f"{path} is older than the weights that it is about; run `topformer eval` again"
        )
    found.evaluations.append(Evaluated(kept, path, run))


def _read_session(path: Path, record: Mapping[str, Any], found: Found) -> None:
    try:
        session = BenchSession.from_json(record)
    except DataError as error:
        found.problems.append(f"{path} was left out: {error}")
        return
    found.measured += [Measured(result, session, path) for result in session.results]


def _read_export(path: Path, found: Found, run: str) -> None:
    """Read a manifest; other JSON files beside it are passed over."""
    record = _json(path, found)
    if record is None or "schema_version" not in record or "parity" not in record:
        return
    try:
        found.exports.append(Exported(read_manifest(path), path, run))
    except ExportError as error:
        found.problems.append(f"left out: {error}")


def _read_history(path: Path, found: Found) -> None:
    """Add what the history knows beyond the records that were found."""
    try:
        past = History(path).read()
    except DataError as error:
        found.problems.append(str(error))
        return
    found.problems += past.problems
    known = _times(found.measured)
    found.past += [one for one in past.entries if (one.time, one.model) not in known]


def _times(measured: Iterable[Measured]) -> set[tuple[str, str]]:
    return {(one.result.started, one.result.model) for one in measured}


def _json(path: Path, found: Found) -> dict[str, Any] | None:
    """Return the object in a file; None, and a word about it, where there is none."""
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        found.problems.append(f"{path} was left out: {error.strerror}")
        return None
    except ValueError:
        found.problems.append(f"{path} was left out: it is cut off or damaged")
        return None
    if not isinstance(record, dict):
        found.problems.append(f"{path} was left out: it holds no record")
        return None
    return record
