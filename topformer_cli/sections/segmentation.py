"""Recipes of segmentation."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from topformer_cli.models.spec import SIZES, Fuse, SizeName
from topformer_cli.sections.record import (
    AdamWSection,
    Count,
    Crop,
    EvaluationSection,
    PolySection,
    Positive,
    Rate,
    Recipe,
    Section,
    Share,
    Side,
)


class SegmentationModel(Section):
    """The network; fuse `auto` is the released form of each size."""

    head: Literal["simple"]
    fuse: Literal["auto", "depthwise", "full"]
    drop_path: Rate
    dropout: Rate


class SegmentationAugment(Section):
    """Training augmentation; crop is (height, width), scale (long side, short side) in pixels."""

    crop: Crop
    scale: tuple[Side, Side]
    ratio: tuple[Positive, Positive]
    flip: Share
    cat_max_ratio: Share
    photometric: bool


class SegmentationLoss(Section):
    """Cross-entropy; the authors divide by all pixels, ignored ones included.

    class_weights `auto` are those that `topformer data info` suggests; or one a class, in the order
    of the set's classes.
    """

    normalise: Literal["all_pixels", "valid"]
    class_weights: Literal["none", "auto"] | tuple[Annotated[float, Field(ge=0)], ...] = "none"


class SegmentationEvaluation(EvaluationSection):
    """The test-time resize, scale (long side, short side), and how often training evaluates."""

    resize: Literal["keep_ratio", "stretch"]
    scale: tuple[Side, Side]
    multiple: Count


class SegmentationRecipe(Recipe):
    """A resolved recipe of a segmentation network."""

    task: Literal["segmentation"]
    size: SizeName
    model: SegmentationModel
    augment: SegmentationAugment
    optimizer: AdamWSection
    schedule: PolySection
    loss: SegmentationLoss
    evaluation: SegmentationEvaluation

    @property
    def head(self) -> str:
        """The head's name on the identity card."""
        return self.model.head

    @property
    def fuse(self) -> Fuse:
        """The fuse convolution, with `auto` resolved by size."""
        return SIZES[self.size].fuse if self.model.fuse == "auto" else self.model.fuse

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The fuse convolution."""
        return {"model.fuse": self.fuse}

    @property
    def input_size(self) -> tuple[int, int]:
        """The training crop."""
        return self.augment.crop

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return crop and scale: a typical short side, at most 512 pixels."""
        short = min(min(median_size), 512)
        side = max(64, round(short / 32) * 32)
        scale = [4 * max(short, 32), max(short, 32)]
        return {"augment.crop": [side, side], "augment.scale": scale, "evaluation.scale": scale}
