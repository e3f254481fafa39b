"""`topformer eval`: the score of a run, a checkpoint, a weights file, or somebody's answers."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from topformer_cli.commands import options
from topformer_cli.commands.testing_options import NAMES, Testing, testing_options

if TYPE_CHECKING:
    from topformer_cli.api.comparing import Measured
    from topformer_cli.api.evaluating import EvalRequest
    from topformer_cli.api.evaluating_files import MeasuredFile
    from topformer_cli.api.models import ModelSource
    from topformer_cli.models.spec import SizeName
    from topformer_cli.results import Result
    from topformer_cli.results.detection import ScoredBoxes
    from topformer_cli.results.segmentation import ClassOrder, MapIds, ScoredMaps

OF_A_NETWORK: Final = ("target", "size", "weights", "partial_weights", "device", *NAMES)
"""What says which network is measured and where; answers that are there need neither."""


@click.command("eval")
@click.argument("target", required=False, type=options.ANY_PATH)
@options.model_options
@click.option("--dataset", help="A prepared set other than the model's own: a name, folder or URL.")
@click.option("--split", default="val", show_default=True)
@testing_options
@click.option(
    "--predictions",
    type=options.ANY_PATH,
    metavar="JSON|FOLDER",
    help="Score somebody's answers instead: boxes in COCO's results form (needs --annotations), or "
    "a folder of label PNGs (needs --dataset, or --annotations and --recipe).",
)
@click.option(
    "--annotations",
    type=options.ANY_PATH,
    metavar="JSON|FOLDER",
    help="What they are held against: COCO-style annotations, or a folder of masks.",
)
@click.option(
    "--recipe",
    metavar="NAME",
    help="The set whose masks lie in --annotations FOLDER, as in ade20k.",
)
@click.option(
    "--ids",
    type=click.Choice(["train", "set"]),
    default="train",
    show_default=True,
    help="How label PNGs number classes: train ids from 0 on, as `segment --labels` writes them, "
    "or as the set's own masks do (ADE20K: 1 to 150, 0 for none).",
)
@click.option(
    "--sort",
    "order",
    type=click.Choice(["id", "name", "iou", "accuracy", "pixels"]),
    default="id",
    show_default=True,
    help="Order of the classes of label maps; numbers the largest first.",
)
@click.option(
    "--output",
    type=options.ANY_PATH,
    metavar="FOLDER",
    help="Where pictures and confusion.csv of label maps go (default: beside the record).",
)
@click.option(
    "--fail-under",
    type=options.Amount(0, 100),
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
    recipe: str | None,
    ids: "MapIds",  # noqa: ARG001 - read with the other options of predictions
    order: "ClassOrder",
    output: Path | None,
    testing: Testing,
    fail_under: float | None,
    device: str,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Evaluate TARGET: a run, a checkpoint or an exported file (default: the latest run)."""
    from topformer_cli.commands import predictions as answers

    if predictions is not None or annotations is not None or recipe is not None:
        _hold(answers.score_predictions(ctx, OF_A_NETWORK), fail_under)
        return
    answers.require_unused(ctx, ("ids",), "without --predictions FOLDER")
    if output is not None:
        answers.require_folder(output)
    from topformer_cli import console
    from topformer_cli.api.evaluating import EvalRequest
    from topformer_cli.api.evaluating_files import is_exported
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show
    from topformer_cli.errors import DataError
    from topformer_cli.results import EvalResult
    from topformer_cli.rundir import write_json

    places = Places(work_dir, cache_dir)
    source = ModelSource(target, weights, size, partial_weights, places)
    request = EvalRequest(device, dataset, split, places)
    of_file = is_exported(target) or testing.phone is not None
    measured, folder = (_of_file if of_file else _of_network)(ctx, source, request, testing)
    show.evaluation(measured, order, as_json=as_json)
    result = measured.result
    words = (_asked(target, dataset, result), testing.slug(), _left_out(result))
    record = folder / f"eval-{result.dataset}-{split}{''.join(words)}.json"
    write_json(record, measured.to_json())
    console.note(f"kept as {record}")
    _draw(measured, output or record.with_suffix(""))
    if isinstance(result, EvalResult) and result.incomplete:
        message = f"{result.dataset} {split}: {result.incomplete}; the scores are of the others"
        raise DataError(message)
    _hold(result, fail_under)


def _asked(target: Path | None, dataset: str | None, result: "Result") -> str:
    """Return what tells records of other files or places from those of the usual one.

    A set at another address may have the usual one's name and other images.
    """
    from topformer_cli.api.evaluating_files import is_exported

    words = []
    if target is not None and is_exported(target):
        words.append(target.name)
    elif target is not None and target.is_file() and target.stem != "best":
        words.append(target.stem)
    if dataset not in (None, result.dataset):
        words.append(sha256(str(dataset).encode()).hexdigest()[:8])
    return "".join(f"-{word}" for word in words)


def _left_out(result: "Result") -> str:
    """Return what tells a record of some of the images from one of all."""
    from topformer_cli.results import EvalResult

    return "-incomplete" if isinstance(result, EvalResult) and result.incomplete else ""


def _of_network(
    ctx: click.Context, source: "ModelSource", request: "EvalRequest", testing: Testing
) -> "tuple[Measured, Path]":
    """Measure a run, a checkpoint or a weights file; say where that is to be kept."""
    from topformer_cli import console
    from topformer_cli.api.evaluating import evaluate_model, evaluations_of
    from topformer_cli.api.models import load_model

    wanted = testing.of_network(request)
    model = load_model(source)
    _refuse_pictures(ctx, model.spec.task)
    console.note(f"evaluating {model.took}")
    with console.progress("eval", "images") as update:
        fetching = console.progress_lines("fetch the set", console.BYTES)
        measured = evaluate_model(model, replace(wanted, fetching=fetching), update)
    return measured, evaluations_of(model.run, model.file, request.places)


def _refuse_pictures(ctx: click.Context, task: str) -> None:
    """Refuse options that are about label maps with a network that makes none."""
    from topformer_cli.commands import predictions as answers

    if task != "segmentation":
        why = f"with a network for {task}, which makes no label maps; leave it out"
        answers.require_unused(ctx, ("order", "output"), why)


def _of_file(
    ctx: click.Context, source: "ModelSource", request: "EvalRequest", testing: Testing
) -> "tuple[MeasuredFile, Path]":
    """Measure an exported file, or the export of a run on a phone; say where that is to be kept."""
    from topformer_cli import console
    from topformer_cli.api.evaluating import evaluations_of
    from topformer_cli.api.evaluating_files import evaluate_file, is_exported
    from topformer_cli.api.exporting import open_artifact
    from topformer_cli.commands import predictions as answers
    from topformer_cli.commands.artifacts import find_artifact
    from topformer_cli.models.spec import EXPORTED

    wanted = testing.of_file(request)
    path = source.target
    if path is None or not is_exported(path):
        path = find_artifact(source.target, replace(source, tasks=EXPORTED)).path
    else:
        why = "with an exported file, which is a network as it stands; leave it out"
        answers.require_unused(ctx, ("size", "weights", "partial_weights"), why)
    _refuse_pictures(ctx, open_artifact(path).card.get("task", "segmentation"))
    console.note(f"evaluating {path}")
    with console.progress("eval", "images") as update:
        fetching = console.progress_lines("fetch the set", console.BYTES)
        usual = replace(wanted.usual, fetching=fetching)
        measured = evaluate_file(path, replace(wanted, usual=usual), update)
    return measured, evaluations_of(measured.run, path, request.places)


def _draw(measured: "Measured | MeasuredFile", folder: Path) -> None:
    """Draw the confusion matrix and the worst images of label maps; other results have none."""
    from topformer_cli.commands import show
    from topformer_cli.results import EvalResult

    result = measured.result
    if isinstance(result, EvalResult):
        show.confusion(result, f"{result.model} on {result.dataset} {result.split}", folder)
        show.worst(measured, folder)


def _hold(result: "Result | ScoredBoxes | ScoredMaps", fail_under: float | None) -> None:
    """Raise an error where a score is too low, or does not exist."""
    from topformer_cli.errors import ThresholdError

    headline = result.headline
    if fail_under is None:
        return
    if headline.key not in result.scores:
        message = (
            f"nothing is labelled: there is no {headline.name} for --fail-under {fail_under:g}"
        )
        raise ThresholdError(message)
    if headline.value < fail_under:
        message = f"{headline} is below --fail-under {fail_under:g}"
        raise ThresholdError(message)
