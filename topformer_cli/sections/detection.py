"""Recipes of detection."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from topformer_cli.models.spec import BACKBONES, BackboneName, Norm, SizeName
from topformer_cli.sections.record import (
    DEFAULT_SIZE,
    LEAST_SIDE,
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
DROP_PATH: Final = 0.1
"""The rate that `auto` stands for where there is something to drop: the one for segmentation."""


class DetectionModel(Section):
    """The network; norm is the backbone's batch normalisation, as in `models.spec.Norm`.

    drop_path drops branches of TopFormer's transformer blocks; other backbones have none.
    """

    head: Literal["retinanet"]
    backbone: BackboneName = "topformer"
    norm: Norm
    drop_path: Rate | Literal["auto"]

    @field_validator("drop_path")
    @classmethod
    def _of_topformer(cls, rate: float | str, info: ValidationInfo) -> float | str:
        backbone = info.data.get("backbone", "topformer")
        if backbone != "topformer" and rate not in (0, "auto"):
            message = f"{backbone} has no transformer blocks to drop branches of; take auto or 0"
            raise ValueError(message)
        return rate


class DetectionAugment(Section):
    """Training augmentation; scale (long side, short side) in pixels.

    The short side is drawn from least_short to scale's: equal, as `auto` is, for a single scale.
    """

    scale: tuple[Side, Side]
    least_short: Side
    flip: Share

    @field_validator("scale")
    @classmethod
    def _long_side_first(cls, scale: tuple[int, int]) -> tuple[int, int]:
        long, short = scale
        if short > long:
            message = "expected [long side, short side]"
            raise ValueError(message)
        return scale

    @field_validator("least_short", mode="before")
    @classmethod
    def _follows_the_scale(cls, least: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - unchecked
        # Where the scale is wrong only that is told.
        return info.data.get("scale", (0, LEAST_SIDE))[1] if least == "auto" else least

    @field_validator("least_short")
    @classmethod
    def _within_the_scale(cls, least: int, info: ValidationInfo) -> int:
        if "scale" in info.data and least > info.data["scale"][1]:
            message = (
                f"above the short side of augment.scale {list(info.data['scale'])}; lower it, or "
                "take auto to follow the scale"
            )
            raise ValueError(message)
        return least


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

    @model_validator(mode="after")
    def _sizes_are_topformers(self) -> Self:
        if (self.size is None) != (self.backbone != "topformer"):
            message = f"size {self.size or 'null'} does not go with backbone {self.backbone}"
            raise ValueError(message)
        return self

    @property
    def head(self) -> str:
        """The head's name on the identity card."""
        return self.model.head

    @property
    def backbone(self) -> str:
        """The backbone's name on the identity card."""
        return self.model.backbone

    @property
    def drop_path(self) -> float:
        """The rate, with `auto` resolved by backbone."""
        if self.model.drop_path != "auto":
            return self.model.drop_path
        return DROP_PATH if self.backbone == "topformer" else 0.0

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The rate of dropped branches."""
        return {"model.drop_path": self.drop_path}

    @property
    def input_size(self) -> tuple[int, int]:
        """A wide image of the evaluation's scale, padded."""
        long, short = (-(-side // MULTIPLE) * MULTIPLE for side in self.evaluation.scale)
        return short, long

    @property
    def trained_on(self) -> str:
        """The scale of training images."""
        long, short = self.augment.scale
        return f"scale {long}x{short}"

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is allowed and hardly meant: also a size of tests that none is trained at."""
        augment, tested = self.augment, list(self.evaluation.scale)
        if augment.least_short <= tested[1] <= augment.scale[1]:
            return super().oddities
        long, short = augment.scale
        words = (
            f"evaluation.scale {tested} tests at another size than augment.scale {[long, short]} "
            f"trains at; give -o evaluation.scale=[{long},{short}]"
        )
        return (*super().oddities, words)

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
    def usual_size(values: Mapping[str, Any]) -> SizeName | None:
        """Return the usual size of TopFormer, None for other backbones."""
        model = values.get("model")
        backbone = model.get("backbone", "topformer") if isinstance(model, dict) else "topformer"
        return DEFAULT_SIZE if backbone == "topformer" or backbone not in BACKBONES else None

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return the scale at which typical images keep their size, at most COCO's."""
        short = max(64, min(SHORTEST, *median_size))
        long = max(short, min(LONGEST, *(max(median_size), 2 * short)))
        scale = [long, short]
        return {"augment.scale": scale, "evaluation.scale": scale}
