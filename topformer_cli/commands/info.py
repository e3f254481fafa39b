"""`topformer info`: a resolved recipe and what its network costs, or what a file is made of."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from topformer_cli.commands import options
from topformer_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from topformer_cli.api.describe import Description
    from topformer_cli.models.cost import PartCost
    from topformer_cli.models.spec import SizeName


COUNTED: Final = (
    ("madds", "10^6 multiply-adds of an image: convolutions, linear layers, attention's products"),
    (
        "paper's",
        "the same as the paper counts, by mmcv's counter, which adds biases, batch normalisation "
        "(twice a value) and activations",
    ),
    ("written", "by all operations for an image, in MiB of fp32"),
)
"""What the columns of a network's cost are."""


@click.command("info")
@click.argument("target", required=False)
@options.size_option
@click.option("--preset", help="`code` (the authors' configuration) or `paper` (its text).")
@options.overrides_option
@click.option("--input", "input_hw", type=options.InputSize(), help="Count at HxW (default: crop).")
@click.option(
    "--diff",
    "other",
    type=click.Path(path_type=Path),
    help="Show what differs between the TNN networks TARGET and PATH.",
    metavar="PATH",
)
@click.option(
    "--table", type=int, help="Show the paper's Table N with our own count beside it.", metavar="N"
)
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
    other: Path | None,
    table: int | None,
    work_dir: Path,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Show TARGET: a recipe, a prepared set, a run, a checkpoint, or an exported file.

    A .tnnproto file is shown layer by layer. Without TARGET, the ade20k recipe.
    """
    from topformer_cli.commands.artifacts import ARTIFACT_SUFFIXES

    path = Path(target or "")
    if table is not None:
        building = {"--size": size, "--preset": preset, "-o": overrides, "--input": input_hw}
        _refuse(
            {"TARGET": target, **building, "--diff": other},
            f"--table {table}",
            "its rows are fixed",
        )
        _show_table(table, as_json=as_json)
        return
    if other is not None or path.suffix in ARTIFACT_SUFFIXES:
        given = {"--size": size, "--preset": preset, "-o": overrides, "--input": input_hw}
        _refuse(given, str(path), "it says how a recipe is built")
        _show_file(path, other, as_json=as_json)
        return
    from topformer_cli.api.describe import describe_recipe, describe_run
    from topformer_cli.api.models import ModelSource
    from topformer_cli.api.places import Places
    from topformer_cli.recipe import Choices
    from topformer_cli.rundir import run_called

    places = Places(work_dir, cache_dir)
    path = run_called(path, work_dir)
    is_run = path.suffix == ".safetensors" or (path / "recipe.yaml").is_file()
    found = (
        describe_run(ModelSource(path, places=places), input_hw)
        if is_run
        else describe_recipe(target, Choices(size, preset, overrides), input_hw, places)
    )
    _show_recipe(found, as_json=as_json)


def _refuse(given: "Mapping[str, object]", beside: str, why: str) -> None:
    """Refuse the first of some options that was given."""
    if needless := [name for name, value in given.items() if value]:
        message = f"{needless[0]} does not go with {beside}: {why}"
        raise UsageError(message)


def _show_table(number: int, *, as_json: bool) -> None:
    from topformer_cli.api.paper_tables import paper_table
    from topformer_cli.commands import paper_tables

    paper_tables.show(paper_table(number), as_json=as_json)


def _show_file(path: Path, other: Path | None, *, as_json: bool) -> None:
    from topformer_cli.api.describe import (
        TNN_SUFFIXES,
        describe_difference,
        describe_export,
        describe_network,
    )
    from topformer_cli.commands import networks

    if other is not None:
        networks.difference(*describe_difference(path, other), as_json=as_json)
    elif path.suffix in TNN_SUFFIXES:
        networks.network(describe_network(path), as_json=as_json)
    else:
        networks.export(describe_export(path), as_json=as_json)


def _show_recipe(found: "Description", *, as_json: bool) -> None:
    from topformer_cli import console

    if as_json:
        record = {
            "recipe": found.recipe.model_dump(mode="json"),
            "input_size": found.input_size,
            "parts": [asdict(cost) for cost in found.costs],
            "presets": {name: dict(values) for name, values in found.presets.items()},
            "ledger": found.ledger.to_json() if found.ledger else None,
        }
        console.result_json(record)
        return
    console.result(found.recipe.to_yaml().rstrip())
    _show_origin(found)
    height, width = found.input_size
    fuse = f", fuse {found.recipe.fuse}" if found.recipe.fuse else ""
    title = f"\n{found.spec.network} at {height}x{width}{fuse}"
    columns = ("part", "parameters", "%", "madds", "%", "paper's", "written")
    console.table(title, columns, _costs(found.costs))
    row = found.spec.baseline
    console.facts([*([("printed", row.quoted)] if row else []), *COUNTED])


def _costs(costs: "Sequence[PartCost]") -> list[tuple[str, ...]]:
    """Return a row for each part, with its share of all as in the paper's Figure 3."""
    whole = costs[-1]
    return [
        (
            cost.part,
            f"{cost.parameters:,}",
            f"{100 * cost.parameters / whole.parameters:.1f}",
            f"{cost.multiply_adds / 1e6:,.1f}",
            f"{100 * cost.multiply_adds / whole.multiply_adds:.1f}",
            f"{cost.paper_multiply_adds / 1e6:,.1f}",
            f"{cost.activations / 2**20:,.1f}",
        )
        for cost in costs
    ]


def _show_origin(found: "Description") -> None:
    """Print what the presets set, or what a run began with."""
    from topformer_cli import console
    from topformer_cli.results.ledger import plain

    if len(found.presets) > 1:
        taken = found.recipe.preset
        pairs = [
            (
                f"preset {name}{' (taken)' if name == taken else ''}",
                ", ".join(f"{key} {plain(value)}" for key, value in values.items())
                or f"sets nothing else for {found.spec.variant}",
            )
            for name, values in found.presets.items()
        ]
        console.result("\nin which the presets differ")
        console.facts(pairs)
    if found.ledger is not None:
        console.result("\nledger of the run")
        console.facts(found.ledger.lines())
