"""`topformer eval`: the score of a run, a checkpoint or a weights file, or of somebody's boxes."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName
    from topformer_cli.results import Headline

OF_A_NETWORK: Final = (
    "target", "size", "weights", "partial_weights", "dataset", "split", "device",
)  # fmt: skip
"""What says which network is measured and where; a results file needs neither."""


@click.command("eval")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option("--dataset", help="A prepared set other than the model's own: a name, folder or URL.")
@click.option("--split", default="val", show_default=True)
@click.option(
    "--predictions",
    type=options.ANY_PATH,
    metavar="JSON",
    help="Score somebody's boxes instead: COCO's results form. Needs --annotations.",
)
@click.option(
    "--annotations", type=options.ANY_PATH, metavar="JSON", help="What they are held against."
)
@click.option(
    "--fail-under",
    type=options.Amount(),
    metavar="PERCENT",
    help="Exit with 7 below this mIoU, top-1 accuracy or AP.",
)
@options.device_option
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
@click.pass_context
def command(  # noqa: PLR0913 - one parameter an option
    ctx: click.Context,
    target: Path | None,
    size: "SizeName | None",
    weights: Path | None,
    partial_weights: bool,
    dataset: str | None,
    split: str,
    predictions: Path | None,
    annotations: Path | None,
    fail_under: float | None,
    device: str,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Evaluate TARGET, a run or a checkpoint (default: the best checkpoint of the latest run)."""
    if predictions is not None or annotations is not None:
        _require_both(ctx, predictions, annotations)
        assert predictions is not None
        assert annotations is not None
        _hold(_score(predictions, annotations, as_json=as_json), fail_under)
        return
    from topformer_cli import console
    from topformer_cli.api import evaluating, models
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show
    from topformer_cli.rundir import write_json

    places = Places(work_dir, cache_dir)
    model = models.load_model(models.ModelSource(target, weights, size, partial_weights, places))
    console.note(f"evaluating {model.took}")
    with console.progress("eval", "images") as update:
        fetching = console.progress_lines("fetch the set", console.BYTES)
        request = evaluating.EvalRequest(device, dataset, split, places, fetching)
        measured = evaluating.evaluate_model(model, request, update)
    result = measured.result
    show.evaluation(measured, as_json=as_json)
    if model.run is not None:
        write_json(model.run.path / f"eval-{result.dataset}-{split}.json", measured.to_json())
    _hold(result.headline, fail_under)


def _require_both(ctx: click.Context, predictions: Path | None, annotations: Path | None) -> None:
    from topformer_cli.errors import UsageError

    if predictions is None:
        message = f"--annotations {annotations}: needs --predictions JSON, the boxes to score"
        raise UsageError(message)
    if annotations is None:
        message = (
            f"--predictions {predictions}: needs --annotations JSON, to hold the boxes against"
        )
        raise UsageError(message)
    given = [
        param.human_readable_name.upper() if param.name == "target" else param.opts[0]
        for param in ctx.command.params
        if param.name in OF_A_NETWORK
        and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        message = (
            f"{', '.join(given)}: of no use with --predictions, which is scored without a network "
            "or a prepared set; leave out one or the other"
        )
        raise UsageError(message)


def _score(predictions: Path, annotations: Path, *, as_json: bool) -> "Headline":
    """Score a results file, show it and return its AP."""
    from topformer_cli import console
    from topformer_cli.api.scoring import score_predictions
    from topformer_cli.commands import show

    console.note(f"holding the boxes of {predictions} against {annotations}")
    result = score_predictions(predictions, annotations)
    show.scored(result, as_json=as_json)
    if not result.boxes:
        console.warn(f"{predictions} holds no box: nothing was found, which counts as AP 0")
    return result.headline


def _hold(headline: "Headline", fail_under: float | None) -> None:
    """Raise an error where a score is too low."""
    from topformer_cli.errors import ThresholdError

    if fail_under is not None and headline.value < fail_under:
        message = f"{headline} is below --fail-under {fail_under:g}"
        raise ThresholdError(message)
