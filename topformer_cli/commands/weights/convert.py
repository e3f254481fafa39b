"""`topformer weights convert`."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("convert")
@click.argument("file", type=options.WeightsFile())
@click.argument("target", type=options.ANY_PATH, metavar="OUT.safetensors")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(file: Path, target: Path, cache_dir: Path | None, as_json: bool) -> None:  # noqa: ARG001 - the cache is read by FILE
    """Write FILE as a checkpoint with its card: classes, colours, input size, normalisation."""
    from topformer_cli import console
    from topformer_cli.api import weights
    from topformer_cli.commands.weights import showing

    facts = weights.convert_weights(file, target)
    if as_json:
        console.result_json(weights.facts_record(facts))
        return
    showing.show(facts)
