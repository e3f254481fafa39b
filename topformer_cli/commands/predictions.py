"""What `topformer eval --predictions` scores: somebody's boxes, or somebody's label maps."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from topformer_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from topformer_cli.api.scoring_maps import TruthOfFolder, TruthOfSet
    from topformer_cli.results import LabelMapsResult, PredictionsResult
    from topformer_cli.results.segmentation import ClassOrder, MapIds

OF_MAPS: Final = ("recipe", "ids", "order", "output")
"""Options that say something of label maps and nothing of boxes."""

OF_A_SET: Final = ("dataset", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What is to be scored, against what, and what becomes of the scores: options by name."""

    predictions: Path | None
    annotations: Path | None
    recipe: str | None
    dataset: str | None
    split: str
    ids: "MapIds"
    order: "ClassOrder"
    output: Path | None
    work_dir: Path
    cache_dir: Path | None
    as_json: bool


def score_predictions(
    ctx: click.Context, of_a_network: Collection[str]
) -> "PredictionsResult | LabelMapsResult":
    """Score somebody's boxes or label maps, show the scores and return them.

    of_a_network are the options of no use here.

    Raises:
        UsageError: options are missing, or do not go together.
        DataError: something cannot be scored; or, after the scores are shown, only a part was.
    """
    asked = Predictions(**{one.name: ctx.params[one.name] for one in fields(Predictions)})
    if asked.predictions is None:
        raise UsageError(_without_predictions(asked))
    if asked.predictions.is_dir():
        why = "with --predictions, which is scored without a network; leave out one or the other"
        require_unused(ctx, of_a_network, why)
        result = _score_maps(ctx, asked)
        if result.incomplete:
            message = (
                f"{asked.predictions}: {result.incomplete}; add maps as NAME.png or "
                "NAME-labels.png, for these scores are of the others alone"
            )
            raise DataError(message)
        return result
    _require_boxes(ctx, asked, of_a_network)
    return _score_boxes(asked)


def require_unused(ctx: click.Context, names: Collection[str], why: str) -> None:
    """Refuse those of some options that stand on the command line.

    Raises:
        UsageError: there are such; names them and says why they are of no use.
    """
    given = [
        param.human_readable_name.upper() if param.name == "target" else param.opts[0]
        for param in ctx.command.params
        if param.name in names
        and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        message = f"{', '.join(given)}: of no use {why}"
        raise UsageError(message)


def _without_predictions(asked: Predictions) -> str:
    if asked.annotations is None:
        return f"--recipe {asked.recipe}: needs --predictions FOLDER and --annotations FOLDER"
    if asked.annotations.is_dir():
        return f"--annotations {asked.annotations}: needs --predictions FOLDER, the maps to score"
    return f"--annotations {asked.annotations}: needs --predictions JSON, the boxes to score"


def _require_boxes(ctx: click.Context, asked: Predictions, of_a_network: Collection[str]) -> None:
    """Check that the options are those of boxes."""
    if asked.annotations is None:
        if asked.predictions is not None and not asked.predictions.exists():
            message = f"--predictions {asked.predictions}: no such file or folder"
            raise DataError(message)
        message = (
            f"--predictions {asked.predictions}: needs --annotations JSON, to hold the boxes "
            "against"
        )
        raise UsageError(message)
    if asked.annotations.is_dir():
        message = (
            f"--annotations {asked.annotations}: is a folder, and --predictions "
            f"{asked.predictions} is none; boxes are held against a JSON file, a folder of label "
            "maps against a folder of masks"
        )
        raise UsageError(message)
    why = (
        "with --predictions, which is scored without a network or a prepared set; leave out one "
        "or the other"
    )
    require_unused(ctx, {*of_a_network, *OF_A_SET}, why)
    require_unused(ctx, OF_MAPS, "with --predictions JSON, which holds boxes; leave it out")


def _score_boxes(asked: Predictions) -> "PredictionsResult":
    from topformer_cli import console
    from topformer_cli.api import scoring
    from topformer_cli.commands import show

    assert asked.predictions is not None
    assert asked.annotations is not None
    console.note(f"holding the boxes of {asked.predictions} against {asked.annotations}")
    result = scoring.score_predictions(asked.predictions, asked.annotations)
    show.scored(result, as_json=asked.as_json)
    if not result.boxes:
        console.warn(f"{asked.predictions} holds no box: nothing was found, which counts as AP 0")
    return result


def _score_maps(ctx: click.Context, asked: Predictions) -> "LabelMapsResult":
    from topformer_cli import console
    from topformer_cli.api.scoring_maps import score_maps
    from topformer_cli.commands import show

    assert asked.predictions is not None
    truth = _truth(ctx, asked)
    if asked.output is not None:
        require_folder(asked.output)
    against = asked.annotations or f"{asked.dataset} {asked.split}"
    console.note(f"holding the label maps of {asked.predictions} against {against}")
    with console.progress("eval", "images") as update:
        result = score_maps(asked.predictions, truth, asked.ids, update)
    show.scored_maps(result, asked.order, as_json=asked.as_json)
    if asked.output is not None:
        of = f"{result.dataset} {result.split}" if result.split else result.dataset
        whose = f"{asked.predictions.name} on {of} ({result.images_text})"
        show.confusion(result, whose, asked.output)
    return result


def _truth(ctx: click.Context, asked: Predictions) -> "TruthOfSet | TruthOfFolder":
    """Return what label maps are held against."""
    from topformer_cli import console
    from topformer_cli.api.places import Places
    from topformer_cli.api.scoring_maps import TruthOfFolder, TruthOfSet

    if asked.annotations is None:
        if asked.dataset is None:
            message = (
                f"--predictions {asked.predictions}: needs --dataset NAME, a prepared set, or "
                "--annotations FOLDER --recipe NAME, to hold the label maps against"
            )
            raise UsageError(message)
        require_unused(ctx, ("recipe",), "with --dataset, which says what its masks mean")
        fetching = console.progress_lines("fetch the set", console.BYTES)
        places = Places(asked.work_dir, asked.cache_dir)
        return TruthOfSet(asked.dataset, asked.split, places, fetching)
    why = "with --annotations: label maps are held against one or the other; leave out one"
    require_unused(ctx, OF_A_SET, why)
    if not asked.annotations.is_dir():
        message = (
            f"--annotations {asked.annotations}: is no folder; a folder of label maps is held "
            "against a folder of masks"
        )
        raise UsageError(message)
    if asked.recipe is None:
        message = (
            f"--annotations {asked.annotations}: needs --recipe NAME, the set that says what its "
            "masks mean, such as ade20k"
        )
        raise UsageError(message)
    return TruthOfFolder(asked.annotations, asked.recipe)


def require_folder(output: Path) -> None:
    """Check, before any work, that pictures can be written into a folder.

    Raises:
        UsageError: it is a file, or not writable.
    """
    from topformer_cli.api.pictures import require_writable

    require_writable(output / "confusion.png")
