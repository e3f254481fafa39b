"""Recipes of detection."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from topformer_cli.sections.record import (
    Count,
    EvaluationSection,
    MomentumSection,
    Rate,
    Recipe,
    Section,
    Share,
    Side,
    StepsSection,
)

MULTIPLE: Final = 32
LONGEST, SHORTEST = 1333, 800


class DetectionModel(Section):
    """The network; norm is the backbone's batch normalisation, as in `models.detector.Norm`."""

    head: Literal["retinanet"]
    norm: Literal["frozen", "plain", "sync"]
    drop_path: Rate


class DetectionAugment(Section):
    """Training augmentation; scale (long side, short side) in pixels.

    The short side is drawn from least_short to scale's: equal for a single scale.
    """

    scale: tuple[Side, Side]
    least_short: Side
    flip: Share

    @model_validator(mode="after")
    def _sides_in_order(self) -> Self:
        long, short = self.scale
        if not self.least_short <= short <= long:
            message = f"expected least_short <= short side <= long side, got {self.least_short}, "
            raise ValueError(message + f"{short}, {long}")
        return self


class DetectionEvaluation(EvaluationSection):
    """How images are resized and boxes chosen; see `models.boxes.Selection`."""

    scale: tuple[Side, Side]
    score: Rate
    per_level: Count
    iou: Annotated[float, Field(gt=0, le=1)]
    most: Count


class DetectionRecipe(Recipe):
    """A resolved recipe of a detection network."""

    task: Literal["detection"]
    model: DetectionModel
    augment: DetectionAugment
    optimizer: MomentumSection
    schedule: StepsSection
    evaluation: DetectionEvaluation

    @property
    def head(self) -> str:
        """The head's name on the identity card."""
        return self.model.head

    @property
    def input_size(self) -> tuple[int, int]:
        """A wide image of the evaluation's scale, padded."""
        long, short = (-(-side // MULTIPLE) * MULTIPLE for side in self.evaluation.scale)
        return short, long

    @property
    def needs_weights(self) -> str | None:
        """Frozen batch normalisation has no statistics of its own."""
        if self.model.norm != "frozen":
            return None
        return (
            "model.norm=frozen keeps the batch statistics that it begins with; give --weights, or "
            "take -o model.norm=plain"
        )

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return the scale at which typical images keep their size, at most COCO's."""
        short = max(64, min(SHORTEST, *median_size))
        long = max(short, min(LONGEST, *(max(median_size), 2 * short)))
        scale = [long, short]
        return {"augment.scale": scale, "augment.least_short": short, "evaluation.scale": scale}
