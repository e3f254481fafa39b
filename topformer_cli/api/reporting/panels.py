"""The points of Figure 1, ours and the paper's, and the shares of Figure 3."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from topformer_cli.api.paper_tables.segmenters import segmenter_card
from topformer_cli.api.reporting.gathering import Found, Measured
from topformer_cli.api.reporting.scoring import score_of
from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.spec import SIZES, ModelSpec
from topformer_cli.report.overview.records import Panel, PartShare, Point
from topformer_cli.results import BenchResult
from topformer_cli.results.kept import KeptEvaluation
from topformer_cli.results.printed import LATENCY_SAYS, NAMES, TABLE_1

ADE20K: Final = "mIoU on ADE20K val (%)"
RIVAL: Final = "LR-ASPP with MobileNetV3-Large"
RATIO: Final = "latency in units of LR-ASPP's with MobileNetV3-Large, on the same phone"
SIDE: Final = 512
TINY_SIDE: Final = 448
"""Of the one row of Table 1 with another input."""
PRINTED_SAYS: Final = (
    f"mIoU at a single scale, latency at input {SIDE}x{SIDE}, or {TINY_SIDE}x{TINY_SIDE} where the "
    "name says so"
)


@dataclass(frozen=True, slots=True)
class Scatter:
    """The panels of Figure 1, and what they leave out."""

    panels: tuple[Panel, ...]
    undrawn: tuple[str, ...]


def scatter(found: Found) -> Scatter:
    """Return the paper's points in a panel of their own, ours by device, and ratios on phones."""
    drawn = [one for one in found.measured if score_of(one, found) and _can_be_drawn(one.result)]
    panels = [_printed_panel(), *_own_panels(drawn, found)]
    if ratios := _ratios(drawn, found):
        panels.append(Panel("Ratios: the paper's (circles), ours", RATIO, ADE20K, tuple(ratios)))
    return Scatter(tuple(panels), tuple(_undrawn(found)))


def _printed_points(unit_ms: float) -> list[Point]:
    """Return the paper's points with their latencies in a unit."""
    points = []
    for row in TABLE_1.rows:
        mparams, _, miou, ms = row.figures
        assert mparams is not None
        assert miou is not None
        if ms is not None:
            name = row.label if row.side == TINY_SIDE else row.name
            points.append(Point(name, ms / unit_ms, miou, mparams, "quoted", PRINTED_SAYS))
    return points


def _printed_panel() -> Panel:
    title = "Quoted from the paper: Table 1"
    label = f"latency (ms): {LATENCY_SAYS.partition(';')[0]}"
    return Panel(title, label, ADE20K, tuple(_printed_points(1.0)))


def _can_be_drawn(result: BenchResult) -> bool:
    return result.summary is not None and not result.emulated


def _own_panels(drawn: list[Measured], found: Found) -> Iterator[Panel]:
    """Yield a panel for each device, engine, precision, number of threads, set and split."""
    groups: dict[tuple[str, ...], list[Point]] = {}
    for one in drawn:
        result, scored, mparams = one.result, score_of(one, found), _mparams(one.result)
        if scored is None or mparams is None or result.summary is None:
            continue
        kept = scored.kept
        where = f"{result.device.name}, {result.device.kind}"
        threads = f"{result.threads} thread{'s' * (result.threads != 1)}"
        how = f"{result.engine}, {result.accelerator}, {result.precision}, {threads}"
        point = _point(result, kept, result.summary.median_ms, mparams)
        groups.setdefault((where, how, kept.dataset, kept.split), []).append(point)
    for (where, how, dataset, split), points in groups.items():
        y_label = f"mIoU on {dataset} {split} (%)"
        yield Panel(f"Here: {where}", f"median latency (ms): {how}", y_label, tuple(points))


def _point(result: BenchResult, kept: KeptEvaluation, x: float, mparams: float) -> Point:
    assert kept.headline is not None
    size = "x".join(map(str, result.input_shape[2:]))
    told = f"mIoU by the protocol {kept.protocol}; latency at input {size}"
    stable = result.verdict == "stable"
    return Point(f"{kept.model}, {size}", x, kept.headline.value, mparams, "here", told, stable)


def _ratios(drawn: list[Measured], found: Found) -> list[Point]:
    """Return ours and the paper's as ratios to LR-ASPP, if any was measured beside it on a phone.

    LR-ASPP is known by its card, or by what its file is called.
    """
    ours = []
    for one in drawn:
        scored, unit_ms = score_of(one, found), _rival_ms(one)
        mparams = _mparams(one.result)
        if scored and unit_ms and mparams and scored.kept.dataset == "ade20k":
            assert one.result.summary is not None
            ratio = one.result.summary.median_ms / unit_ms
            ours.append(_point(one.result, scored.kept, ratio, mparams))
    if not ours:
        return []
    (rival,) = (row for row in TABLE_1.rows if row.name == RIVAL)
    printed_ms = TABLE_1.figure(rival, "latency_ms")
    assert printed_ms is not None
    return [*_printed_points(printed_ms), *ours]


def _rival_ms(one: Measured) -> float | None:
    """Return LR-ASPP's median of the same session, phone, engine, precision and threads."""

    def how(result: BenchResult) -> tuple[object, ...]:
        return (
            result.device.serial, result.device.name, result.engine, result.precision,
            result.accelerator, result.threads, result.input_shape,
        )  # fmt: skip

    if one.result.device.kind != "phone":
        return None
    for other in one.session.results:
        named = other.card.get("head") == "lraspp" or "lraspp" in other.model.replace("-", "")
        if named and how(other) == how(one.result) and other.summary is not None:
            return other.summary.median_ms
    return None


def _mparams(result: BenchResult) -> float | None:
    """Count the network of a card; None where it is no card of ours."""
    try:
        card = ModelSpec.from_json(result.card, "record")
    except (DataError, TypeError):
        return None
    return sum(one.numel() for one in build_model(card).parameters()) / 1e6


def _undrawn(found: Found) -> Iterator[str]:
    emulated = sum(one.result.emulated for one in found.measured)
    unscored = sum(
        _can_be_drawn(one.result) and score_of(one, found) is None for one in found.measured
    )
    if emulated:
        yield f"{emulated} emulated measurements are not drawn: an emulated time is no latency."
    if unscored:
        yield (
            f"{unscored} latencies are not drawn: no mIoU of the checkpoint that was measured is "
            "here, of all of its own set's val, by its run's protocol (`topformer eval RUN` writes "
            "one), or they are of another input than it was trained with."
        )
    if not found.measured:
        yield "No latency was gathered; `topformer bench` measures one."


def shares() -> tuple[PartShare, ...]:
    """Count the parts of the three sizes for ADE20K at 512x512."""
    return tuple(
        PartShare(NAMES[size], part.part, part.parameters, part.multiply_adds)
        for size in SIZES
        for part in cost_by_part(build_model(segmenter_card(size, "ade20k", SIDE)), SIDE, SIDE)[:-1]
    )


SHARES_NOTES: Final = (
    f"For 150 classes at {SIDE}x{SIDE}, the head's first convolution full, as the paper's figures "
    "for T need it.",
    "Quoted from the paper, of TopFormer-T: the semantics extractor has 74 % of the parameters and "
    "about 10 % of multiply-adds and latency.",
    "Shares of the latency are told for what `topformer bench --per-layer` measured, in a table of "
    "their own; these are counts.",
)
