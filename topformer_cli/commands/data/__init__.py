"""`topformer data`: list, fetch, prepare, check, info, show."""

import click

from topformer_cli.commands.data import check, fetch, info, listing, prepare, show


@click.group("data")
def command() -> None:
    """List, fetch, prepare, check and look at data sets."""


for one in (listing, fetch, prepare, check, info, show):
    command.add_command(one.command)
