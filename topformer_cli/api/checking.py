"""Check data sets."""

from collections.abc import Callable

from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.data.check import CheckReport, check
from topformer_cli.errors import DataError

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


def check_set(name: str, places: Places, progress: Progress) -> CheckReport:
    """Read every image and mask of a prepared set again.

    Raises:
        DataError: an image or mask is not as the card says; every one is named.
    """
    prepared = open_set(name, places)
    report = check(prepared, lambda _, done, total: progress(done, total))
    if report.problems:
        message = f"{name}: {len(report.problems)} damaged: {'; '.join(report.problems[:20])}"
        raise DataError(message)
    return report
