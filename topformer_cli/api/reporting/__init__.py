"""Gather runs, exports and measurements into one page, Markdown and CSV beside the paper.

gathering   find and read the records
placing     put them between the rows of the paper's tables
panels      the points of Figure 1, the shares of Figure 3
listing     everything that was found, as lists
standing    what has been done of each row of the paper
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from topformer_cli import __version__
from topformer_cli.api.reporting.gathering import Found, gather
from topformer_cli.api.reporting.layers import latency_shares
from topformer_cli.api.reporting.listing import sheets
from topformer_cli.api.reporting.panels import SHARES_NOTES, scatter, shares
from topformer_cli.api.reporting.placing import counted_tables, filled
from topformer_cli.api.reporting.standing import standing
from topformer_cli.errors import DataError, UsageError
from topformer_cli.report.overview.markdown import render_markdown
from topformer_cli.report.overview.page import render_overview
from topformer_cli.report.overview.records import Overview, RunCurves
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.report.records import read_curves
from topformer_cli.results.kept import HEADLINES
from topformer_cli.rundir import atomic_write, run_called

MOST_CURVES: Final = 12
"""Runs whose curves are drawn; those of hundreds would make a page that no browser opens."""

HEADLINE_OF: Final = {"segmentation": "miou", "detection": "ap", "classification": "top1"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, and what it holds."""

    page: Path
    markdown: Path
    tables: tuple[Path, ...]
    overview: Overview

    def to_json(self) -> dict[str, Any]:
        """Return the paths and all tables as plain records."""
        return {
            "page": str(self.page),
            "markdown": str(self.markdown),
            "files": [str(path) for path in self.tables],
            "gathered": self.overview.gathered,
            "tables": {sheet.name: sheet.to_json() for sheet in self.overview.sheets},
            "left_out": list(self.overview.problems),
        }


def write_report(targets: Sequence[Path], work_dir: Path, folder: Path) -> Report:
    """Gather from some places, else from the work folder, and write the report into a folder.

    Raises:
        UsageError: a place is not there, or the work folder holds nothing.
        DataError: nothing of what was named can be read.
    """
    found = _gather(targets, work_dir)
    overview = survey(found)
    page, markdown = folder / "index.html", folder / "report.md"
    tables = tuple(folder / "tables" / f"{sheet.name}.csv" for sheet in overview.sheets)
    for path, sheet in zip(tables, overview.sheets, strict=True):
        atomic_write(path, sheet.csv())
    atomic_write(markdown, render_markdown(overview))
    atomic_write(page, render_overview(overview))
    return Report(page, markdown, tables, overview)


def status_sheet(targets: Sequence[Path], work_dir: Path) -> Sheet:
    """Return what has been done of each row of the paper; nothing at all needs no run.

    Raises:
        UsageError: a place is not there.
    """
    named = [run_called(target, work_dir) for target in targets]
    places = named or ([work_dir] if work_dir.exists() else [])
    return standing(counted_tables(), gather(places))


def _gather(targets: Sequence[Path], work_dir: Path) -> Found:
    if not targets and not work_dir.is_dir():
        raise UsageError(_nothing(work_dir))
    found = gather([run_called(target, work_dir) for target in targets] or [work_dir])
    if not found.anything:
        if targets:
            named = ", ".join(map(str, targets))
            reasons = "; ".join(found.problems) or "no run, evaluation, measurement or export in it"
            message = f"{named}: nothing to report: {reasons}"
            raise DataError(message)
        raise UsageError(_nothing(work_dir))
    return found


def _nothing(work_dir: Path) -> str:
    return (
        f"no run, evaluation, measurement or export under {work_dir}; run `topformer demo` or "
        "`topformer train` first, or name another --work-dir"
    )


def survey(found: Found) -> Overview:
    """Return everything in the report."""
    tables, plot = counted_tables(), scatter(found)
    drawn = sorted(
        found.runs, key=lambda run: run.folder.path.stat().st_mtime_ns, reverse=True
    )[:MOST_CURVES]  # fmt: skip
    return Overview(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        version=__version__,
        sources=tuple(found.sources),
        runs=len(found.runs),
        evaluations=len(found.evaluations),
        measurements=len(found.measured) + len(found.past),
        on_phones=sum(
            one.result.device.kind == "phone" and not one.result.emulated for one in found.measured
        ),
        exports=len(found.exports),
        problems=tuple(found.problems),
        tables=tuple(filled(table, found) for table in tables),
        panels=plot.panels,
        undrawn=plot.undrawn,
        shares=shares(),
        shares_notes=SHARES_NOTES,
        others=(*latency_shares(found), *sheets(found), standing(tables, found)),
        curves=tuple(
            RunCurves(run.name, HEADLINES[key], read_curves(run.folder.metrics, key))
            for run in drawn
            for key in (HEADLINE_OF[run.recipe.task],)
        ),
        curves_left_out=len(found.runs) - len(drawn),
    )
