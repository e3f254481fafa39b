"""`topformer data list`."""

from pathlib import Path
from typing import Final

import click

from topformer_cli.commands import options

HEADINGS: Final = {
    "segmentation": "segmentation: masks",
    "detection": "detection: boxes",
    "classification": "classification: one class an image",
    None: "damaged",
}

STATES: Final = {
    "prepared": "yes",
    "partial": "partial",
    "damaged": "damaged",
    "not prepared": "no",
}


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
        console.result_json({"sets": [one.to_json() for one in known]})
        return
    for task, heading in HEADINGS.items():
        rows = [
            (
                one.name,
                one.title,
                str(one.classes or "–"),
                " + ".join(str(count) for count in one.images.values()) or "–",
                STATES[one.state],
            )
            for one in known
            if one.task == task
        ]
        if rows:
            columns = ("name", "title", "classes", "train + val", "prepared")
            console.table(heading, columns, rows, left=(0, 1, 4))
    for one in known:
        if one.problem is not None:
            console.warn(one.problem)
