"""`topformer train`: any recipe, or any prepared set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("train")
@click.argument("recipe", required=False)
@options.size_option
@click.option("--preset", help="`code` (the authors' configuration) or `paper` (its text).")
@options.overrides_option
@options.device_option
@options.weights_option
@options.partial_weights_option
@click.option(
    "--resume", metavar="auto|RUN", help="Go on with the latest, or a named, stopped run."
)
@click.option(
    "--workers", type=click.IntRange(0, 64), help="Loader processes (default: 0 on a CPU, else 4)."
)
@click.option("--tensorboard", is_flag=True, help="Also write curves for TensorBoard.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and stop.")
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
    resume: str | None,
    workers: int | None,
    tensorboard: bool,
    dry_run: bool,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Train RECIPE: a recipe's name, a YAML file, or a prepared set or its URL (default ade20k)."""
    from topformer_cli import console
    from topformer_cli.api import training
    from topformer_cli.api.places import Places
    from topformer_cli.commands import show
    from topformer_cli.errors import UsageError
    from topformer_cli.recipe import DEFAULT_RECIPE, DEFAULT_SIZE, Choices

    places = Places(work_dir, cache_dir)
    choices = Choices(size or DEFAULT_SIZE, preset, overrides)
    fetching = console.progress_lines("fetch the set", console.BYTES)
    request = training.TrainRequest(
        recipe, choices, device, workers, weights, partial_weights, places, fetching=fetching
    )
    if resume and (recipe or size or preset or overrides or weights):
        message = "--resume continues a run with its own recipe; drop the other settings"
        raise UsageError(message)
    if dry_run and resume:
        message = "--dry-run shows a new run; `topformer info RUN` shows one that is there"
        raise UsageError(message)
    if dry_run:
        resolved = training.resolve_recipe(recipe, choices, places)
        if as_json:
            console.result_json(resolved.model_dump(mode="json"))
        else:
            console.result(resolved.to_yaml().rstrip())
        return
    if not resume and not (recipe and size):
        console.note(f"taking recipe {recipe or DEFAULT_RECIPE}, size {choices.size}")
    plan = (
        training.plan_resume(None if resume == "auto" else Path(resume), request)
        if resume
        else training.plan_training(request)
    )
    with console.logging_to(plan.run.log), show.training(plan) as observer:
        result = training.run_training(plan, observer, tensorboard=tensorboard)
    show.evaluation(result, as_json=as_json)
    following = ", topformer export" if plan.job.recipe.task == "segmentation" else ""
    console.note(f"run: {plan.run.path}; next: topformer eval{following}")
