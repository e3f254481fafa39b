"""Recipes of segmentation."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from topformer_cli.models.design import (
    Design,
    Extractor,
    Injected,
    Injection,
    PooledStride,
    Tokens,
)
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
    """The network; fuse `auto` is the released form of each size.

    The rest is what the paper's ablations change (Tables 2 to 8), its own network by default; width
    is M.
    """

    head: Literal["simple", "concat"]
    fuse: Literal["auto", "depthwise", "full"]
    drop_path: Rate
    dropout: Rate
    tokens: Tokens = "pyramid"
    extractor: Extractor = "sase"
    injected: Injected = "1/8"
    injection: Injection = "both"
    width: Literal["auto"] | Annotated[int, Field(ge=4, multiple_of=4)] = "auto"
    pooled_stride: PooledStride = 64

    @model_validator(mode="after")
    def _what_is_injected_is_extracted(self) -> Self:
        if self.extractor == "none" and (self.tokens, self.injection) != ("pyramid", "both"):
            message = (
                "model.extractor: none extracts nothing, so leave model.tokens and "
                "model.injection out"
            )
            raise ValueError(message)
        return self


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
    def fuse(self) -> Fuse | None:
        """The fuse convolution, with `auto` resolved by size; None where the head has none."""
        if self.head != "simple":
            return None
        return SIZES[self.size].fuse if self.model.fuse == "auto" else self.model.fuse

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The fuse convolution, and M."""
        width = self.design.width or SIZES[self.size].width
        fuse = {"model.fuse": self.fuse} if self.fuse else {}
        return {**fuse, "model.width": width}

    @property
    def design(self) -> Design:
        """What the network changes of the paper's own."""
        model = self.model
        return Design(
            tokens=model.tokens,
            extractor=model.extractor,
            injected=model.injected,
            injection=model.injection,
            width=self._width,
            pooled_stride=model.pooled_stride,
        )

    @property
    def _width(self) -> int | None:
        """M where it is not the size's own."""
        width = self.model.width
        return None if width == "auto" or width == SIZES[self.size].width else width

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
