"""The card of a set that was just written: counts, sizes, shares, and what looks unmeant."""

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from topformer_cli.data.card import DatasetCard, SplitCard
from topformer_cli.data.forms.row import Totals
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.shards import ShardFacts
from topformer_cli.data.sources.source import Reading, Source

NAMED: Final = 8
"""Classes that a warning names; the others it counts."""

Written = Mapping[str, Sequence[ShardFacts]]
"""The shards of each split."""


def describe(
    source: Source, source_fingerprint: str, written: Written, notes: Sequence[str] = ()
) -> DatasetCard:
    """Write a card from what the shards hold; notes, then the source's, are its first warnings."""
    labels = source.reading.labels
    digests = [(split, one.digest) for split, shards in written.items() for one in shards]
    card = DatasetCard(
        name=source.name,
        title=source.title,
        task=source.reading.task,
        classes=labels.classes,
        palette=labels.palette,
        codes=source.codes,
        id_map=labels.id_map,
        splits={split: _split(source.reading, shards) for split, shards in written.items()},
        expected=dict(source.expected),
        terms=source.terms,
        homepage=source.homepage,
        source=source.place.name,
        source_fingerprint=source_fingerprint,
        fingerprint=fingerprint(labels.classes, labels.id_map, digests),
        warnings=(),
    )
    return card.model_copy(update={"warnings": (*notes, *source.notes, *_warnings(card))})


def fingerprint(
    classes: tuple[str, ...], id_map: tuple[int, ...], digests: Sequence[tuple[str, str]]
) -> str:
    """Return the SHA-256 of a set's names and contents; digests are of shards, with their split."""
    content = repr((classes, id_map, list(digests)))
    return hashlib.sha256(content.encode()).hexdigest()


def _split(reading: Reading, shards: Sequence[ShardFacts]) -> SplitCard:
    heights = [height for one in shards for height in one.heights]
    widths = [width for one in shards for width in one.widths]
    totals = Totals(
        counts=np.sum([one.counts for one in shards], axis=0),
        images=np.sum([one.images for one in shards], axis=0),
        labelled=tuple(count for one in shards for count in one.labelled),
        ignored=sum(one.ignored for one in shards),
    )
    return SplitCard(
        images=len(heights),
        pixels=sum(h * w for h, w in zip(heights, widths, strict=True)),
        smallest=(min(heights), min(widths)),
        median=(round(statistics.median(heights)), round(statistics.median(widths))),
        largest=(max(heights), max(widths)),
        labels=FORMS[reading.task].label_facts(reading.labels, totals),
    )


def _warnings(card: DatasetCard) -> tuple[str, ...]:
    """Say what is allowed and yet probably not meant."""
    found = [card.partial] if card.partial else []
    labels = card.splits["train"].labels
    absent = [name for name, count in zip(card.classes, labels.counts, strict=True) if not count]
    if absent and not card.partial:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        found.append(f"never in a training image: {', '.join(absent[:NAMED])}{more}")
    share = labels.ignored / max(sum(labels.counts) + labels.ignored, 1)
    if share > 0.5:
        what = "pixels" if card.task == "segmentation" else "boxes"
        found.append(f"{share:.0%} of the training {what} are ignored")
    if card.task == "detection" and labels.empty and not card.expected:
        images = card.splits["train"].images
        found.append(f"{labels.empty} of {images} training images have no box: they do not train")
    return tuple(found)
