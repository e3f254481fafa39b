"""The record of a classification network's evaluation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from topformer_cli.results.evaluation import Headline, ResultTable, percent

MOST_ROWS: Final = 100
"""Classes; the table of more than these is left to the JSON record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationResult:
    """What an evaluation found; shares are percentages.

    top1 and top5: images whose class is the first, or one of the first five answers; top5 is None
    where there are no more than five classes. accuracy: by class, the share of its images whose
    class is the first answer; None where the split has no image of it. counts: images by class.
    protocol names resize and crop.
    """

    model: str
    weights: str
    dataset: str
    split: str
    images: int
    protocol: str
    classes: tuple[str, ...]
    top1: float
    top5: float | None
    accuracy: tuple[float | None, ...]
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def headline(self) -> Headline:
        """The top-1 accuracy."""
        return Headline("top1", "top-1", self.top1)

    @property
    def scores(self) -> Mapping[str, float]:
        """Top-1 and, where there is one, top-5."""
        return {"top1": self.top1} | ({} if self.top5 is None else {"top5": self.top5})

    def summary(self) -> str:
        """Return the scores in one line."""
        told = f"top-5 {self.top5:.2f}" if self.top5 is not None else self._no_top5
        return f"{self.headline}   {told}"

    @property
    def _no_top5(self) -> str:
        return f"no top-5: of {len(self.classes)} classes it is always 100"

    def table(self) -> ResultTable:
        """Return images and accuracy by class, for sets of up to MOST_ROWS classes."""
        columns = ("class", "images", "top-1")
        if len(self.classes) > MOST_ROWS:
            return ResultTable(columns, ())
        counts = map(str, self.counts)
        rows = zip(self.classes, counts, map(percent, self.accuracy), strict=True)
        return ResultTable(columns, tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)
