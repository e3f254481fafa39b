"""Write the ledger of a run when it begins, and go on with it when it is resumed."""

import json
from dataclasses import replace
from typing import Final

import torch

from topformer_cli import __version__
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.stepper import autocast_type
from topformer_cli.errors import RecipeError
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import UNKNOWN, ModelSpec
from topformer_cli.recipe import (
    Choices,
    Recipe,
    departures,
    find_recipe,
    preset_settings,
    settings,
)
from topformer_cli.results.ledger import (
    BeganWith,
    Departure,
    Ledger,
    Norm,
    Spread,
    Start,
    TrainingData,
)
from topformer_cli.rundir import RunDir, write_json
from topformer_cli.sections.detection import DetectionRecipe

NEW_PARTS: Final = ("semantics_injection.", "neck.", "head.")
"""The parts of the network that ImageNet weights are not for."""


def spread_of(job: TrainJob) -> Spread:
    """Return how a job's batch is dealt out to its processes and their devices."""
    recipe, division = job.recipe, job.division
    alone: Norm = "sync" if division.processes > 1 else "plain"
    return Spread(
        batch=recipe.batch,
        per_device=division.images,
        accumulation=division.parts,
        processes=division.processes,
        norm=recipe.model.norm if isinstance(recipe, DetectionRecipe) else alone,
    )


def begin_ledger(job: TrainJob, reference: Recipe, named: str) -> Ledger:
    """Return the ledger of a new run.

    reference is the job's recipe as its preset has it, without -o; named is what the recipe was
    asked for by.
    """
    recipe, card = job.recipe, job.prepared.card
    return Ledger(
        recipe=recipe.name,
        size=recipe.variant,
        preset=recipe.preset,
        preset_sets=preset_sets(named, recipe),
        departures=tuple(
            Departure(key, preset, here)
            for key, (here, preset) in departures(recipe, reference).items()
        ),
        start=start_of(job),
        spread=spread_of(job),
        amp=_amp(job),
        seed=recipe.seed,
        data=TrainingData(name=card.name, fingerprint=card.fingerprint, partial=card.partial),
        versions=_versions(),
    )


def go_on_with_ledger(job: TrainJob, run: RunDir) -> Ledger | None:
    """Return the ledger of a stopped run, with what is different from now on.

    None for a run that has none: those before ledgers were kept.
    """
    ledger = read_ledger(run)
    if ledger is None:
        return None
    spread = spread_of(job)
    now = (("", str(spread)), ("batch norm ", spread.norm_text), ("amp ", _amp(job)))
    then = (str(ledger.spread), ledger.spread.norm_text, ledger.amp)
    told = [
        f"{what}{new} (was {old})" for (what, new), old in zip(now, then, strict=True) if new != old
    ]
    told += [
        f"{name} {version} (was {ledger.versions.get(name)})"
        for name, version in _versions().items()
        if version != ledger.versions.get(name)
    ]
    fresh = tuple(text for text in told if text not in ledger.changes)
    return replace(ledger, changes=(*ledger.changes, *fresh))


def keep_ledger(run: RunDir, job: TrainJob) -> None:
    """Write a job's ledger into its run folder."""
    if job.ledger is not None:
        write_json(run.ledger, job.ledger.to_json())


def read_ledger(run: RunDir) -> Ledger | None:
    """Return the ledger of a run, None where there is none that can be read."""
    try:
        return Ledger.from_json(json.loads(run.ledger.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def preset_sets(named: str, recipe: Recipe) -> dict[str, object]:
    """Return the settings in which the presets differ, with the chosen one's values.

    Those of parts that the network of the recipe has not are left out.
    """
    found, has = find_recipe(named), settings(recipe)
    if found is None:
        return {}
    choices = Choices(recipe.size, recipe.preset)
    try:
        sets = preset_settings(found, choices)[recipe.preset]
        return {key: value for key, value in sets.items() if key in has}
    except RecipeError:
        # A file of the user's that is whole with -o only.
        return {}


def start_of(job: TrainJob) -> Start:
    """Say which weights a job begins with, as far as their card and origin tell."""
    given = job.start
    if given is None:
        return Start()
    spec = given.spec
    names = build_model(job.spec).state_dict().keys() - given.weights.keys()
    return Start(
        kind=_kind_of(spec),
        file=job.start_name,
        task=spec.task,
        dataset=spec.dataset,
        ours="recipe" in given.origin,
        left=sum(not name.startswith(NEW_PARTS) for name in names),
    )


def _kind_of(spec: ModelSpec) -> BeganWith:
    if spec.dataset == UNKNOWN:
        return "unknown"
    is_imagenet = (spec.task, spec.dataset) == ("classification", "imagenet")
    return "imagenet" if is_imagenet else "other"


def _amp(job: TrainJob) -> str:
    return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[
        autocast_type(job.recipe, job.device)
    ]


def _versions() -> dict[str, str]:
    return {"topformer": __version__, "torch": str(torch.__version__)}
