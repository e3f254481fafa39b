"""Recipes of classification."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from topformer_cli.models.design import Design, Extractor, Tokens
from topformer_cli.sections.record import (
    AdamWSection,
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


class ClassificationModel(Section):
    """The network: drop_path for the extractor's branches, dropout before the linear layer.

    tokens and extractor pretrain the networks of Tables 2 and 4.
    """

    head: Literal["linear"]
    drop_path: Rate
    dropout: Rate
    tokens: Tokens = "pyramid"
    extractor: Extractor = "sase"


class ClassificationAugment(Section):
    """Training augmentation: crop is (height, width) in pixels.

    The crop is drawn as a share `area` of the image with a `ratio` of width to height.
    """

    crop: Crop
    area: tuple[Positive, Annotated[float, Field(gt=0, le=1)]]
    ratio: tuple[Positive, Positive]
    flip: Share
    photometric: bool


class ClassificationLoss(Section):
    """Cross-entropy against the label, which keeps 1 - label_smoothing of the weight."""

    label_smoothing: Rate


class ClassificationEvaluation(EvaluationSection):
    """The (height, width) cut from the centre of images whose short side is resized first."""

    crop: Crop
    short_side: Side

    @field_validator("short_side")
    @classmethod
    def _covers_the_crop(cls, value: int, info: ValidationInfo) -> int:
        if "crop" in info.data and value < max(info.data["crop"]):
            message = f"the crop needs at least {max(info.data['crop'])}"
            raise ValueError(message)
        return value


class ClassificationRecipe(Recipe):
    """A resolved recipe of a classification network."""

    task: Literal["classification"]
    # Batch normalisation of one value a channel has no variance.
    batch: Annotated[int, Field(ge=2)]
    model: ClassificationModel
    augment: ClassificationAugment
    optimizer: AdamWSection
    schedule: PolySection
    loss: ClassificationLoss
    evaluation: ClassificationEvaluation

    @property
    def head(self) -> str:
        """The head's name on the identity card."""
        return self.model.head

    @property
    def design(self) -> Design:
        """What the network changes of the paper's own."""
        return Design(tokens=self.model.tokens, extractor=self.model.extractor)

    @property
    def input_size(self) -> tuple[int, int]:
        """The crop of evaluations."""
        return self.evaluation.crop

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return crop and short side: 224 and 256, or as much less as typical images are."""
        side = max(32, min(224, min(median_size) * 7 // 8 // 32 * 32))
        crop = [side, side]
        return {
            "augment.crop": crop,
            "evaluation.crop": crop,
            "evaluation.short_side": side * 8 // 7,
        }
