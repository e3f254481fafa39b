"""What is taken for what: a confusion matrix as a list of mistakes, and as a table of counts."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.results.segmentation import Counts, ScoredMaps

NO_CLASS: Final = "(no class)"


@dataclass(frozen=True, slots=True)
class Mistake:
    """Pixels of a class that were predicted as another one, or as none.

    of_class is their share of the class's pixels, of_all of all labelled ones, in percent.
    """

    label: str
    predicted: str
    pixels: int
    of_class: float
    of_all: float


def predicted_names(classes: Sequence[str], counts: Counts) -> tuple[str, ...]:
    """Return the names of the columns; that for no class is the last where it holds anything."""
    return (*classes, NO_CLASS) if any(row[-1] for row in counts) else tuple(classes)


def mistakes(found: ScoredMaps, most: int) -> tuple[Mistake, ...]:
    """Return the confusions of most pixels, the largest first."""
    counts, pixels = found.found.confusion, found.found.pixels
    total = sum(pixels)
    names = predicted_names(found.classes, counts)
    wrong = [
        (count, row, column)
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    wrong.sort(key=lambda one: (-one[0], *one[1:]))
    return tuple(
        Mistake(
            found.classes[row],
            names[column],
            count,
            of_class=100 * count / pixels[row],
            of_all=100 * count / total,
        )
        for count, row, column in wrong[:most]
    )


def confusion_csv(found: ScoredMaps) -> str:
    """Return the pixels by label (rows) and prediction (columns), with a header of names.

    Lines end as RFC 4180 has them.
    """
    counts = found.found.confusion
    names = predicted_names(found.classes, counts)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("label \\ prediction", *names))
    for name, row in zip(found.classes, counts, strict=True):
        writer.writerow((name, *row[: len(names)]))
    return text.getvalue()
