"""The lists of everything that was gathered, as sheets."""

from collections.abc import Iterator

from topformer_cli.api.reporting.gathering import Found, Trained
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.results.kept import KeptEvaluation
from topformer_cli.results.paper_table import ABSENT


def sheets(found: Found) -> tuple[Sheet, ...]:
    """Return runs, evaluations, measurements and exports, those lists that hold anything."""
    return tuple(
        Sheet(name, title, columns, tuple(rows))
        for name, title, columns, rows in (
            ("runs", "Runs: all that were found", RUN_COLUMNS, list(_runs(found))),
            ("evaluations", "Evaluations: of all sets", SCORE_COLUMNS, list(_scores(found))),
            ("measurements", "Measurements: of all devices", TIME_COLUMNS, list(_times(found))),
            ("exports", "Exports: and their proof", EXPORT_COLUMNS, list(_exports(found))),
        )
        if rows
    )


RUN_COLUMNS = (
    "run", "network", "data set", "iterations", "state", "best in training", "began with",
    "departs from its preset in",
)  # fmt: skip
SCORE_COLUMNS = ("from", "network", "score", "held against published scores", "conditions")
TIME_COLUMNS = ("model", "latency", "conditions", "when", "record")
EXPORT_COLUMNS = ("name", "run", "input", "ends with", "MB", "parity", "verified on")


def _runs(found: Found) -> Iterator[tuple[str, ...]]:
    for one in found.runs:
        recipe, ledger = one.recipe, one.ledger
        network = f"{recipe.task}, {recipe.variant}"
        departs = "; ".join(map(str, ledger.departures)) or "nothing" if ledger else ABSENT
        yield (
            one.name,
            network,
            recipe.dataset,
            str(recipe.schedule.iterations),
            "finished" if one.folder.finished else "unfinished",
            _best(one),
            str(ledger.start) if ledger else ABSENT,
            departs,
        )


def _best(one: Trained) -> str:
    best, step = one.result.get("best"), one.result.get("best_step")
    return f"{best:.2f} at step {step}" if isinstance(best, float) else ABSENT


def _scores(found: Found) -> Iterator[tuple[str, ...]]:
    for one in found.evaluations:
        kept = one.kept
        yield (one.where, kept.model, kept.score, _against(kept), kept.conditions)


def _against(kept: KeptEvaluation) -> str:
    if kept.headline is None:
        return ABSENT
    if kept.flaws:
        return f"not comparable: {'; '.join(kept.flaws)}"
    return kept.comparison.line() if kept.comparison else "nothing is printed for it"


def _times(found: Found) -> Iterator[tuple[str, ...]]:
    for one in found.measured:
        result = one.result
        told = "; ".join(word for word in (result.doubt, result.conditions) if word)
        yield (result.label, result.headline(), told, result.started, str(one.path))
    for entry in found.past:
        kept = entry.conditions
        told = (
            f"input {kept.input}, {kept.precision}, {kept.threads} threads, core {kept.core}, "
            f"{kept.engine} on {kept.device}, ends with {kept.output}"
        )
        median = f"{entry.summary.median_ms:.2f} ms {kept.figure}"
        shown = f"emulated, not a latency ({median})" if kept.emulated else median
        verdict = "" if entry.stable or kept.emulated else f" [{entry.verdict}]"
        gone = "history only; its record is gone"
        yield (f"{entry.model} {kept.engine}", f"{shown}{verdict}", told, entry.time, gone)


def _exports(found: Found) -> Iterator[tuple[str, ...]]:
    for one in found.exports:
        manifest = one.manifest
        parity = ", ".join(
            f"{name} {record.relative:.1e} of bound {record.bound:.0e}"
            for name, record in manifest.parity.items()
        )
        yield (
            manifest.name,
            one.run or str(one.path),
            "x".join(map(str, manifest.input.shape)),
            manifest.ending,
            f"{sum(file.bytes for file in manifest.files) / 1e6:.2f}",
            parity,
            manifest.images_text,
        )
