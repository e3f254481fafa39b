"""What is in a prepared set, and what in it looks wrong."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.prepare import Progress, silent
from topformer_cli.data.spec import IGNORE
from topformer_cli.data.store import PreparedSet, Sample
from topformer_cli.errors import DataError

CHECKING = "check"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of reading a whole set again: problems make it unusable, notes do not."""

    images: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check(prepared: PreparedSet, progress: Progress = silent) -> CheckReport:
    """Read every image and mask of a prepared set again.

    Problems: a file that cannot be decoded, or is not of the recorded size. Notes: masks in which
    everything is ignored, classes that a split lacks, the same image in two splits.
    """
    problems: list[str] = []
    notes = list(prepared.card.warnings)
    seen: defaultdict[bytes, list[str]] = defaultdict(list)
    total, done = sum(prepared.card.counts.values()), 0
    for split, count in prepared.card.counts.items():
        empty: list[str] = []
        for index in range(count):
            sample = prepared.sample(split, index)
            seen[hashlib.sha256(sample.image).digest()].append(f"{split}/{sample.id}")
            try:
                if not _labelled(sample, prepared.card.id_map):
                    empty.append(sample.id)
            except DataError as error:
                problems.append(f"{split}/{sample.id}: {error}")
            done += 1
            progress(CHECKING, done, total)
        if empty:
            notes.append(f"{split}: {len(empty)} masks are wholly ignored, such as {empty[0]}")
    notes += [_lacking(prepared.card, split) for split in prepared.card.counts]
    notes += [f"the same image: {', '.join(names)}" for names in seen.values() if len(names) > 1]
    return CheckReport(total, tuple(problems), tuple(note for note in notes if note))


def _labelled(sample: Sample, id_map: tuple[int, ...]) -> bool:
    """Decode one sample fully and say whether any pixel of it has a class."""
    image = decode_image(sample.image)
    mask = decode_mask(sample.mask, id_map)
    size = (sample.height, sample.width)
    if image.shape[:2] != size or mask.shape != size:
        message = f"image {image.shape[:2]}, mask {mask.shape}, recorded {size}; prepare it again"
        raise DataError(message)
    return bool(np.any(mask != IGNORE))


def _lacking(card: DatasetCard, split: str) -> str:
    pixels = card.splits[split].labels.counts
    names = [name for name, count in zip(card.classes, pixels, strict=True) if not count]
    return f"{split} lacks {len(names)} classes, such as {names[0]}" if names else ""
