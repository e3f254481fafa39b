"""How measurements look on the terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from topformer_cli import console
from topformer_cli.api.bench_records import quoted, reproduction_text
from topformer_cli.results import BenchResult, BenchSession, DeviceFacts, LayerTime, Ratio
from topformer_cli.results.timeline import sustained

if TYPE_CHECKING:
    from pathlib import Path

    from topformer_cli.api.bench_records import Change, Kept
    from topformer_cli.api.benching import Subject, Target
    from topformer_cli.commands.bench_options import Measuring

SLOWEST_LAYERS = 12

Row = tuple[str, ...]


def begins(
    subjects: "Sequence[Subject]", targets: "Sequence[Target]", measuring: "Measuring"
) -> None:
    """Say what is measured where, and by which engine."""
    names = ", ".join(subject.artifact.name for subject in subjects)
    for target in targets:
        runner = target.runner
        console.note(f"measuring {names} on {target.station.name} with {runner.version}")
        if runner.module.ENGINE == "LiteRT" and measuring.engine == "auto":
            console.warn("engine: LiteRT, not the paper's TNN")
    if measuring.reproduce_paper:
        console.note(reproduction_text())


def session(measured: BenchSession) -> None:
    """Print a table, or the rounds of a single result, then what each number depends on."""
    if len(measured.results) == 1:
        _rounds(measured.results[0])
    else:
        _table(measured)
    for result in measured.results:
        _statement(result, _told_apart(result.device, measured.results))
    for words in dict.fromkeys(quoted(result) for result in measured.results):
        if words is not None:
            console.result(words)


def _table(measured: BenchSession) -> None:
    """Print a row for each result; what is the same in all of them stands in the title."""
    results = measured.results
    ratios = {one.row: one for one in measured.ratios}
    devices = len({one.device.serial for one in results}) > 1
    models = len({one.model for one in results}) > 1
    rows: list[Row] = [
        (
            *((_told_apart(result.device, results),) if devices else ()),
            *((result.model,) if models else ()),
            result.engine if result.accelerator == "cpu" else f"{result.engine} (gpu)",
            result.precision,
            *_figures(result),
            _ratio_words(ratios.get(place)),
            result.verdict,
        )
        for place, result in enumerate(results)
    ]
    what = (*(("device",) if devices else ()), *(("artifact",) if models else ()))
    what = (*what, "engine", "precision")
    columns = (*what, "median", "p90", "rounds differ", "ratio", "verdict")
    times = "ms of the emulator" if any(one.emulated for one in results) else "ms"
    where = "several devices" if devices else _device_words(results[0].device)
    title = where if models else f"{results[0].model} on {where}"
    left = (*range(len(what)), len(columns) - 1)
    key: list[tuple[str, str]] = []
    if models and not console.fits(columns, rows):
        rows, key = _lettered(rows, what.index("artifact"))
    console.table(f"{title} ({times})", columns, rows, left)
    console.facts(key)


def _lettered(rows: Sequence[Row], place: int) -> tuple[list[Row], list[tuple[str, str]]]:
    """Put letters into a column in place of long names; return the rows, and what they stand for.

    After Z they are numbers.
    """
    names = list(dict.fromkeys(row[place] for row in rows))
    letters = {
        name: chr(ord("A") + number) if number < 26 else str(number + 1)
        for number, name in enumerate(names)
    }
    lettered = [(*row[:place], letters[row[place]], *row[place + 1 :]) for row in rows]
    return lettered, [(letter, name) for name, letter in letters.items()]


def _told_apart(device: DeviceFacts, results: Sequence[BenchResult]) -> str:
    """Return the name of a device, with its serial where another one has the same name."""
    serials = {one.device.serial for one in results if one.device.name == device.name}
    return f"{device.name} {device.serial}" if len(serials) > 1 else device.name


def _figures(result: BenchResult) -> tuple[str, str, str]:
    summary = result.summary
    if summary is None:
        return "", "", ""
    p90 = "" if summary.p90_ms is None else f"{summary.p90_ms:.2f}"
    return f"{summary.median_ms:.2f}", p90, f"{summary.spread:.1%}"


def _ratio_words(found: Ratio | None) -> str:
    """Say how long it takes in units of the first row of its device."""
    return "1" if found is None else f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _rounds(result: BenchResult) -> None:
    rows = [
        (
            str(number),
            str(one.iterations),
            f"{one.min_ms:.2f}",
            "" if one.median is None else f"{one.median:.2f}",
            f"{one.mean_ms:.2f}",
            f"{one.max_ms:.2f}",
            "" if one.throttled is None else "throttled",
        )
        for number, one in enumerate(result.rounds, 1)
    ]
    times = "ms of the emulator" if result.emulated else "ms"
    columns = ("round", "inferences", "min", "median", "mean", "max", "")
    console.table(f"{_device_words(result.device)}: rounds ({times})", columns, rows, (0, 6))


def _statement(result: BenchResult, device: str) -> None:
    if device != result.device.name:
        console.result(f"{device}:")
    console.result(result.latency_statement())
    lines = (*_aside(result), *_parity(result), f"verdict: {result.verdict}")
    if result.protocol["sustained_s"] and (held := sustained(result.rounds)) is not None:
        console.result(f"  sustained {held.describe()}")
    for text in (*lines, *result.reasons, *(f"note: {text}" for text in result.notes)):
        console.result(f"  {text}")
    if result.layers:
        _layers(result.layers)


def _aside(result: BenchResult) -> Iterator[str]:
    summary = result.summary
    if summary is None:
        return
    parts = [
        ("forward alone", summary.forward_ms, "ms"),
        ("load", summary.load_ms, "ms"),
        ("first inference", summary.first_ms, "ms"),
        ("peak memory", None if summary.peak_kb is None else summary.peak_kb / 1000, "MB"),
    ]
    told = [f"{name} {value:.2f} {unit}" for name, value, unit in parts if value is not None]
    interval = (
        f"median within {summary.low_ms:.2f} to {summary.high_ms:.2f} ms "
        f"({summary.confidence:.0%}), {summary.count} {summary.of}"
    )
    yield "; ".join([interval, *told])
    if facts := result.engine_facts:
        yield "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items())


def _parity(result: BenchResult) -> Iterator[str]:
    parity = result.parity
    if parity is None:
        return
    where = f" at {parity['values']:.0f} values" if "values" in parity else ""
    labels = f", labels equal {parity['labels_equal']:.2%}" if "labels_equal" in parity else ""
    yield (
        f"output agrees with the reference{where}: max difference {parity['relative']:.1e} of "
        f"max|output|{labels}"
    )


def _layers(layers: Sequence[LayerTime]) -> None:
    whole = sum(one.ms for one in layers)
    slowest = sorted(layers, key=lambda one: one.ms, reverse=True)[:SLOWEST_LAYERS]
    rows = [(one.name, one.type, f"{one.ms:.3f}", f"{one.ms / whole:.1%}") for one in slowest]
    title = f"slowest of {len(layers)} layers, profiled in a run of their own ({whole:.2f} ms)"
    console.table(title, ("layer", "type", "ms", "share"), rows, (0, 1))


def _device_words(device: DeviceFacts) -> str:
    words = [device.name]
    if device.kind == "phone":
        words += [device.soc or "", f"Android {device.release}" if device.release else ""]
    return ", ".join(filter(None, words))


def changes(found: "Sequence[Change]") -> None:
    """Print what became slower or faster since an earlier measurement."""
    for change in found:
        console.result(change.describe())


def kept(where: "Kept") -> None:
    """Say where the record is."""
    if where.record is None:
        return  # an error of the command
    if where.problem:
        console.warn(where.problem)
    console.note(f"record: {where.record}")


def written(files: "Sequence[Path]") -> None:
    """Say where the other files are."""
    for path in files:
        console.note(f"written: {path}")
