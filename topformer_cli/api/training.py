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
from topformer_cli.api import jobs
from topformer_cli.api.batch_picture import write_first_batch
from topformer_cli.api.comparing import Evidence, Measured, measured
from topformer_cli.api.ledgers import begin_ledger, go_on_with_ledger, keep_ledger
from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.watching import DrawingObserver
from topformer_cli.cache import cache_dir
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.checks.quick import quick_check
from topformer_cli.data.store import prepared_names
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.observer import Observer, Silence
from topformer_cli.engine.optim import scheduled_rates
from topformer_cli.engine.processes.division import divide
from topformer_cli.engine.processes.joining import joined, own_device
from topformer_cli.engine.processes.launching import launch
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.tensorboard import TensorBoardObserver
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError, RecipeError, UsageError, did_you_mean
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import ModelSpec
from topformer_cli.models.start import fit_start
from topformer_cli.recipe import (
    CUSTOM,
    DEFAULT_RECIPE,
    Choices,
    Recipe,
    SetFacts,
    find_recipe,
    load_recipe,
    load_resolved,
    recipe_names,
)
from topformer_cli.results import Result
from topformer_cli.results.ledger import Ledger
from topformer_cli.rundir import (
    RunDir,
    atomic_write,
    latest_run,
    new_run,
    only_here,
    open_run,
    run_called,
    write_json,
)

__all__ = [
    "TrainPlan",
    "TrainRequest",
    "environment",
    "joined",
    "launch",
    "measured_training",
    "plan_restart",
    "plan_resume",
    "plan_training",
    "planned",
    "resolve_recipe",
    "run_training",
]


def resolve_recipe(name: str | None, choices: Choices, places: Places) -> Recipe:
    """Resolve a recipe's name, or the name, path or address of a prepared set that has none."""
    name = name or DEFAULT_RECIPE
    if found := find_recipe(name):
        return load_recipe(found, choices)
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

    keep is the number of evaluations whose weights stay (None: as the run has it, or none).
    reset_head leaves the layer of the classes out of the weights.

    fetching is called with bytes done and bytes in all where the set lies elsewhere, decoding with
    images done and images in all where the decoded set is kept.
    """

    recipe: str | None
    choices: Choices
    device: str = "auto"
    workers: int | None = None
    weights: Path | None = None
    partial_weights: bool = False
    places: Places = USUAL
    command: str = "train"
    keep: int | None = None
    skip_corrupt: bool = False
    reset_head: bool = False
    world: World = ALONE
    fetching: Callable[[int, int], None] = lambda _done, _total: None
    decoding: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """A run that is ready to start or to go on; notes are what is odd with its data."""

    job: TrainJob
    run: RunDir
    resume: bool
    notes: tuple[str, ...] = ()


def planned(request: TrainRequest, resume: str | None) -> TrainPlan:
    """Plan a new run, or to go on with the one that resume names: by its path, or `auto`.

    Raises:
        TopformerError: as `plan_training` and `plan_resume` do.
    """
    if restart := plan_restart(request):
        return restart
    if resume:
        return plan_resume(None if resume == "auto" else Path(resume), request)
    return plan_training(request)


def plan_training(request: TrainRequest) -> TrainPlan:
    """Check everything a new run needs, then create its folder.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: the set is not prepared, or damaged, or the weights do not fit.
    """
    job = request.world.each(lambda: _new_job(request))
    notes = _complete(job, request)
    run, ledger = request.world.told(lambda: _begin(job, request))
    return TrainPlan(replace(job, ledger=ledger), run, resume=False, notes=notes)


def _new_job(request: TrainRequest) -> TrainJob:
    recipe = resolve_recipe(request.recipe, request.choices, request.places)
    if request.weights is None and recipe.needs_weights:
        raise RecipeError(recipe.needs_weights)
    return start_job(recipe, request)


def _begin(job: TrainJob, request: TrainRequest) -> tuple[RunDir, Ledger | None]:
    """Create the folder of a new run."""
    recipe = job.recipe
    named = request.recipe or DEFAULT_RECIPE
    ledger = begin_ledger(job, _as_preset(request), named)
    run = new_run(request.places.work_dir, request.command, recipe.run_name)
    atomic_write(run.recipe, recipe.to_yaml())
    write_json(run.environment, environment(job.device) | {"data_terms": job.spec.data_terms})
    return run, ledger


def _complete(job: TrainJob, request: TrainRequest) -> tuple[str, ...]:
    """Fetch what the set lacks, once on each machine, and say what is odd with it."""
    world = request.world
    world.told(lambda: job.prepared.complete(request.fetching))
    world.in_turn(lambda: job.prepared.complete(request.fetching))
    return world.told(lambda: tuple(quick_check(job.prepared)))


def _as_preset(request: TrainRequest) -> Recipe:
    """Return the recipe of a request without its overrides; with them if it is whole only so."""
    try:
        return resolve_recipe(
            request.recipe, replace(request.choices, overrides=()), request.places
        )
    except RecipeError:
        return resolve_recipe(request.recipe, request.choices, request.places)


def plan_resume(which: Path | None, request: TrainRequest) -> TrainPlan:
    """Open a stopped run, the latest one unless named.

    Raises:
        UsageError: there is no such run, or it is finished.
        DataError: its set is not there any more, or damaged.
    """

    def opened() -> tuple[RunDir, Recipe]:
        work_dir = request.places.work_dir
        run = open_run(run_called(which, work_dir)) if which else latest_run(work_dir)
        if run.finished:
            message = f"{run.path} is finished; nothing to resume (start anew without --resume)"
            raise UsageError(message)
        return run, load_resolved(run.recipe)

    run, recipe = request.world.told(opened)
    return _going_on(run, recipe, request)


def plan_restart(request: TrainRequest) -> TrainPlan | None:
    """Go on with what this job did before its launcher started it again (see `jobs`); or None."""
    if not jobs.restarted():
        return None
    parent = request.places.work_dir / request.command

    def found() -> tuple[RunDir, Recipe, bool] | None:
        run = jobs.own_run(parent)
        return None if run is None else (run, load_resolved(run.recipe), run.state.is_file())

    answer = request.world.told(found)
    if answer is None:
        return None
    run, recipe, begun = answer
    return replace(_going_on(run, recipe, request), resume=begun)


def _going_on(run: RunDir, recipe: Recipe, request: TrainRequest) -> TrainPlan:
    job = request.world.each(lambda: start_job(recipe, request))
    notes = _complete(job, request)

    def recorded() -> tuple[ModelSpec, Ledger | None]:
        return _with_terms(job.spec, run), go_on_with_ledger(job, run)

    spec, ledger = request.world.told(recorded)
    return TrainPlan(replace(job, spec=spec, ledger=ledger), run, resume=True, notes=notes)


def _with_terms(spec: ModelSpec, run: RunDir) -> ModelSpec:
    """Return a card with the terms that the run began with: those of its first weights, too."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(run.environment.read_text(encoding="utf-8"))
        if isinstance(record, dict) and isinstance(record.get("data_terms"), str):
            return replace(spec, data_terms=record["data_terms"])
    return spec


def run_training(
    plan: TrainPlan, observer: Observer | None = None, *, tensorboard: bool = False
) -> Result:
    """Train to the end; the run folder gets pictures, and curves after every evaluation.

    Raises:
        UsageError: another process trains this run, or TensorBoard curves were asked for and its
            package is not installed.
    """
    job, run, observer = plan.job, plan.run, observer or Silence()
    if not job.options.world.first:
        return train(job, run, observer, resume=plan.resume)
    with only_here(run):
        keep_ledger(run, job)
        jobs.sign(run)
        if not plan.resume:
            write_first_batch(job, run.batch_picture)
        also = None
        if tensorboard:
            observer = board = TensorBoardObserver(run.tensorboard, observer)
            board.add_recipe(job.recipe.to_yaml())
            also = board.add_picture
        rates = scheduled_rates(job.recipe.optimizer.lr, job.recipe.schedule)
        observer = DrawingObserver(run, job.prepared.card, observer, also, rates)
        return train(job, run, observer, resume=plan.resume)


def best_before(run: RunDir, result: Result) -> str | None:
    """Say which evaluation of a finished run was better than its last, if one was."""
    record = json.loads(run.result.read_text(encoding="utf-8"))
    headline = result.headline
    if record["best"] <= headline.value:
        return None
    best = replace(headline, value=record["best"])
    return f"best: {best} at step {record['best_step']}, whose weights eval and others take"


def measured_training(plan: TrainPlan, result: Result) -> Measured:
    """Put what the score at the end of a training may be held against beside it."""
    job = plan.job
    origin = {
        "recipe": job.recipe.model_dump(mode="json"),
        "step": job.recipe.schedule.iterations,
        "from": job.start_name or ("unknown" if plan.resume else "scratch"),
        "ledger": job.ledger.to_json() if job.ledger else None,
    }
    return measured(Evidence(job.recipe, job.spec, origin, job.prepared.card), result)


def start_job(recipe: Recipe, request: TrainRequest) -> TrainJob:
    """Open what a recipe needs, on the device of a request.

    Raises:
        DataError: the set is not prepared, or damaged, or the weights do not fit.
        RecipeError: the batch cannot be shared out, or a setting does not fit the set.
    """
    division = divide(recipe.batch, recipe.device_batch, request.world.size)
    if refusal := recipe.refuses(division.images):
        raise RecipeError(refusal)
    prepared = open_set(recipe.dataset, request.places)
    prepared.require(recipe.task)
    spec = model_spec(recipe, prepared.card)
    make_task(recipe, prepared, spec)  # refuses, before there is a run, what the set does not fit
    device = own_device(request.device, request.world)
    workers = (
        request.workers if request.workers is not None else (4 if device.type == "cuda" else 0)
    )
    options = FeedOptions(
        device=device,
        workers=workers,
        world=request.world,
        parts=division.parts,
        skip_corrupt=request.skip_corrupt,
        decoded=cache_dir(request.places.cache),
        progress=request.decoding,
    )
    job = TrainJob(recipe, prepared, spec, options, keep=request.keep)
    return job if request.weights is None else _started(job, request.weights, request)


def _started(job: TrainJob, path: Path, request: TrainRequest) -> TrainJob:
    """Return the job that begins with the weights of a file."""
    # What a foreign file does not hold is drawn: by the seed, like all the rest.
    torch.manual_seed(job.recipe.seed)
    partial = request.partial_weights
    sets, row = tuple(DATASETS.values()), job.spec.baseline
    given = read_weights(Request(path, job.recipe.size, sets, partial=partial, wanted=row))
    start = fit_start(given, job.spec, str(path), partial=partial, reset_head=request.reset_head)
    foreign = None if given.origin.get("complete", True) else given.origin["report"]
    return replace(
        job,
        spec=job.spec.begun_from(given.spec),
        start=start.checkpoint,
        start_name=path.name,
        start_report="; ".join(report for report in (foreign, str(start)) if report),
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
