"""The shares of the latency by part, after Figure 3, of measurements that tell times of layers."""

from collections.abc import Iterator, Mapping
from typing import Final

from topformer_cli.api.reporting.gathering import Exported, Found
from topformer_cli.models.cost import PARTS
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.results import BenchResult

COLUMNS: Final = ("model", "part", "layers", "ms", "share", "conditions")
OUTSIDE: Final = "outside the parts"
"""Pooling and splitting of tokens, and what an export has before and after the network."""
UNKNOWN: Final = "not known"
"""Layers that the engine has added or renamed."""
NOTES: Final = (
    "By the engine's profiler, in a run apart from the rounds that the latency is of; shares are "
    "of the sum over all layers. Emulated times are left out.",
)


def latency_shares(found: Found) -> tuple[Sheet, ...]:
    """Return a sheet of the shares, or none where no measurement tells the times of its layers.

    Layers are known by their names, which are those of the values in the export's ONNX file.
    """
    rows = [row for one in found.measured for row in _rows(one.result, found)]
    if not rows:
        return ()
    title = "Latency by part: after Figure 3, measured here"
    return (Sheet("latency-parts", title, COLUMNS, tuple(rows), notes=NOTES),)


def _rows(result: BenchResult, found: Found) -> Iterator[tuple[str, ...]]:
    export = found.export_of(result)
    total = sum(layer.ms for layer in result.layers)
    if result.emulated or export is None or not total:
        return
    values = _parts(export)
    parts: dict[str, list[float]] = {}
    for layer in result.layers:
        parts.setdefault(values.get(layer.name, UNKNOWN), []).append(layer.ms)
    if set(parts) == {UNKNOWN}:
        return
    for part, times in parts.items():
        ms = sum(times)
        yield (
            result.label, part, str(len(times)), f"{ms:.3f}", f"{ms / total:.1%}",
            result.conditions,
        )  # fmt: skip


def _parts(export: Exported) -> Mapping[str, str]:
    """Return the part of each value of an export; nothing of one that does not say."""
    # Imported here: onnx takes its time, and most reports have no times of layers.
    from topformer_cli.deploy.parts import read_parts

    path = export.path.with_suffix(".onnx")
    named = read_parts(path) if path.is_file() else {}
    return {value: PARTS.get(part, OUTSIDE) for value, part in named.items()}
