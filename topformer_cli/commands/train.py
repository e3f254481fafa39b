"""`topformer train`: any recipe, or any prepared set."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.training import TrainRequest
    from topformer_cli.models.spec import SizeName, Task

WORDS: Final = "topformer_cli.commands.train.words"
NPROC: Final = "--nproc"

_FOLLOWING: Final[Mapping["Task", tuple[str, ...]]] = {
    "segmentation": ("segment", "export"),
    "detection": ("detect", "export"),
    "classification": (),
}
"""What else may be done with a network that was trained, by task."""


class _Remembering(click.Command):
    """A command that keeps the words it was given, which other processes are started with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)


@click.command("train", cls=_Remembering)
@click.argument("recipe", required=False)
@options.size_option
@click.option("--preset", help="`code` (the authors' configuration) or `paper` (its text).")
@options.overrides_option
@options.device_option
@options.weights_option
@options.partial_weights_option
@click.option(
    "--reset-head",
    is_flag=True,
    help="Take --weights without the layer of their classes, which is learnt anew.",
)
@click.option(
    "--resume", metavar="auto|RUN", help="Go on with the latest, or a named, stopped run."
)
@click.option(
    "--workers", type=click.IntRange(0, 64), help="Loader processes (default: 0 on a CPU, else 4)."
)
@click.option(
    NPROC,
    type=click.IntRange(1, 64),
    help="Processes that train together on this machine; on CUDA a device each.",
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    help="Keep the weights of the last N evaluations, besides best and last (default 0).",
    metavar="N",
)
@click.option(
    "--skip-corrupt", is_flag=True, help="Go on with other images where one cannot be read."
)
@click.option("--tensorboard", is_flag=True, help="Also write curves for TensorBoard.")
@click.option("--dry-run", is_flag=True, help="Show the plan, tried with a few real steps.")
@click.option("--profile", is_flag=True, help="Say where the time of a step goes, and stop.")
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    recipe: str | None,
    size: "SizeName | None",
    preset: str | None,
    overrides: tuple[str, ...],
    device: str,
    weights: Path | None,
    partial_weights: bool,
    reset_head: bool,
    resume: str | None,
    workers: int | None,
    nproc: int | None,
    keep: int | None,
    skip_corrupt: bool,
    tensorboard: bool,
    dry_run: bool,
    profile: bool,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> int | None:
    """Train RECIPE: a recipe's name, a YAML file, or a prepared set or its URL (default ade20k)."""
    from topformer_cli import console
    from topformer_cli.api import training
    from topformer_cli.api.places import Places
    from topformer_cli.errors import UsageError
    from topformer_cli.recipe import Choices

    places = Places(work_dir, cache_dir)
    choices = Choices(size, preset, overrides)
    fetching = console.progress_lines("fetch the set", console.BYTES)
    request = training.TrainRequest(
        recipe, choices, device, workers, weights, partial_weights, places,
        keep=keep, skip_corrupt=skip_corrupt, reset_head=reset_head, fetching=fetching,
        decoding=console.progress_lines("decode the set", "images"),
    )  # fmt: skip
    if reset_head and weights is None:
        message = "--reset-head says how --weights are taken; name them, or drop it"
        raise UsageError(message)
    if resume:
        _require_no_settings(request)
    if dry_run or profile:
        _require_one_new_run(resume, nproc, both=dry_run and profile)
        _rehearse(request, dry_run=dry_run, as_json=as_json)
        return None
    if nproc and nproc > 1:
        return _in_processes(nproc)
    with training.joined(device) as world:
        request = replace(request, world=world)
        if not world.first:
            return _beside(request, resume)
        _train(request, resume, tensorboard=tensorboard, as_json=as_json)
    return None


def _require_no_settings(request: "TrainRequest") -> None:
    """Refuse, and name, what a run that goes on has already."""
    from topformer_cli.errors import UsageError

    choices = request.choices
    given = [
        *([f"RECIPE {request.recipe}"] if request.recipe else []),
        *([f"--size {choices.size}"] if choices.size else []),
        *([f"--preset {choices.preset}"] if choices.preset else []),
        *(f"-o {override}" for override in choices.overrides),
        *([f"--weights {request.weights}"] if request.weights else []),
    ]
    if given:
        message = f"--resume continues a run with its own recipe; drop {', '.join(given)}"
        raise UsageError(message)


def _require_one_new_run(resume: str | None, nproc: int | None, *, both: bool) -> None:
    from topformer_cli.errors import UsageError

    if resume or both:
        message = (
            "--dry-run and --profile, one at a time, show a new run; `topformer info RUN` shows "
            "one that is there"
        )
        raise UsageError(message)
    if nproc and nproc > 1:
        message = (
            "--dry-run and --profile take their steps in one process; drop --nproc (-o batch=N "
            "shows the share of one)"
        )
        raise UsageError(message)


def _rehearse(request: "TrainRequest", *, dry_run: bool, as_json: bool) -> None:
    from topformer_cli.commands import rehearse

    action = rehearse.dry_run if dry_run else rehearse.profile
    action(request, as_json=as_json)


def _train(
    request: "TrainRequest", resume: str | None, *, tensorboard: bool, as_json: bool
) -> None:
    from topformer_cli import console
    from topformer_cli.api import training
    from topformer_cli.api.places import USUAL
    from topformer_cli.commands import show
    from topformer_cli.recipe import DEFAULT_RECIPE

    plan = training.planned(request, resume)
    if not resume and not (request.recipe and request.choices.size):
        size = f", size {plan.job.recipe.size}" if plan.job.recipe.size else ""
        console.note(f"taking recipe {request.recipe or DEFAULT_RECIPE}{size}")
    with console.logging_to(plan.run.log), show.training(plan) as observer:
        result = training.run_training(plan, observer, tensorboard=tensorboard)
    show.evaluation(training.measured_training(plan, result), as_json=as_json)
    if better := training.best_before(plan.run, result):
        console.note(better)
    names = ("eval", *_FOLLOWING[plan.job.recipe.task])
    where = request.places.work_dir
    there = "" if where == USUAL.work_dir else f" --work-dir {shlex.quote(str(where))}"
    following = ", ".join(f"topformer {one}{there}" for one in names)
    console.note(f"run: {plan.run.path}; next: {following}")


def _beside(request: "TrainRequest", resume: str | None) -> int:
    """Train as one of several processes of which another one speaks."""
    from topformer_cli.api import training
    from topformer_cli.errors import Stopped, exit_code_of

    try:
        training.run_training(training.planned(request, resume))
    except Stopped as stopped:
        return exit_code_of(stopped)
    return 0


def _in_processes(count: int) -> int:
    """Run this command line in several processes."""
    from topformer_cli import console
    from topformer_cli.api import training

    words = iter(click.get_current_context().meta[WORDS])
    kept = []
    for word in words:
        if word == NPROC:
            next(words)
        elif not word.startswith(f"{NPROC}="):
            kept.append(word)
    return training.launch(["train", *kept], count, console.warn)
