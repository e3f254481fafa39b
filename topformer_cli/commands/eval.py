"""`topformer eval`: the score of a run, a checkpoint or a weights file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("eval")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option("--dataset", help="A prepared set other than the model's own: a name, folder or URL.")
@click.option("--split", default="val", show_default=True)
@click.option(
    "--fail-under",
    type=float,
    metavar="PERCENT",
    help="Exit with 7 below this mIoU, top-1 accuracy or AP.",
)
@options.device_option
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    target: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    dataset: str | None,
    split: str,
    fail_under: float | None,
    device: str,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Evaluate TARGET, a run or a checkpoint (default: the best checkpoint of the latest run)."""
    from topformer_cli import console
    from topformer_cli.api import models
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show
    from topformer_cli.errors import ThresholdError
    from topformer_cli.rundir import write_json

    places = Places(work_dir, cache_dir)
    model = models.load_model(models.ModelSource(target, weights, size, partial_weights, places))
    console.note(f"evaluating {model.took}")
    with console.progress("eval", "images") as update:
        fetching = console.progress_lines("fetch the set", console.BYTES)
        request = models.EvalRequest(device, dataset, split, places, fetching)
        measured = models.evaluate_model(model, request, update)
    result = measured.result
    show.evaluation(measured, as_json=as_json)
    if model.run is not None:
        write_json(model.run.path / f"eval-{result.dataset}-{split}.json", measured.to_json())
    if fail_under is not None and result.headline.value < fail_under:
        message = f"{result.headline} is below --fail-under {fail_under:g}"
        raise ThresholdError(message)
