"""Recipes of classification."""

import random
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from topformer_cli.models.design import Design, Extractor, Tokens
from topformer_cli.sections.record import (
    AdaptiveSection,
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

MOST_NOISE: Final = 0.67
"""The most that noise takes from or adds to the learning rate, as a part of it (timm's default)."""


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

    The crop is drawn as a share `area` of the image with a `ratio` of width to height; then so many
    operations of RandAugment follow, of a magnitude 0 .. 10 that is drawn with a deviation. erase
    is the probability that a rectangle becomes noise. mixup mixes pairs of images by shares from
    Beta(mixup, mixup); 0 mixes none.
    """

    crop: Crop
    area: tuple[Positive, Annotated[float, Field(gt=0, le=1)]]
    ratio: tuple[Positive, Positive]
    flip: Share
    photometric: bool
    randaugment: Annotated[int, Field(ge=0, le=15)] = 0
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0
    magnitude_std: Annotated[float, Field(ge=0)] = 0.5
    erase: Share = 0.0
    mixup: Annotated[float, Field(ge=0)] = 0.0

    @field_validator("area", "ratio")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            message = "expected [least, most]"
            raise ValueError(message)
        return value


class StairsSection(PolySection):
    """Polynomial decay, and a factor after each so many iterations (`every`) past the warm-up.

    Power 0 or factor 1 leaves one of the two out. From the share noise_from of the training on, the
    rate is off by a random part of it, up to MOST_NOISE, another one each noise_every iterations.
    """

    power: Annotated[float, Field(ge=0)]
    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    every: Positive = 1.0
    noise_from: Share = 1.0
    noise_every: Count = 1

    def decay(self, step: int) -> float:
        """Return polynomial decay times factor^(step // every), times the noise."""
        decay = super().decay(step)
        # timm's warm-up rises to the whole rate: its stairs are counted meanwhile, but not applied.
        if step >= self.warmup:
            decay *= self.factor ** (step // self.every)
        if step >= self.noise_from * self.iterations:
            decay *= 1 + _noise(step // self.noise_every)
        return decay


def _noise(number: int) -> float:
    """Draw from a normal distribution of deviation 1, cut at MOST_NOISE on both sides."""
    rng = random.Random(number)
    while abs(noise := rng.gauss(0.0, 1.0)) >= MOST_NOISE:
        pass
    return noise


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
    optimizer: AdaptiveSection
    schedule: StairsSection
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
    def trained_on(self) -> str:
        """The training crop, which need not be that of evaluations."""
        height, width = self.augment.crop
        return f"crop {height}x{width}"

    @property
    def input_size(self) -> tuple[int, int]:
        """The crop of evaluations."""
        return self.evaluation.crop

    def refuses(self, images: int) -> str | None:
        """Refuse an odd number where images are mixed in pairs, which would be torn."""
        if not self.augment.mixup or images % 2 == 0:
            return None
        return (
            f"augment.mixup {self.augment.mixup:g} mixes images in pairs, but of the batch "
            f"{self.batch} a device takes {images} at once; make that even with -o batch or "
            "-o device_batch, or take -o augment.mixup=0"
        )

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return crop and short side: 224 and 256, or as much less as typical images are."""
        short = min(median_size)
        side = max(32, min(224, round(short * 7 / 8 / 32) * 32, short // 32 * 32))
        crop = [side, side]
        return {
            "augment.crop": crop,
            "evaluation.crop": crop,
            "evaluation.short_side": side * 8 // 7,
        }
