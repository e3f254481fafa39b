"""`topformer info`: a resolved recipe, and what its network costs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("info")
@click.argument("target", required=False)
@options.size_option
@click.option("--preset", help="`code` (the authors' configuration) or `paper` (its text).")
@options.overrides_option
@click.option("--input", "input_hw", type=options.InputSize(), help="Count at HxW (default: crop).")
@options.work_dir_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    target: str | None,
    size: "SizeName | None",
    preset: str | None,
    overrides: tuple[str, ...],
    input_hw: tuple[int, int] | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Show TARGET, a recipe, a prepared set, a run or a checkpoint (default: ade20k)."""
    from topformer_cli import console
    from topformer_cli.api.describe import describe_recipe, describe_run
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.recipe import DEFAULT_SIZE, Choices

    places = Places(work_dir, cache_dir)
    choices = Choices(size or DEFAULT_SIZE, preset, overrides)
    path = Path(target or "")
    is_run = path.suffix == ".safetensors" or (path / "recipe.yaml").is_file()
    found = (
        describe_run(ModelSource(path, places=places), input_hw)
        if is_run
        else describe_recipe(target, choices, input_hw, places)
    )
    if as_json:
        record = {
            "recipe": found.recipe.model_dump(mode="json"),
            "input_size": found.input_size,
            "parts": [asdict(cost) for cost in found.costs],
        }
        console.result_json(record)
        return
    console.result(found.recipe.to_yaml().rstrip())
    rows = [
        (cost.part, f"{cost.parameters:,}", f"{cost.multiply_adds / 1e6:,.1f}")
        for cost in found.costs
    ]
    height, width = found.input_size
    fuse = f", fuse {found.recipe.fuse}" if found.recipe.fuse else ""
    title = f"\nTopFormer-{found.recipe.size} at {height}x{width}{fuse}"
    console.table(title, ("part", "parameters", "multiply-adds (M)"), rows)
