"""`topformer data info`."""

from pathlib import Path

import click

from topformer_cli.commands import options


@click.command("info")
@click.argument("name")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(name: str, cache_dir: Path | None, as_json: bool) -> None:
    """Show the card of a prepared set: classes, counts, pixel shares, terms."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    card = sets.open_set(name, Places(cache=cache_dir)).card
    if as_json:
        console.result_json(card.model_dump(mode="json"))
        return
    splits = list(card.counts)
    rows = [
        (str(row.train_id), row.name, *(f"{row.splits[split].share:.2%}" for split in splits))
        for row in sets.class_rows(card)
    ]
    console.table(f"{card.title}: share of the labelled pixels", ("id", "class", *splits), rows)
    counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
    height, width = card.median_size
    console.result(f"{counts}; typical image {width}x{height}; fingerprint {card.fingerprint[:16]}")
    for text in (card.partial, card.terms, *card.warnings):
        if text:
            console.result(text)
