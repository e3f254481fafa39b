"""`topformer data list`."""

from dataclasses import asdict
from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("list")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(cache_dir: Path | None, as_json: bool) -> None:
    """List the known data sets and the prepared ones."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    known = sets.list_sets(Places(cache=cache_dir))
    if as_json:
        console.result_json({"sets": [asdict(one) for one in known]})
        return
    rows = [
        (one.name, one.title, str(one.classes), one.image_counts(), one.state()) for one in known
    ]
    console.table("data sets", ("name", "title", "classes", "images", "prepared"), rows)
