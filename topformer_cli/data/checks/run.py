"""Checks a set: many items at a time, and then the set as a whole."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from topformer_cli.data.checks.look import Look, look
from topformer_cli.data.checks.report import CheckReport, lines
from topformer_cli.data.checks.subject import Batch, Subject
from topformer_cli.data.checks.table import checks_of
from topformer_cli.data.checks.totals import Totals
from topformer_cli.data.checks.whole import ignored_shares, whole_findings
from topformer_cli.data.findings import Finding
from topformer_cli.data.prepare import Progress, silent

CHECKING: Final = "check"


def check(subject: Subject, progress: Progress = silent) -> CheckReport:
    """Look at every item of a set, and then at the set as a whole.

    Of an image, no more than 150 bytes are kept, so that memory hardly grows with the set.

    Raises:
        DataError: a prepared set is so damaged that it cannot be read.
    """
    totals = {split: Totals() for split in subject.counts}
    findings = subject.findings()
    images, done = sum(subject.counts.values()), 0
    for split, seen in _seen(subject):
        findings += seen.findings
        totals[split].add(seen)
        done += seen.items
        progress(CHECKING, done, images)
    findings += whole_findings(subject, totals)
    checks = checks_of(
        subject.reading.task,
        prepared=subject.prepared,
        published=subject.published,
        splits=len(totals),
    )
    shown = {"ignored": ignored_shares(subject, totals)}
    return CheckReport(subject.name, images, lines(checks, findings, subject.base, shown))


def _seen(subject: Subject) -> Iterator[tuple[str, Totals]]:
    """Look at all batches in threads: decoding happens outside the interpreter's lock."""

    def see(batch: Batch) -> tuple[str, Totals]:
        looks: list[Look] = []
        findings: list[Finding] = []
        for one in batch.load():
            if isinstance(one, Finding):
                findings.append(one)
            else:
                looks.append(look(one, subject.reading, prepared=subject.prepared))
        totals = Totals.of(looks, batch.start)
        totals.findings += findings
        return batch.split, totals

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        try:
            yield from pool.map(see, subject.batches())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
