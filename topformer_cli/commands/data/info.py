"""`topformer data info`."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.sets import SetInfo
    from topformer_cli.data.card import DatasetCard
    from topformer_cli.data.statistics import ClassRow, Order

NO_TERMS: Final = "none recorded; --terms of `topformer data prepare` records them"
_TITLES: Final = {
    "segmentation": "share of the labelled pixels, and of the images, by class",
    "detection": "boxes, and share of the images, by class",
    "classification": "images, and their share, by class",
}


@click.command("info")
@click.argument("name")
@click.option(
    "--sort",
    "order",
    type=click.Choice(["id", "share", "name"]),
    default="id",
    show_default=True,
    help="Order of the classes.",
)
@click.option("--top", type=click.IntRange(min=1), help="Show only so many classes.")
@options.cache_option
@options.json_option
@options.verbosity_options
def command(
    name: str, order: "Order", top: int | None, cache_dir: Path | None, as_json: bool
) -> None:
    """Show what is in NAME, a prepared set or its folder: classes, counts, shares, terms."""
    from topformer_cli import console
    from topformer_cli.api import sets
    from topformer_cli.api.places import Places

    info = sets.describe_set(name, Places(cache=cache_dir), order)
    if as_json:
        console.result_json(info.to_json(top))
        return
    card, shown = info.card, info.classes[:top]
    columns = ("id", *(["code"] if card.codes else []), "class", *_columns(card), "weight")
    rows = [_class_row(row, card.task) for row in shown]
    console.table(
        f"{card.title}: {_TITLES[card.task]}", columns, rows, left=(1, 2) if card.codes else (1,)
    )
    if hidden := len(info.classes) - len(shown):
        console.result(f"and {hidden} more; --top {len(info.classes)} shows all\n")
    console.table("splits", *_splits(info), left=(0,))
    console.facts([(label, text) for label, text in _facts(info) if text])


def _columns(card: "DatasetCard") -> list[str]:
    kinds = {
        "segmentation": ("pixels", "images"),
        "detection": ("boxes", "images"),
        "classification": ("images", "share"),
    }
    return [f"{split}\n{kind}" for split in card.splits for kind in kinds[card.task]]


def _class_row(row: "ClassRow", task: str) -> tuple[str, ...]:
    cells = [str(row.train_id), *([row.code] if row.code is not None else []), row.name]
    for one in row.splits.values():
        cells.append(_percent(one.share) if task == "segmentation" else f"{one.count:,}")
        cells.append(_percent(one.image_share))
    return (*cells, f"{row.weight:.2f}")


def _percent(share: float) -> str:
    if not share:
        return "–"
    return f"{share:.2%}" if share >= 0.00005 else "<0.01%"


def _splits(info: "SetInfo") -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns and rows of the table of splits."""
    more = {
        "segmentation": ("ignored", "wholly\nignored"),
        "detection": ("boxes", "crowds", "without\nboxes"),
        "classification": (),
    }
    columns = ("split", "images", "smallest", "median", "largest", *more[info.card.task])
    return columns, [_split_row(info, split) for split in info.card.splits]


def _split_row(info: "SetInfo", split: str) -> tuple[str, ...]:
    one = info.card.splits[split]
    labels = one.labels
    sizes = (f"{width}x{height}" for height, width in (one.smallest, one.median, one.largest))
    more = {
        "segmentation": (_percent(info.ignored_shares[split]), f"{labels.empty:,}"),
        "detection": (f"{sum(labels.counts):,}", f"{labels.ignored:,}", f"{labels.empty:,}"),
        "classification": (),
    }
    return (split, f"{one.images:,}", *sizes, *more[info.card.task])


def _facts(info: "SetInfo") -> list[tuple[str, str]]:
    card = info.card
    boxes = [
        f"{split} {low} to {high}, median {middle}, half of the images {first} to {third}"
        for split, one in card.splits.items()
        if one.labels.objects is not None
        for low, first, middle, third, high in [one.labels.objects]
    ]
    return [
        ("task", f"{card.task}, {len(card.classes)} classes"),
        ("boxes an image", "; ".join(boxes)),
        ("sizes", "width x height, each side by itself"),
        ("weight", f"for a loss: {info.weight_rule}"),
        ("terms", card.terms or NO_TERMS),
        ("homepage", card.homepage),
        ("source", card.source),
        ("folder", str(info.path)),
        ("fingerprint", card.fingerprint),
        *(("warning", text) for text in card.warnings),
    ]
