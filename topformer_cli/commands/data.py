"""`topformer data`: list, prepare, check, info, show."""

from dataclasses import asdict
from pathlib import Path

import click

from topformer_cli.commands import options


@click.group("data")
def command() -> None:
    """List, prepare, check and look at data sets."""


@command.command("list")
@options.cache_option
@options.json_option
@options.verbosity_options
def list_sets(cache_dir: Path | None, as_json: bool) -> None:
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


@command.command("prepare")
@click.argument("name")
@click.option("--source", type=options.EXISTING_FOLDER, help="Folder that holds the published set.")
@click.option(
    "--images", type=options.EXISTING_FOLDER, help="Custom set: images, or train/ and val/."
)
@click.option(
    "--masks", type=options.EXISTING_FOLDER, help="Custom set: masks, 8-bit ids or colours."
)
@click.option("--classes", help="Custom set: a,b,c or a file of name[,r,g,b] lines.")
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
@options.cache_option
@options.json_option
@options.verbosity_options
def prepare(  # noqa: PLR0913 - one parameter an option
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
    cache_dir: Path | None,
    as_json: bool,
) -> None:
    """Prepare NAME once: check every image and mask, then write the one prepared form."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    request = sets.PrepareRequest(
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
        places=Places(cache=cache_dir),
    )
    with console.progress(f"prepare {name}", "images") as update:
        card, fresh = sets.prepare(request, update)
    for warning in card.warnings:
        console.warn(warning)
    if as_json:
        console.result_json(card.model_dump(mode="json"))
        return
    counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
    state = "prepared" if fresh else "already prepared"
    console.result(f"{name}: {state}, {counts} images, {len(card.classes)} classes")
    console.note(f"next: topformer data show {name}, topformer train {name} --size tiny")


@command.command("info")
@click.argument("name")
@options.cache_option
@options.json_option
@options.verbosity_options
def info(name: str, cache_dir: Path | None, as_json: bool) -> None:
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
        (str(row.train_id), row.name, *(f"{row.shares[split]:.2%}" for split in splits))
        for row in sets.class_rows(card)
    ]
    console.table(f"{card.title}: share of the labelled pixels", ("id", "class", *splits), rows)
    counts = ", ".join(f"{count} {split}" for split, count in card.counts.items())
    height, width = card.median_size
    console.result(f"{counts}; typical image {width}x{height}; fingerprint {card.fingerprint[:16]}")
    for text in (card.partial, card.terms, *card.warnings):
        if text:
            console.result(text)


@command.command("check")
@click.argument("name")
@options.cache_option
@options.json_option
@options.verbosity_options
def check(name: str, cache_dir: Path | None, as_json: bool) -> None:
    """Read every image and mask of a prepared set again and compare them with its card."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    with console.progress(f"check {name}", "images") as update:
        report = sets.check_set(name, Places(cache=cache_dir), update)
    if as_json:
        console.result_json(asdict(report))
        return
    for text in report.notes:
        console.result(f"note: {text}")
    console.result(f"{name}: all {report.images} images and masks are as the card says")


@command.command("show")
@click.argument("name")
@click.option("--split", default="train", show_default=True)
@click.option("--count", type=click.IntRange(1, 64), default=6, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--output", "-o", type=options.ANY_PATH, help="PNG to write (default: NAME-SPLIT.png)."
)
@options.cache_option
@options.verbosity_options
def show(
    name: str, split: str, count: int, seed: int, output: Path | None, cache_dir: Path | None
) -> None:
    """Draw some images with their labels as one picture."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    target = output or Path(f"{name}-{split}.png")
    sets.draw_samples(name, sets.Samples(split, count, seed), Places(cache=cache_dir), target)
    console.result(str(target))
