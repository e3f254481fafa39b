"""`topformer sweep`: which size at which input fits my phone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from topformer_cli.commands import options
from topformer_cli.commands.bench_options import Measuring, sweeping_options
from topformer_cli.models.spec import SIZES

if TYPE_CHECKING:
    from topformer_cli.api.sweeping import SweepView, Swept
    from topformer_cli.results import SweepPoint

ENGINES = ("auto", "tnn", "litert", "onnxruntime", "torch")
USUAL_INPUTS = "256,320,384,448,512"


class Listed(click.ParamType):  # type: ignore[type-arg]
    """Values separated by commas, each of them converted."""

    def __init__(self, item: click.ParamType) -> None:  # type: ignore[type-arg]
        self.item = item
        self.name = f"{item.name},..."

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the values, none twice."""
        words = [word.strip() for word in value.split(",") if word.strip()]
        if not words:
            self.fail(f"{value!r}: expected values separated by commas", param, ctx)
        return tuple(dict.fromkeys(self.item.convert(word, param, ctx) for word in words))


@click.command("sweep")
@click.option(
    "--sizes", type=Listed(click.Choice(list(SIZES))), default=",".join(SIZES), show_default=True,
    metavar="SIZE,...", help="Of TopFormer.",
)  # fmt: skip
@click.option(
    "--inputs", type=Listed(options.InputSize()), default=USUAL_INPUTS, show_default=True,
    metavar="SIDE|HxW,...", help="Multiples of 32.",
)  # fmt: skip
@click.option(
    "--engines", type=Listed(click.Choice(ENGINES)), default="auto", show_default=True,
    metavar="ENGINE,...", help=f"Of {', '.join(ENGINES)}.",
)  # fmt: skip
@click.option("--budget-ms", type=options.Amount(0, min_open=True), help="Say what fits.")
@click.option("--eval/--no-eval", "evaluate", default=True, help="Measure mIoU of trained sizes.")
@click.option("--fresh", is_flag=True, help="Measure anew what was measured before.")
@sweeping_options
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    sizes: tuple[Any, ...],
    inputs: tuple[tuple[int, int], ...],
    engines: tuple[Any, ...],
    budget_ms: float | None,
    evaluate: bool,
    fresh: bool,
    measuring: Measuring,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Export, verify and measure sizes x inputs x engines, with mIoU where it can be had.

    What was measured under the same conditions is not measured again; an interrupted sweep is
    started again with the same line.
    """
    from dataclasses import asdict

    from topformer_cli import console
    from topformer_cli.api.places import Places
    from topformer_cli.api.sweeping import SweepChoices, sweep

    choices = SweepChoices(
        sizes=sizes,
        inputs=inputs,
        engines=engines,
        bench=measuring.choices(Places(work_dir, cache_dir)),
        budget_ms=budget_ms,
        evaluate=evaluate,
        fresh=fresh,
    )
    with console.progress("sweep") as update:
        swept = sweep(choices, _view(update))
    if as_json:
        points = [asdict(point) for point in swept.points]
        console.result_json({"points": points, "failures": swept.failures})
    else:
        _show(swept, budget_ms)
    console.note(f"written: {swept.folder / 'sweep.json'}, {swept.folder / 'pareto.png'}")


def _view(update: Callable[..., None]) -> "SweepView":
    from topformer_cli import console
    from topformer_cli.api.sweeping import SweepView

    class View(SweepView):
        where = ""

        def begins(self, number: int, total: int, what: str) -> None:
            self.where = f"{number}/{total} {what}"
            update(0, 0, self.where)

        def reused(self, what: str) -> None:
            console.note(f"{what}: measured before")

        def failed(self, what: str) -> None:
            console.warn(what)

        def advance(self, done: float, total: float, text: str) -> None:
            update(done, total, f"{self.where}: {text}")

    return View()


def _show(swept: "Swept", budget_ms: float | None) -> None:
    from topformer_cli import console
    from topformer_cli.results.sweep import best_under, frontier

    best = frontier(swept.points)
    rows = [
        (
            point.size,
            "x".join(map(str, point.input)),
            point.engine,
            point.precision,
            f"{point.median_ms:.2f}",
            "" if point.p90_ms is None else f"{point.p90_ms:.2f}",
            "" if point.miou is None else f"{point.miou:.2f}",
            f"{point.multiply_adds / 1e6:.0f}",
            "*" if point in best else "",
            point.verdict,
        )
        for point in sorted(swept.points, key=lambda one: one.median_ms)
    ]
    device = swept.points[0].device if swept.points else "no device"
    figures = ("median ms", "p90", "mIoU", "multiply-adds (M)", "best")
    columns = ("size", "input", "engine", "precision", *figures, "verdict")
    console.table(f"sweep on {device}", columns, rows, (0, 1, 2, 3, 9))
    if budget_ms is not None:
        found = best_under(swept.points, budget_ms)
        words = ("nothing stable",) if found is None else _words(found)
        console.result(f"best under {budget_ms:g} ms: {', '.join(words)}")
    if any(point.miou is not None for point in swept.points):
        console.result("mIoU: pictures stretched to the input, as an app feeds them")
    for size in swept.untrained:
        console.result(f"{size}: no trained run, so its weights are random and it has no mIoU")


def _words(point: "SweepPoint") -> tuple[str, ...]:
    worth = "most multiply-adds" if point.miou is None else f"mIoU {point.miou:.2f}"
    return point.label, point.engine, point.precision, f"{point.median_ms:.2f} ms", worth
