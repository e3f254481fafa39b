"""`topformer data prepare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from topformer_cli.commands import options

NAMED: Final = 8
"""Classes that are named; the others are counted."""


@click.command("prepare")
@click.argument("name")
@click.option("--source", type=options.EXISTING_FOLDER, help="Folder that holds the published set.")
@click.option(
    "--images",
    type=options.EXISTING_FOLDER,
    help="Custom set: images, or train/ and val/. Alone: a folder a class.",
)
@click.option(
    "--masks", type=options.EXISTING_FOLDER, help="Custom set: masks, 8-bit ids or colours."
)
@click.option("--classes", help="Custom set: a,b,c or a file of name[,r,g,b] lines, in order.")
@click.option(
    "--ignore", type=click.IntRange(0, 255), multiple=True, help="Mask id to ignore; repeatable."
)
@click.option("--coco", type=options.EXISTING_FILE, help="Custom set of boxes: COCO-style JSON.")
@click.option("--coco-val", type=options.EXISTING_FILE, help="The JSON of its validation part.")
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Custom set without a part for val: the share that becomes it.",
)
@click.option("--title", default="", help="What the set is called in reports.")
@click.option("--terms", default="", help="Terms of use; they travel with exported models.")
@click.option("--allow-partial", is_flag=True, help="Accept fewer images than were published.")
@click.option("--force", is_flag=True, help="Prepare again although nothing changed.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes (default: as many as pay, up to 16)."
)
@options.cache_option
@options.json_option
@options.verbosity_options
def command(  # noqa: PLR0913 - one parameter an option
    name: str,
    source: Path | None,
    images: Path | None,
    masks: Path | None,
    classes: str | None,
    ignore: tuple[int, ...],
    coco: Path | None,
    coco_val: Path | None,
    val_fraction: float | None,
    title: str,
    terms: str,
    allow_partial: bool,
    force: bool,
    workers: int | None,
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Prepare NAME once: check every image and mask, then write the one prepared form."""
    from topformer_cli import console
    from topformer_cli.api import preparing
    from topformer_cli.api.places import Places

    request = preparing.PrepareRequest(
        name=name,
        source=source,
        images=images,
        masks=masks,
        classes=classes,
        ignore=ignore,
        coco=coco,
        coco_val=coco_val,
        val_fraction=val_fraction,
        title=title,
        terms=terms,
        allow_partial=allow_partial,
        force=force,
        workers=workers,
        places=Places(cache=cache_dir),
    )
    with console.progress(f"prepare {name}", "images") as update:
        prepared = preparing.prepare(request, update)
    card = prepared.card
    for warning in prepared.oddities:
        console.warn(warning)
    if as_json:
        console.result_json(card.model_dump(mode="json"))
        return
    counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
    state = "prepared" if prepared.fresh else "already prepared"
    console.result(f"{name}: {state}, {counts} images, {len(card.classes)} classes")
    if card.task == "classification":
        console.note(f"one class an image: {_named(card.classes)}")
    console.note(f"next: topformer data show {name}, topformer train {name} --size tiny")


def _named(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - NAMED} more" if len(classes) > NAMED else ""
    return f"{', '.join(classes[:NAMED])}{more}"
