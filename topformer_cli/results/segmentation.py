"""The record of a segmentation network's evaluation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from topformer_cli.results.evaluation import Headline, ResultTable, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """What an evaluation found; shares are percentages.

    miou averages over classes that occur (mmsegmentation's rule), miou_devkit over all classes
    with absent ones as 0 (the ADE20K devkit's). Per class, None stands for a class that occurs
    neither in labels nor in predictions. protocol names the test-time resize.
    """

    model: str
    weights: str
    dataset: str
    split: str
    images: int
    protocol: str
    classes: tuple[str, ...]
    miou: float
    miou_devkit: float
    pixel_accuracy: float
    mean_accuracy: float
    iou: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def headline(self) -> Headline:
        """The mIoU."""
        return Headline("miou", "mIoU", self.miou)

    @property
    def scores(self) -> Mapping[str, float]:
        """Both kinds of mIoU, and accuracies."""
        names = ("miou", "miou_devkit", "pixel_accuracy", "mean_accuracy")
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """Return the scores in one line."""
        return (
            f"{self.headline}   pixel accuracy {self.pixel_accuracy:.2f}   "
            f"mean accuracy {self.mean_accuracy:.2f}   mIoU by the ADE20K devkit's rule "
            f"{self.miou_devkit:.2f}"
        )

    def table(self) -> ResultTable:
        """Return IoU and accuracy by class."""
        rows = zip(self.classes, map(percent, self.iou), map(percent, self.accuracy), strict=True)
        return ResultTable(("class", "IoU", "accuracy"), tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)
