"""Load a model of any task, and segment pictures with it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import nn

from topformer_cli.api.places import USUAL, Places
from topformer_cli.data.catalog import DATASETS
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.errors import DataError, RecipeError, UsageError, did_you_mean
from topformer_cli.models.checkpoint import build_from
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import ModelSpec, SizeName, Task
from topformer_cli.recipe import (
    DEFAULT_RECIPE,
    Choices,
    Recipe,
    load_recipe,
    load_resolved,
    parse_resolved,
    recipe_names,
)
from topformer_cli.rundir import RunDir, open_run, run_called, run_names, runs_newest_first
from topformer_cli.sections.segmentation import SegmentationRecipe

USUAL_RECIPES: Final[Mapping[Task, str]] = {
    "segmentation": DEFAULT_RECIPE,
    "classification": "imagenet",
    "detection": "coco-retinanet",
}
"""By whose protocol weights of an unknown data set are used."""

_DRAWN_BY: Final[Mapping[Task, str]] = {
    "segmentation": "; `topformer segment` draws what it sees",
    "detection": "; `topformer detect` draws what it sees",
}


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What a model is loaded from: a run, a checkpoint, a weights file, or the latest run.

    target is a path, or the name of a run in the work folder.
    tasks are the kinds of network that are wanted; any where none is named.
    """

    target: Path | None = None
    weights: Path | None = None
    size: SizeName | None = None
    partial: bool = False
    places: Places = USUAL
    tasks: tuple[Task, ...] = ()

    def takes(self, task: Task | None) -> bool:
        """Say whether a network of a task is wanted, or may be where it is not known."""
        return not self.tasks or task is None or task in self.tasks


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded network with its card, its recipe, and where it came from: as told, and in words."""

    network: nn.Module
    spec: ModelSpec
    recipe: Recipe
    file: Path
    run: RunDir | None
    took: str
    origin: Mapping[str, Any] = field(default_factory=dict)


def load_model(source: ModelSource) -> Model:
    """Load a network.

    Raises:
        UsageError: there is no run to take, two sources were named, or the network is of another
            task.
        DataError: the file does not hold a model that fits.
    """
    if source.weights and source.target:
        message = f"--weights {source.weights} and {source.target}: name one of them"
        raise UsageError(message)
    run = None if source.weights or _is_file(source.target) else _run(source)
    file = source.weights or source.target if run is None else _best(run)
    if file is None:
        message = "no model was named"
        raise UsageError(message)
    checkpoint = read_weights(
        Request(file, source.size, tuple(DATASETS.values()), partial=source.partial)
    )
    if not source.takes(checkpoint.spec.task):
        message = (
            f"{file} is a network for {checkpoint.spec.task}; this command takes one for "
            f"{' or '.join(source.tasks)}{_DRAWN_BY.get(checkpoint.spec.task, '')}"
        )
        raise UsageError(message)
    recipe = _recipe_of(checkpoint.origin, checkpoint.spec, file)
    network = build_from(checkpoint, str(file)).eval()
    took = _took(file, run, checkpoint.origin)
    return Model(network, checkpoint.spec, recipe, file, run, took, checkpoint.origin)


def _is_file(target: Path | None) -> bool:
    return target is not None and target.is_file()


def _run(source: ModelSource) -> RunDir:
    """Return the run that was named, else the newest of the task that has a checkpoint."""
    if source.target is not None:
        work_dir = source.places.work_dir
        target = run_called(source.target, work_dir)
        if not target.exists():
            close = did_you_mean(str(target), run_names(work_dir))
            message = f"no run, checkpoint or export {target}{close}"
            raise UsageError(message)
        return open_run(target)
    runs = runs_newest_first(source.places.work_dir)
    if source.tasks:
        runs = [run for run in runs if source.takes(_task_of(run))]
        if not runs:
            usual = " or ".join(USUAL_RECIPES[task] for task in source.tasks)
            message = (
                f"no run for {' or '.join(source.tasks)} under {source.places.work_dir}; run "
                f"`topformer train` with a recipe for it, such as {usual}, or name a run"
            )
            raise UsageError(message)
    return next((run for run in runs if _checkpoints(run)), runs[0])


def newest_of_size(size: SizeName, places: Places) -> RunDir | None:
    """Return the newest segmentation run of a size that has a checkpoint."""
    try:
        runs = runs_newest_first(places.work_dir)
    except UsageError:
        return None
    for run in runs:
        if _checkpoints(run):
            with contextlib.suppress(RecipeError):
                recipe = load_resolved(run.recipe)
                if (recipe.task, recipe.size) == ("segmentation", size):
                    return run
    return None


def _task_of(run: RunDir) -> Task | None:
    """Return the task of a run, None if it is not to be read."""
    try:
        return load_resolved(run.recipe).task
    except RecipeError:
        return None


def _checkpoints(run: RunDir) -> list[Path]:
    return [path for which in ("best", "last") if (path := run.weights(which)).is_file()]


def _best(run: RunDir) -> Path:
    found = _checkpoints(run)
    if not found:
        message = f"{run.path} has no checkpoint yet; go on with `{run.going_on}`"
        raise DataError(message)
    return found[0]


def _recipe_of(origin: Mapping[str, Any], spec: ModelSpec, file: Path) -> Recipe:
    if isinstance(origin.get("recipe"), dict):
        return parse_resolved(origin["recipe"], str(file))
    name = spec.dataset if spec.dataset in recipe_names() else USUAL_RECIPES[spec.task]
    return load_recipe(name, Choices(size=spec.size))


def _took(file: Path, run: RunDir | None, origin: Mapping[str, Any]) -> str:
    step = f" (step {origin['step']} of {origin['iterations']})" if "step" in origin else ""
    report = f": {origin['report']}" if "report" in origin else ""
    unfinished = ", an unfinished run" if run is not None and not run.finished else ""
    return f"{file}{step}{unfinished}{report}"


def segmenter(model: Model, device: str) -> Segmenter:
    """Wrap a segmentation model for label maps of whole pictures by its recipe's protocol."""
    assert isinstance(model.recipe, SegmentationRecipe)
    predictor = TorchPredictor(model.network, str(model.file), resolve_device(device))
    return Segmenter(predictor, model.spec, model.recipe.evaluation)
