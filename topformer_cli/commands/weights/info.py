"""`topformer weights info`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.models.spec import SizeName


@click.command("info")
@click.argument("file", type=options.WeightsFile())
@options.size_option
@options.cache_option
@options.json_option
@options.verbosity_options
def command(file: Path, size: "SizeName | None", cache_dir: Path | None, as_json: bool) -> None:  # noqa: ARG001 - the cache is read by FILE
    """Say what FILE is, by its tensors: network, classes, what fits and what it may be."""
    from topformer_cli import console
    from topformer_cli.api import weights
    from topformer_cli.commands.weights import showing

    facts = weights.describe_weights(file, size)
    if as_json:
        console.result_json(weights.facts_record(facts))
        return
    showing.show(facts)
