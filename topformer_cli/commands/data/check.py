"""`topformer data check`."""

from dataclasses import asdict
from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("check")
@click.argument("name")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(name: str, cache_dir: Path | None, as_json: bool) -> None:
    """Read every image and mask of a prepared set again and compare them with its card."""
    from topformer_cli import console
    from topformer_cli.api import checking
    from topformer_cli.api.places import Places

    with console.progress(f"check {name}", "images") as update:
        report = checking.check_set(name, Places(cache=cache_dir), update)
    if as_json:
        console.result_json(asdict(report))
        return
    for text in report.notes:
        console.result(f"note: {text}")
    console.result(f"{name}: all {report.images} images and masks are as the card says")
