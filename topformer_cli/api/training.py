"""Plan and run a training."""

import contextlib
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from topformer_cli import __version__
from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.sets import open_set
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.quick import quick_check
from topformer_cli.data.store import prepared_names
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.observer import Observer
from topformer_cli.engine.tasks import model_spec
from topformer_cli.engine.tensorboard import TensorBoardObserver
from topformer_cli.engine.train import TrainJob, train
from topformer_cli.errors import DataError, RecipeError, UsageError
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import ModelSpec
from topformer_cli.models.start import fit_start
from topformer_cli.recipe import (
    CUSTOM,
    DEFAULT_RECIPE,
    Choices,
    Recipe,
    SetFacts,
    did_you_mean,
    load_recipe,
    load_resolved,
    recipe_names,
    recipe_of_set,
)
from topformer_cli.report.plots import headline_plot, loss_plot
from topformer_cli.report.records import read_curves
from topformer_cli.results import Result
from topformer_cli.rundir import RunDir, atomic_write, latest_run, new_run, open_run, write_json


def resolve_recipe(name: str | None, choices: Choices, places: Places) -> Recipe:
    """Resolve a recipe's name, or the name, path or address of a prepared set that has none."""
    name = name or DEFAULT_RECIPE
    if name not in recipe_names():
        name = recipe_of_set(name) or name
    if name in recipe_names() or name.endswith((".yaml", ".yml")):
        return load_recipe(name, choices)
    try:
        prepared = open_set(name, places)
    except DataError as error:
        known = [*recipe_names(), *prepared_names(cache_dir(places.cache))]
        close = "" if name in known or "/" in name else did_you_mean(name, known)
        if not close:
            raise
        message = f"{name!r} is neither a recipe nor a prepared set{close}"
        raise RecipeError(message) from error
    card = prepared.card
    if card.task not in CUSTOM:
        prepared.require("segmentation")
    facts = SetFacts(card.name, card.median_size, card.counts["train"], name)
    return load_recipe(CUSTOM[card.task], choices, facts)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A new run; weights is a file to start from, command the folder of runs that it goes to.

    fetching is called with bytes done and bytes in all where the set lies elsewhere.
    """

    recipe: str | None
    choices: Choices
    device: str = "auto"
    workers: int | None = None
    weights: Path | None = None
    partial_weights: bool = False
    places: Places = USUAL
    command: str = "train"
    fetching: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """A run that is ready to start or to go on; notes are what is odd with its data."""

    job: TrainJob
    run: RunDir
    resume: bool
    notes: tuple[str, ...] = ()


def plan_training(request: TrainRequest) -> TrainPlan:
    """Check everything a new run needs, then create its folder.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: the set is not prepared, or damaged, or the weights do not fit.
    """
    recipe = resolve_recipe(request.recipe, request.choices, request.places)
    if request.weights is None and recipe.needs_weights:
        raise RecipeError(recipe.needs_weights)
    job = _job(recipe, request)
    job.prepared.complete(request.fetching)
    notes = quick_check(job.prepared)
    run = new_run(request.places.work_dir, request.command, f"{recipe.name}-{recipe.size}")
    atomic_write(run.recipe, recipe.to_yaml())
    write_json(run.environment, environment(job.device) | {"data_terms": job.spec.data_terms})
    return TrainPlan(job, run, resume=False, notes=notes)


def plan_resume(which: Path | None, request: TrainRequest) -> TrainPlan:
    """Open a stopped run, the latest one unless named.

    Raises:
        UsageError: there is no such run, or it is finished.
        DataError: its set is not there any more, or damaged.
    """
    run = open_run(which) if which else latest_run(request.places.work_dir)
    if run.finished:
        message = f"{run.path} is finished; nothing to resume (start anew without --resume)"
        raise UsageError(message)
    job = _job(load_resolved(run.recipe), request)
    job.prepared.complete(request.fetching)
    notes = quick_check(job.prepared)
    return TrainPlan(replace(job, spec=_with_terms(job.spec, run)), run, resume=True, notes=notes)


def _with_terms(spec: ModelSpec, run: RunDir) -> ModelSpec:
    """Return a card with the terms that the run began with: those of its first weights, too."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(run.environment.read_text(encoding="utf-8"))
        if isinstance(record, dict) and isinstance(record.get("data_terms"), str):
            return replace(spec, data_terms=record["data_terms"])
    return spec


def run_training(plan: TrainPlan, observer: Observer, *, tensorboard: bool = False) -> Result:
    """Train to the end and draw the curves.

    Raises:
        UsageError: TensorBoard curves were asked for and its package is not installed.
    """
    if tensorboard:
        observer = TensorBoardObserver(plan.run.tensorboard, observer)
    result = train(plan.job, plan.run, observer, resume=plan.resume)
    headline = result.headline
    curves = read_curves(plan.run.metrics, headline.key)
    plots = {"loss": loss_plot(curves), headline.key: headline_plot(curves, headline.name)}
    for name, plot in plots.items():
        atomic_write(plan.run.path / f"{name}.svg", plot.svg)
    return result


def _job(recipe: Recipe, request: TrainRequest) -> TrainJob:
    prepared = open_set(recipe.dataset, request.places)
    prepared.require(recipe.task)
    spec = model_spec(recipe, prepared.card)
    device = resolve_device(request.device)
    workers = (
        request.workers if request.workers is not None else (4 if device.type == "cuda" else 0)
    )
    job = TrainJob(recipe, prepared, spec, device, workers)
    return job if request.weights is None else _started(job, request.weights, request)


def _started(job: TrainJob, path: Path, request: TrainRequest) -> TrainJob:
    """Return the job that begins with the weights of a file."""
    # What a foreign file does not hold is drawn: by the seed, like all the rest.
    torch.manual_seed(job.recipe.seed)
    partial = request.partial_weights
    given = read_weights(Request(path, job.recipe.size, tuple(DATASETS.values()), partial=partial))
    start = fit_start(given, job.spec, str(path), partial=partial)
    reports = [given.origin.get("report"), None if start.report.complete else str(start.report)]
    return replace(
        job,
        spec=job.spec.begun_from(given.spec),
        start=start.checkpoint,
        start_name=path.name,
        start_report="; ".join(report for report in reports if report),
    )


def environment(device: torch.device) -> dict[str, Any]:
    """Describe versions, machine and command line of a run."""
    return {
        "topformer": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "command": sys.argv,
    }
