"""`topformer data`: list, prepare, check, info, show."""

import click

from topformer_cli.commands.data import check, info, listing, prepare, show


@click.group("data")
def command() -> None:
    """List, prepare, check and look at data sets."""


for one in (listing, prepare, check, info, show):
    command.add_command(one.command)
