"""The record that recipes of all tasks are, and the sections that they share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from topformer_cli.models.design import OWN, Design
from topformer_cli.models.spec import Fuse, SizeName, Task

DEFAULT_SIZE: Final[SizeName] = "tiny"
LEAST_SIDE: Final = 32
Side = Annotated[int, Field(ge=LEAST_SIDE)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Crop = tuple[
    Annotated[Side, Field(multiple_of=32)],
    Annotated[Side, Field(multiple_of=32)],
]
"""(height, width) in pixels that the network takes."""


class Section(BaseModel):
    """A strict, frozen part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class OptimizerSection(Section):
    """What every optimizer has; each task says of which kinds it may be."""

    # The first of the fields, so that what only one kind has can be refused of the others.
    kind: str = "adamw"
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class AdamWSection(OptimizerSection):
    """AdamW; parameters whose name begins with `head` learn head_lr_factor times faster.

    decayed `weights` spares parameters of one dimension, biases and batch normalisation, the decay
    of weights; `but_norm_and_position` those of layer normalisation and codes of position, as
    mmsegmentation's settings for transformers do.
    """

    betas: tuple[Rate, Rate]
    head_lr_factor: Positive
    decayed: Literal["all", "weights", "but_norm_and_position"] = "all"


class AdaptiveSection(AdamWSection):
    """AdamW, or RMSprop as TensorFlow has it, which takes its momentum and its alpha from betas."""

    kind: Literal["adamw", "rmsprop"] = "adamw"
    eps: Positive = 1e-8


BETAS: Final = (0.9, 0.999)


class AdamWOrSGDSection(AdamWSection):
    """AdamW, which has betas, or stochastic gradient descent, which has a momentum instead."""

    betas: tuple[Rate, Rate] = BETAS
    kind: Literal["adamw", "sgd"] = "adamw"
    momentum: Rate = 0.9

    @field_validator("betas")
    @classmethod
    def _of_adamw(cls, betas: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        # Those that a recipe for AdamW has anyway need not be taken out.
        if info.data.get("kind") == "sgd" and betas != BETAS:
            message = (
                "they are AdamW's; SGD has optimizer.momentum, so leave them out, or take "
                "-o optimizer.kind=adamw"
            )
            raise ValueError(message)
        return betas

    @field_validator("momentum")
    @classmethod
    def _of_sgd(cls, momentum: float, info: ValidationInfo) -> float:
        if info.data.get("kind", "sgd") != "sgd":
            message = "it is SGD's; AdamW has optimizer.betas, or take -o optimizer.kind=sgd"
            raise ValueError(message)
        return momentum

    @model_serializer(mode="wrap")
    def _what_the_kind_has(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what only the other kind has."""
        others = "betas" if self.kind == "sgd" else "momentum"
        return {name: value for name, value in whole(self).items() if name != others}


class MomentumSection(OptimizerSection):
    """Stochastic gradient descent with momentum, or AdamW with it as the first beta of two.

    The second is 0.999. All parameters learn at the same rate.
    """

    kind: Literal["sgd", "adamw"]
    momentum: Rate


class ScheduleSection(Section):
    """Linear warm-up from warmup_ratio, while a decay already runs; each task says which one."""

    iterations: Count
    warmup: Annotated[int, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, le=1)]

    @property
    def oddity(self) -> str | None:
        """What is allowed and hardly meant, with the remedy; None usually."""
        if not self.warmup or self.warmup < self.iterations:
            return None
        return (
            f"schedule.warmup {self.warmup} is as long as the run (schedule.iterations "
            f"{self.iterations}) or longer: the rate never reaches optimizer.lr; give "
            f"-o schedule.warmup={self.iterations // 10}"
        )

    @abstractmethod
    def decay(self, step: int) -> float:
        """Return the share of the base rate at a step (0-based), warm-up left out."""


class PolySection(ScheduleSection):
    """Polynomial decay per iteration, to a share of the rate: none usually (mmcv's poly policy).

    floor is mmcv's min_lr as a share of optimizer.lr.
    """

    power: Positive
    floor: Share = 0.0

    def decay(self, step: int) -> float:
        """Return floor + (1 - floor) * (1 - step / iterations)^power."""
        share: float = max(0.0, 1 - step / self.iterations) ** self.power
        return self.floor + (1 - self.floor) * share


class StepsSection(ScheduleSection):
    """A factor on the rate after each of some shares of the training (mmcv's step policy)."""

    steps: tuple[Share, ...]
    factor: Positive

    def decay(self, step: int) -> float:
        """Return factor to the power of the steps that were passed."""
        passed = sum(step >= round(share * self.iterations) for share in self.steps)
        return float(self.factor**passed)


class EvaluationSection(Section):
    """How often training evaluates; a task adds how."""

    every: Count


class Recipe(Section):
    """A resolved recipe: everything that defines a run except where it goes.

    Each task has a recipe of its own, with sections `model`, `augment`, `loss` and `evaluation`
    as that task needs them. size is None where the network has no TopFormer.
    """

    name: str
    size: SizeName | None
    preset: str
    task: Task
    dataset: str
    batch: Count
    seed: Annotated[int, Field(ge=0)] = 0
    device_batch: Count | Literal["auto"] = "auto"
    """Images that a device takes at once; a batch of more is accumulated. `auto`: all of them."""
    amp: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    ema: Rate = 0.0
    """Decay of the moving average of the weights, which is measured and kept then; 0 for none."""
    pixels: Literal["auto", "files", "memory", "device"] = "auto"
    """Where decoded images come from: decoded again each time, kept in memory that all processes
    share, or kept on the device, which augments them then. `auto`: the last that has room."""
    compile: Literal["auto", "off"] = "auto"
    """Whether CUDA runs a compiled network, and the step as one graph."""
    optimizer: OptimizerSection
    schedule: ScheduleSection
    evaluation: EvaluationSection

    @property
    @abstractmethod
    def head(self) -> str:
        """The head's name on the identity card."""

    @property
    def fuse(self) -> Fuse | None:
        """The fuse convolution of a segmentation head; None where there is none."""
        return None

    @property
    def design(self) -> Design:
        """What the network changes of the paper's own."""
        return OWN

    @property
    def backbone(self) -> str:
        """The backbone's name on the identity card."""
        return "topformer"

    @property
    def variant(self) -> str:
        """What tells the network from others of its task, as `ModelSpec.variant` does."""
        return self.size or self.backbone

    @property
    def run_name(self) -> str:
        """What its runs are called, as in `ade20k-tiny` or `coco-retinanet-mobilenetv3`."""
        return self.name if self.name == self.variant else f"{self.name}-{self.variant}"

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """What `auto` stands for, by dotted key, where it depends on the network."""
        return {}

    @property
    @abstractmethod
    def input_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the network's usual input."""

    @property
    def trained_on(self) -> str:
        """The size of training images, as in `crop 512x512`."""
        height, width = self.input_size
        return f"crop {height}x{width}"

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is allowed and hardly meant, with the remedy."""
        return (self.schedule.oddity,) if self.schedule.oddity else ()

    @property
    def needs_weights(self) -> str | None:
        """Why a run cannot begin from scratch, and what to do; None where it can."""
        return None

    def refuses(self, images: int) -> str | None:  # noqa: ARG002
        """Say why a device cannot take so many images at once, and what to do; None if it can."""
        return None

    @staticmethod
    def usual_size(values: Mapping[str, Any]) -> SizeName | None:  # noqa: ARG004
        """Return the size that is taken where none is asked for, None where there are no sizes."""
        return DEFAULT_SIZE

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:  # noqa: ARG004
        """Return what `auto` means, by dotted key, for images of a typical (height, width)."""
        return {}

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML that `load_resolved` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
