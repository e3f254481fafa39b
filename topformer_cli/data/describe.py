"""The card of a set that was just written: counts, sizes, shares, and what looks unmeant."""

import hashlib
import statistics
from collections.abc import Sequence

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.labels import Labels
from topformer_cli.data.shards import ShardFacts
from topformer_cli.data.sources import Source
from topformer_cli.data.spec import IGNORE


def describe(
    source: Source, source_fingerprint: str, written: Sequence[tuple[str, ShardFacts]]
) -> DatasetCard:
    """Write a card from what the shards hold; written pairs each shard with its split."""
    labels = source.labels
    pixels: dict[str, tuple[int, ...]] = {}
    ignored: dict[str, int] = {}
    for split in source.splits:
        own = [facts.values for part, facts in written if part == split]
        values = [sum(column) for column in zip(*own, strict=True)]
        pixels[split], ignored[split] = _by_class(values, labels)
    train = [facts for part, facts in written if part == "train"]
    content = repr((labels.classes, labels.id_map, [(part, f.digest) for part, f in written]))
    card = DatasetCard(
        name=source.name,
        title=source.title,
        classes=labels.classes,
        palette=labels.palette,
        id_map=labels.id_map,
        counts={split: len(pairs) for split, pairs in source.splits.items()},
        expected=dict(source.expected),
        median_size=(
            round(statistics.median(h for facts in train for h in facts.heights)),
            round(statistics.median(w for facts in train for w in facts.widths)),
        ),
        class_pixels=pixels,
        ignored_pixels=ignored,
        terms=source.terms,
        homepage=source.homepage,
        source=str(source.place),
        source_fingerprint=source_fingerprint,
        fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        warnings=(),
    )
    return card.model_copy(update={"warnings": _warnings(card)})


def _by_class(values: Sequence[int], labels: Labels) -> tuple[tuple[int, ...], int]:
    pixels = [0] * len(labels.classes)
    ignored = 0
    for value, count in enumerate(values):
        train_id = labels.id_map[value]
        if train_id == IGNORE:
            ignored += count
        else:
            pixels[train_id] += count
    return tuple(pixels), ignored


def _warnings(card: DatasetCard) -> tuple[str, ...]:
    """Say what is allowed and yet probably not meant."""
    found = [card.partial] if card.partial else []
    pixels = card.class_pixels["train"]
    absent = [name for name, count in zip(card.classes, pixels, strict=True) if not count]
    if absent and not card.partial:
        found.append(f"never in a training mask: {', '.join(absent)}")
    ignored = card.ignored_pixels["train"]
    if (share := ignored / max(sum(pixels) + ignored, 1)) > 0.5:
        found.append(f"{share:.0%} of the training pixels are ignored")
    return tuple(found)
