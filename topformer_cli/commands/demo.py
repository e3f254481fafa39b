"""`topformer demo`: the whole road in a few minutes, without network."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.demo import DemoResult
    from topformer_cli.engine.observer import Observer
    from topformer_cli.models.spec import SizeName
    from topformer_cli.report.records import Stage
    from topformer_cli.rundir import RunDir


@click.command("demo")
@options.size_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(
    size: "SizeName | None",
    seed: int,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Render a small data set, train on it, evaluate, export, verify, measure, report.

    Takes a few minutes on two cores and no network. What it makes is one run folder with a page,
    report.html.
    """
    from topformer_cli import console
    from topformer_cli.errors import Stopped, ThresholdError, exit_code_of

    began = time.monotonic()
    console.note("topformer demo: from rendered scenes to a verified TNN file (loading PyTorch)")
    view = _View()
    try:
        from topformer_cli.api.demo import DemoSettings, run_demo
        from topformer_cli.api.places import Places
        from topformer_cli.recipe import DEFAULT_SIZE

        settings = DemoSettings(
            size=size or DEFAULT_SIZE, seed=seed, places=Places(work_dir, cache_dir), began=began
        )
        with view.log:
            result = run_demo(settings, view)
    except (KeyboardInterrupt, Stopped) as stop:
        number = exit_code_of(stop) - 128 if isinstance(stop, Stopped) else signal.SIGINT
        raise Stopped(view.how_to_go_on(), number) from stop
    if as_json:
        console.result_json(result.to_json())
    else:
        _show(result)
    if not result.data.good_enough:
        message = (
            f"{result.data.evaluation.headline} is below {settings.least_miou:g}, which the "
            f"demo reaches where everything works; look at {result.page}"
        )
        raise ThresholdError(message)


class _View:
    """Shows the stages on the terminal, one line at their start and one at their end."""

    def __init__(self) -> None:
        self.log = contextlib.ExitStack()
        self.stage = "start"
        self.run: RunDir | None = None

    @contextlib.contextmanager
    def working(self, number: int, title: str) -> Iterator[Callable[..., None]]:
        """Show the progress of a stage."""
        from topformer_cli import console
        from topformer_cli.api.demo import STAGES

        self.stage = f"{number}/{len(STAGES)} {title}"
        console.note(self.stage)
        with console.progress(f"    {title}") as update:
            yield update

    def finished(self, number: int, stage: "Stage") -> None:  # noqa: ARG002
        """Say what came of a stage and how long it took."""
        from topformer_cli import console

        console.note(f"    {stage.outcome} ({console.clock(stage.seconds)})")

    def opened(self, run: "RunDir") -> None:
        """Copy what is shown to the run's log from now on."""
        from topformer_cli import console

        self.run = run
        self.log.enter_context(console.logging_to(run.log))

    def observer(self, update: Callable[..., None]) -> "Observer":
        """Follow the training in the progress line of its stage."""
        from topformer_cli.commands.show import TrainingView

        return TrainingView(update)

    def how_to_go_on(self) -> str:
        """Say where it stopped and what to type."""
        text = (
            f"demo stopped at {self.stage}; nothing half-made is left behind: type "
            "`topformer demo` again, a finished set of scenes is used as it is"
        )
        if self.run is None or self.run.finished or not self.run.state.is_file():
            return text
        return f"{text}; the training alone goes on with `topformer train --resume {self.run.path}`"


def _show(result: "DemoResult") -> None:
    from topformer_cli import console
    from topformer_cli.results import percent

    data = result.data
    evaluation, bench = data.evaluation, data.bench
    found = evaluation.found
    rows = [
        ("mIoU", f"{percent(found.miou)} %", f"{evaluation.images} rendered validation scenes"),
        ("pixel accuracy", f"{percent(found.pixel_accuracy)} %", "the same scenes"),
        (
            "parameters",
            f"{data.parameters / 1e6:.2f} M",
            f"{data.multiply_adds / 1e6:.0f} M multiply-adds at {_sides(bench.input_shape)}",
        ),
        ("TNN", f"{data.megabytes('.tnnmodel', '.tnnproto'):.2f} MB", ".tnnproto and .tnnmodel"),
        ("ONNX", f"{data.megabytes('.onnx'):.2f} MB", ""),
        *(
            (f"{name.upper()} parity", f"{one['relative']:.1e}", "max difference / max|logits|")
            for name, one in data.parities.items()
        ),
    ]
    if bench.summary is not None:
        where = f"median on this host, {bench.threads} thread, verdict: {bench.verdict}"
        rows.append(("latency", f"{bench.summary.median_ms:.2f} ms", where))
    rows.append(("whole demo", console.clock(data.seconds), "minutes:seconds"))
    title = f"{evaluation.model} on rendered scenes"
    console.table(title, ("figure", "value", "conditions"), rows, left=(0, 2))
    console.result(bench.latency_statement())
    console.result(
        "rendered scenes are no benchmark; a host's latency is not a phone's; nothing was "
        "measured on a phone"
    )
    console.result(f"page: {result.page}\npicture: {result.picture}")
    _show_next_steps()


def _show_next_steps() -> None:
    from topformer_cli import console
    from topformer_cli.report.page import NEXT_STEPS

    console.result("\nnext, for real data:")
    for words, lines in NEXT_STEPS:
        console.result(f"  {words}")
        for line in lines:
            console.result(f"    {line}")


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape[2:])
