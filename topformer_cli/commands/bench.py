"""`topformer bench`: latency on a phone or on this host."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.bench.plan import Precision
    from topformer_cli.models.spec import SizeName


@click.command("bench")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option(
    "--device",
    "-s",
    metavar="SERIAL|tcp:HOST:PORT|host",
    help="adb serial, address, or `host` (default: ANDROID_SERIAL, else the only phone).",
)
@click.option(
    "--runner",
    type=options.EXISTING_FILE,
    help="TNN's TNNTest for the phone; kept and used from then on (TOPFORMER_RUNNER overrides).",
)
@click.option("--precision", type=click.Choice(["fp32", "auto"]), default="fp32", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--core", default="prime", show_default=True, metavar="prime|any|N")
@click.option("--warmup", type=click.IntRange(0), default=10, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--iterations", type=click.IntRange(1), default=50, show_default=True)
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    target: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    device: str | None,
    runner: Path | None,
    precision: "Precision",
    threads: int,
    core: str,
    warmup: int,
    rounds: int,
    iterations: int,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure TARGET: an export, a run or a checkpoint (default: the latest run's export)."""
    from topformer_cli import console
    from topformer_cli.api.benching import BenchChoices, bench, find_target
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.bench.plan import Protocol
    from topformer_cli.commands import show
    from topformer_cli.commands.artifacts import find_artifact
    from topformer_cli.errors import UsageError

    if device is not None and device.split(":")[0] in ("cpu", "cuda", "mps", "auto"):
        message = (
            f"--device {device!r} is a torch device; bench takes an adb serial or `host` "
            "(this machine's processor)"
        )
        raise UsageError(message)
    places = Places(work_dir, cache_dir)
    choices = BenchChoices(
        device=device,
        runner=runner,
        precision=precision,
        threads=threads,
        core=core,
        protocol=Protocol(warmup, rounds, iterations),
        places=places,
    )
    phone = find_target(choices)
    source = ModelSource(target, weights, size, partial_weights, places, task="segmentation")
    artifact = find_artifact(target, source)
    console.note(f"measuring {artifact.name} on {phone.phone.serial if phone else 'this host'}")
    with console.progress("bench", "rounds") as update:
        result, record = bench(artifact, choices, update, phone)
    if as_json:
        console.result_json(result.to_json())
        return
    show.bench(result)
    console.note(f"record: {record}")
