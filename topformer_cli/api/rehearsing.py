"""Try a training out: what it would take of this machine, and where its time goes."""

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topformer_cli.api.training import TrainRequest, resolve_recipe, start_job
from topformer_cli.data.checks.quick import quick_check
from topformer_cli.data.decoded import LIST_NAME, decoded_folder
from topformer_cli.data.fetch.disk import free_bytes
from topformer_cli.data.samples import MaskSamples
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.pace import evaluations_left
from topformer_cli.engine.probe import probe
from topformer_cli.engine.profile import Progress, profile_steps
from topformer_cli.engine.segmentation_feed import place_of_pixels
from topformer_cli.errors import DataError, RecipeError
from topformer_cli.recipe import Recipe
from topformer_cli.results import DiskNeed, StepProfile, TrainingPlan
from topformer_cli.sections.classification import MOST_NOISE, StairsSection
from topformer_cli.sections.record import (
    AdamWSection,
    OptimizerSection,
    PolySection,
    ScheduleSection,
    StepsSection,
)
from topformer_cli.sections.segmentation import SegmentationRecipe

PICTURE_BYTES = 1_000_000
"""About what a sheet of validation images takes."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """A resolved recipe, and its plan on this machine; problem says why there is none."""

    recipe: Recipe
    plan: TrainingPlan | None
    problem: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the recipe with the plan beside its sections."""
        plan = None if self.plan is None else self.plan.to_json()
        return {**self.recipe.model_dump(mode="json"), "plan": plan, "problem": self.problem}


def dry_run(request: TrainRequest) -> DryRun:
    """Resolve a recipe and take a few real steps of it; nothing is left on the disk.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: the weights do not fit, or the set is damaged.
    """
    recipe = resolve_recipe(request.recipe, request.choices, request.places)
    if "://" in recipe.dataset:
        return DryRun(recipe, None, "the set lies elsewhere, and nothing is fetched for a dry run")
    if request.weights is None and recipe.needs_weights:
        return DryRun(recipe, None, recipe.needs_weights)
    try:
        job = start_job(recipe, request)
    except DataError as error:
        if request.weights is not None:
            raise
        return DryRun(recipe, None, str(error))
    notes = quick_check(job.prepared)
    return DryRun(recipe, _plan(job, request.places.work_dir), notes=notes)


def profile(request: TrainRequest, progress: Progress) -> StepProfile:
    """Take steps of a training and say where their time goes; only a trace is written.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: the set is not prepared, or the weights do not fit.
    """
    recipe = resolve_recipe(request.recipe, request.choices, request.places)
    if request.weights is None and recipe.needs_weights:
        raise RecipeError(recipe.needs_weights)
    job = _leaving_nothing(start_job(recipe, request))
    job.prepared.complete(request.fetching)
    folder = request.places.work_dir / "profile"
    return profile_steps(job, _free_name(folder, recipe.run_name), progress)


def _place_of_pixels(job: TrainJob) -> str:
    """Say where the pixels of a training come from; only segmentation has a choice."""
    recipe = job.recipe
    if not isinstance(recipe, SegmentationRecipe):
        return "files"
    return place_of_pixels(recipe, MaskSamples(job.prepared, recipe.augment), job.options)


def _leaving_nothing(job: TrainJob) -> TrainJob:
    """Return a job that keeps no decoded set."""
    return replace(job, options=replace(job.options, decoded=None))


def _free_name(folder: Path, name: str) -> Path:
    paths = (folder / f"{name}-{number:03d}.json.gz" for number in itertools.count(1))
    return next(path for path in paths if not path.exists())


def _is_decoded(job: TrainJob) -> bool:
    """Say whether the decoded set lies in the cache."""
    folder = job.options.decoded
    return folder is not None and (decoded_folder(job.prepared, folder) / LIST_NAME).is_file()


def _plan(job: TrainJob, work_dir: Path) -> TrainingPlan:
    recipe, options, card = job.recipe, job.options, job.prepared.card
    place = _place_of_pixels(job)
    memory, speed, checkpoints = probe(_leaving_nothing(job))
    images = job.prepared.length("train")
    decoded = card.splits["train"].pixels * (4 if recipe.task == "segmentation" else 3)
    evaluations = evaluations_left(1, recipe.schedule.iterations, recipe.evaluation.every)
    sheets = 0 if recipe.task == "classification" else evaluations + 1
    return TrainingPlan(
        set_name=card.name,
        train_images=images,
        val_images=card.counts.get("val", 0),
        device=str(job.device),
        workers=options.workers,
        processes=options.world.size,
        batch=recipe.batch,
        share=recipe.batch // options.world.size,
        parts=options.parts,
        steps_per_epoch=images / recipe.batch,
        epochs=recipe.schedule.iterations * recipe.batch / images,
        schedule=schedule_words(recipe.optimizer, recipe.schedule),
        pixels=place,
        decoded_bytes=decoded,
        memory=memory,
        speed=speed,
        disk=DiskNeed(
            checkpoints=checkpoints,
            pictures=sheets * PICTURE_BYTES,
            decoded=decoded if place == "memory" and not _is_decoded(job) else 0,
            free=free_bytes(work_dir),
        ),
    )


def schedule_words(optimizer: OptimizerSection, schedule: ScheduleSection) -> str:
    """Say how the learning rate goes, as in `0.0003 (head 0.003), linear warm-up over ...`."""
    head = ""
    if isinstance(optimizer, AdamWSection) and optimizer.head_lr_factor != 1:
        head = f" (head {optimizer.lr * optimizer.head_lr_factor:g})"
    words = [f"{optimizer.lr:g}{head}"]
    if schedule.warmup:
        words.append(
            f"linear warm-up from {schedule.warmup_ratio:g} of it over {schedule.warmup:,} steps"
        )
    match schedule:
        case StairsSection():
            words += _stairs_words(schedule)
        case PolySection():
            words.append(_poly_words(schedule))
        case StepsSection():
            steps = (f"{round(one * schedule.iterations):,}" for one in schedule.steps)
            words.append(f"times {schedule.factor:g} after step {', '.join(steps)}")
    return ", ".join(words)


def _poly_words(schedule: PolySection) -> str:
    end = f"{schedule.floor:g} of it" if schedule.floor else "0"
    return f"down to {end} at step {schedule.iterations:,} with power {schedule.power:g}"


def _stairs_words(schedule: StairsSection) -> list[str]:
    total = schedule.iterations
    words = []
    if schedule.power:
        words.append(_poly_words(schedule))
    if schedule.factor != 1:
        words.append(f"times {schedule.factor:g} every {schedule.every:,g} steps")
    if schedule.noise_from < 1:
        start = math.ceil(schedule.noise_from * total)
        words.append(f"off by up to {MOST_NOISE:.0%} of it at random from step {start:,} on")
    return words
