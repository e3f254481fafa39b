"""`topformer weights`: list, fetch, convert, info."""

import click

from topformer_cli.commands.weights import convert, fetch, info, listing


@click.group("weights")
def command() -> None:
    """List, fetch, convert and recognise weights that others have trained."""


for one in (listing, fetch, convert, info):
    command.add_command(one.command)
