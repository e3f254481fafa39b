"""`topformer weights fetch`."""

from pathlib import Path

import click

from topformer_cli.commands import options
from topformer_cli.commands.fetch_view import following


@click.command("fetch")
@click.argument("name")
@click.option(
    "--from", "given", type=options.EXISTING_FILE, help="Take this file of yours; no network."
)
@click.option("--url", metavar="URL", help="Ask this address in place of the published one.")
@click.option(
    "--unverified", is_flag=True, help="Accept another file than the one of the first time."
)
@options.cache_option
@options.json_option
@options.verbosity_options
def command(
    name: str,
    given: Path | None,
    url: str | None,
    unverified: bool,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Fetch NAME (`topformer weights list`) or hf://OWNER/REPO[@REVISION][/FILE].

    It is kept as a checkpoint, and --weights takes it by its name from then on.
    """
    from topformer_cli import console
    from topformer_cli.api import weights
    from topformer_cli.api.places import Places
    from topformer_cli.commands.weights import showing

    choices = weights.WeightsChoices(
        name=name, given=given, url=url, unverified=unverified, places=Places(cache=cache_dir)
    )
    with following(name) as view:
        fetched = weights.fetch_weights(choices, view)
    if as_json:
        verified = fetched.verified.how if fetched.verified else None
        console.result_json({**weights.facts_record(fetched.facts), "verified": verified})
        return
    if fetched.verified is None:
        console.note("it was here already")
    showing.show(fetched.facts)
    if fetched.facts.spec.task == "segmentation":
        console.note(f"next: topformer segment PHOTO.jpg --weights {name}")
    elif fetched.facts.begins:
        console.note(f"next: topformer train {' or '.join(fetched.facts.begins)} --weights {name}")
    else:
        console.note(f"next: topformer train --weights {name} --partial-weights")
