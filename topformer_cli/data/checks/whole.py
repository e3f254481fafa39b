"""What only shows when all items are known: absent classes, images in two splits, off by one."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.checks.alike import much_alike, same_files
from topformer_cli.data.checks.subject import Subject
from topformer_cli.data.checks.totals import Totals
from topformer_cli.data.findings import Finding
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import FROM_ONE, unknown_values
from topformer_cli.data.spec import IGNORE

_MOST_IGNORED: Final = 0.5
_NAMED: Final = 5
_LEAK: Final = "take one of them out: what is trained on must not be measured on"


def whole_findings(subject: Subject, totals: Mapping[str, Totals]) -> list[Finding]:
    """Return what is wrong or odd with a set as a whole."""
    return [
        *_off_by_one(subject, totals),
        *_ignored(subject, totals),
        *_absent(subject, totals),
        *_repeated(subject, totals),
        *_alike(subject, totals),
    ]


def ignored_shares(subject: Subject, totals: Mapping[str, Totals]) -> str:
    """Return the share of ignored pixels by split, in words."""
    shares = _shares(subject, totals)
    return ", ".join(f"{split} {share:.1%}" for split, share in shares.items())


def _shares(subject: Subject, totals: Mapping[str, Totals]) -> dict[str, float]:
    if subject.reading.task != "segmentation":
        return {}
    return {
        split: one.ignored / max(int(one.counts.sum()), 1)
        for split, one in totals.items()
        if one.labelled
    }


def _off_by_one(subject: Subject, totals: Mapping[str, Totals]) -> Iterator[Finding]:
    """Tell masks that count from 1 by the value after the last one, in all masks together."""
    labelled = [one for one in totals.values() if one.labelled]
    if subject.reading.task != "segmentation" or subject.published or not labelled:
        return
    counts = sum((one.counts for one in labelled), np.zeros(256, np.int64))
    images = sum((one.images for one in labelled), np.zeros(256, np.int64))
    labels = subject.reading.labels
    after = 1 + max(value for value, train_id in enumerate(labels.id_map) if train_id != IGNORE)
    if unknown_values(counts, labels) != [after]:
        return
    masks = int(images[after])
    what = f"have value {after} ({masks} of them), the first after the last class"
    if counts[0] == 0:
        what += ", and 0 in none: they count from 1"
        remedy = FROM_ONE.removeprefix("if masks count from 1, ")
    else:
        remedy = f"{FROM_ONE}; if {after} is a class, add its name to the list"
    yield Finding("off-by-one", "the masks", what, remedy, count=masks)


def _ignored(subject: Subject, totals: Mapping[str, Totals]) -> Iterator[Finding]:
    for split, share in _shares(subject, totals).items():
        if share > _MOST_IGNORED:
            what = f"has {share:.1%} of its pixels ignored"
            remedy = "see whether the class list names all that is labelled"
            yield Finding("ignored", split, what, remedy, wrong=False)


def _absent(subject: Subject, totals: Mapping[str, Totals]) -> Iterator[Finding]:
    labels = subject.reading.labels
    for split, one in totals.items():
        if not one.labelled:
            continue
        counts = _by_class(one.counts, labels)
        if what := absent_text(labels.classes, counts.tolist()):
            remedy = "add images of them, or take them off the list"
            if subject.published or split != "train":
                remedy = "nothing to do: the mean leaves them out"
            absent = int(np.count_nonzero(counts == 0))
            yield Finding("absent", split, what, remedy, wrong=False, count=absent)


def absent_text(classes: Sequence[str], counts: Sequence[int]) -> str:
    """Name the classes that do not occur; empty if all do."""
    names = [name for name, count in zip(classes, counts, strict=True) if not count]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    text = f"lacks {len(names)} of {len(classes)} classes: {', '.join(names[:_NAMED])}{more}"
    return text if names else ""


def _by_class(counts: NDArray[np.int64], labels: Labels) -> NDArray[np.int64]:
    if not labels.id_map:
        return counts
    values = np.flatnonzero(np.not_equal(labels.id_map, IGNORE))
    summed = np.zeros(len(labels.classes), np.int64)
    np.add.at(summed, np.array(labels.id_map)[values], counts[values])
    return summed


def _repeated(subject: Subject, totals: Mapping[str, Totals]) -> Iterator[Finding]:
    """Compare files with each other, within splits and between them."""
    places = [(s, row) for s, one in totals.items() for rows in one.rows for row in rows.tolist()]
    digests = [part for one in totals.values() for part in one.digests]
    if not digests:
        return
    for group in same_files(np.concatenate(digests)):
        (first_split, first_row), *others = (places[index] for index in group)
        first = subject.place(first_split, first_row)
        for split, row in others:
            place, what = subject.place(split, row), f"is the same file as {first}"
            if split == first_split:
                remedy = "take one of them out, unless that is meant"
                yield Finding("repeated", place, what, remedy, wrong=False)
            else:
                wrong = not subject.published
                yield Finding("in-two-splits", place, what, _LEAK, wrong)


def _alike(subject: Subject, totals: Mapping[str, Totals]) -> Iterator[Finding]:
    """Compare what images of two splits look like."""
    seen = {split: one for split, one in totals.items() if one.rows}
    for first, second in itertools.combinations(seen, 2):
        one, other = seen[first], seen[second]
        digests, other_digests = np.concatenate(one.digests), np.concatenate(other.digests)
        rows, other_rows = np.concatenate(one.rows), np.concatenate(other.rows)
        for a, b in much_alike(np.concatenate(one.cells), np.concatenate(other.cells)):
            if digests[a] != other_digests[b]:
                what = f"looks like {subject.place(first, int(rows[a]))}"
                place = subject.place(second, int(other_rows[b]))
                remedy = f"look at both; if they are one picture, {_LEAK}"
                yield Finding("similar", place, what, remedy, wrong=False)
