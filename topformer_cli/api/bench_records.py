"""What is kept and written of a measurement, and how it is held against earlier ones.

<work-dir>/bench/<name>-NNN/result.json   the whole session
<work-dir>/bench/history.jsonl            one line a latency, appended
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.api.places import Places
from topformer_cli.bench.sessions.change import Change, compare, require
from topformer_cli.bench.sessions.history import History, Past, entries_of
from topformer_cli.bench.sessions.paper import paper_row, reproduction_text, statement
from topformer_cli.bench.sessions.share import shared_record
from topformer_cli.bench.sessions.table_csv import session_csv
from topformer_cli.errors import DataError, MeasurementError, UsageError
from topformer_cli.report.bench_plots import session_plot, sustained_plot
from topformer_cli.results import BenchResult, BenchSession
from topformer_cli.rundir import atomic_write, new_run, write_json

__all__ = [
    "Change", "Files", "Kept", "earlier", "keep_session", "quoted", "reproduction_text",
    "require_none_slower", "require_place", "require_stable", "slowdowns",
]  # fmt: skip

ROOM_BYTES: Final = 1_000_000
"""What a record needs at most, nearly always."""

LAST: Final = "LAST"
PLOT_FORMATS: Final = ("png", "svg")


@dataclass(frozen=True, slots=True)
class Files:
    """Where to write what of a session; None for not at all.

    Raises:
        UsageError: a plot is neither PNG nor SVG.
    """

    csv: Path | None = None
    plot: Path | None = None
    share: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a picture of another format before anything is measured."""
        if self.plot is not None and self.plot.suffix[1:] not in PLOT_FORMATS:
            message = f"--plot {self.plot}: give a name that ends with .png or .svg"
            raise UsageError(message)
        named = [path for path in (self.csv, self.plot, self.share) if path is not None]
        if len(set(named)) < len(named):
            message = f"--csv, --plot and --share name {named[0]} twice; give each its own file"
            raise UsageError(message)

    def require_room(self, places: Places) -> None:
        """Refuse places that cannot be written to, before minutes are spent on measuring.

        Raises:
            UsageError: names the option, the place and what stands in the way.
        """
        for option, path in (("--csv", self.csv), ("--plot", self.plot), ("--share", self.share)):
            if path is not None and path.is_dir():
                message = f"{option} {path}: is a folder; give the name of a file"
                raise UsageError(message)
            if path is not None:
                _require_folder(path.parent, f"{option} {path}")
        require_place(places)

    def write(self, session: BenchSession) -> list[Path]:
        """Write them; return those that were asked for."""
        if self.csv is not None:
            atomic_write(self.csv, session_csv(session))
        if self.plot is not None:
            draw = sustained_plot if _sustained(session) else session_plot
            atomic_write(self.plot, draw(session, "svg" if self.plot.suffix == ".svg" else "png"))
        if self.share is not None:
            write_json(self.share, shared_record(session))
        return [path for path in (self.csv, self.plot, self.share) if path is not None]


def _require_folder(folder: Path, what: str) -> None:
    """Refuse a folder in which, or in the nearest that is there, no file can be made."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(ROOM_BYTES))
    except OSError as error:
        message = f"{what}: cannot write into {there} ({error.strerror}); name another place"
        raise UsageError(message) from error


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a session lies, None for nowhere; problem: why it is not there or in the history."""

    record: Path | None
    problem: str | None = None


def require_place(places: Places) -> None:
    """Refuse a work folder that cannot be written to, before anything is measured.

    Raises:
        UsageError: names the folder and the reason.
    """
    _require_folder(places.work_dir / "bench", f"--work-dir {places.work_dir}")


def keep_session(session: BenchSession, name: str, places: Places) -> Kept:
    """Write a session into a run folder of its own, and append what is whole of it to the history.

    Where the work folder has become unwritable meanwhile, the session goes to the temporary folder.
    What cannot be written anywhere is told and no more: the caller has the measurement.
    """
    try:
        run = new_run(places.work_dir, "bench", name)
        write_json(run.result, session.to_json())
    except OSError as error:
        return _keep_elsewhere(session, f"{places.work_dir} ({error.strerror or error})")
    try:
        whole = [one for one in entries_of(session, run.result) if one.verdict != "incomplete"]
        _history(places).append(whole)
    except MeasurementError as error:
        return Kept(run.result, f"not in the history: {error}")
    return Kept(run.result)


def _keep_elsewhere(session: BenchSession, reason: str) -> Kept:
    try:
        record = Path(tempfile.mkdtemp(prefix="topformer-bench-")) / "result.json"
        write_json(record, session.to_json())
    except OSError:
        return Kept(None, f"the record could not be kept in {reason}")
    return Kept(record, f"the record could not be kept in {reason}")


def earlier(which: str, places: Places) -> Past:
    """Return what `--compare` names: the past for LAST, else the session of a file.

    Raises:
        DataError: there is no such file, it holds no session, or nothing was measured yet.
    """
    if which == LAST:
        past = _history(places).read()
        if not past.entries:
            why = "; ".join(past.problems) or f"nothing was measured under {places.work_dir} yet"
            message = f"--compare LAST: {why}; measure once without it"
            raise DataError(message)
        return past
    path = Path(which)
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        message = f"--compare {which}: {error.strerror}; give LAST or a result.json of bench"
        raise DataError(message) from error
    except ValueError as error:
        message = f"--compare {which}: no JSON record of bench"
        raise DataError(message) from error
    try:
        session = BenchSession.from_json(record if isinstance(record, dict) else {})
    except DataError as error:
        message = f"--compare {which}: {error}"
        raise DataError(message) from error
    return Past(tuple(entries_of(session)))


def slowdowns(before: Past | None, now: BenchSession) -> list[Change]:
    """Return what has changed since an earlier measurement, one for each latency of the new one."""
    return [] if before is None else compare(before, now)


def require_none_slower(changes: Sequence[Change], percent: float) -> None:
    """Hold changes against `--fail-over`.

    Raises:
        ThresholdError: a regression beyond the noise is larger than so many percent.
    """
    require(changes, percent)


def quoted(result: BenchResult) -> str | None:
    """Return what the paper prints for this network, with both conditions; None for nothing."""
    row = paper_row(result.card, result.input_shape)
    return None if row is None else statement(row, result.card)


def require_stable(session: BenchSession) -> None:
    """Hold a session against `--strict`.

    Raises:
        MeasurementError: a verdict is not `stable`.
    """
    shaky = [f"{one.label}: {one.verdict}" for one in session.results if one.verdict != "stable"]
    if shaky:
        message = f"--strict: {'; '.join(shaky)}"
        raise MeasurementError(message)


def _sustained(session: BenchSession) -> bool:
    return any(one.protocol.get("sustained_s") for one in session.results)


def _history(places: Places) -> History:
    return History(places.work_dir / "bench" / "history.jsonl")
