"""Recipes of segmentation."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from topformer_cli.errors import did_you_mean
from topformer_cli.models.baselines.table import BASELINES, Baseline
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
    DEFAULT_SIZE,
    AdamWOrSGDSection,
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

TOPFORMER: Final = "topformer"


class SegmentationModel(Section):
    """The network: TopFormer, or one of those that it is compared with.

    drop_path drops branches of blocks, where a network has such; dropout is before the last
    convolution; auxiliary weighs the loss of the head that mmsegmentation trains beside the own one
    of some networks, 0 for no such head. The rest is TopFormer's alone: fuse `auto` is the released
    form of each size; from tokens on it is what the paper's ablations change (Tables 2 to 8), its
    own network by default; width is M.
    """

    network: str = TOPFORMER
    drop_path: Rate
    dropout: Rate
    auxiliary: Annotated[float, Field(ge=0)] = 0.0
    head: Literal["simple", "concat"] = "simple"
    fuse: Literal["auto", "depthwise", "full"] = "auto"
    tokens: Tokens = "pyramid"
    extractor: Extractor = "sase"
    injected: Injected = "1/8"
    injection: Injection = "both"
    width: Literal["auto"] | Annotated[int, Field(ge=4, multiple_of=4)] = "auto"
    pooled_stride: PooledStride = 64

    @field_validator("network")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name != TOPFORMER and name not in BASELINES:
            known = (TOPFORMER, *BASELINES)
            close = did_you_mean(name, known).removeprefix("; ")
            message = f"{close} expected one of {', '.join(known)}".lstrip()
            raise ValueError(message)
        return name

    @field_validator("auxiliary")
    @classmethod
    def _beside_a_head(cls, weight: float, info: ValidationInfo) -> float:
        network = info.data.get("network", TOPFORMER)
        if weight and not _has_auxiliary(network):
            message = f"{network} has no such head; leave it out"
            raise ValueError(message)
        return weight

    @field_validator(
        "head", "tokens", "extractor", "injected", "injection", "width", "pooled_stride"
    )
    @classmethod
    def _of_topformer(cls, value: object, info: ValidationInfo) -> object:
        network = info.data.get("network", TOPFORMER)
        if network != TOPFORMER and value != cls.model_fields[str(info.field_name)].default:
            message = f"it is TopFormer's; {network} has its own parts, so leave it out"
            raise ValueError(message)
        return value

    @model_serializer(mode="wrap")
    def _what_the_network_has(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what only other networks have."""
        values: dict[str, Any] = whole(self)
        every = {"network", "drop_path", "dropout", "auxiliary"}
        has = {*values} if self.network == TOPFORMER else every
        if not _has_auxiliary(self.network):
            has -= {"auxiliary"}
        return {name: value for name, value in values.items() if name in has}

    @model_validator(mode="after")
    def _what_is_injected_is_extracted(self) -> Self:
        if self.extractor == "none" and (self.tokens, self.injection) != ("pyramid", "both"):
            message = (
                "model.extractor: none extracts nothing, so leave model.tokens and "
                "model.injection out"
            )
            raise ValueError(message)
        return self


def _has_auxiliary(network: str) -> bool:
    return network in BASELINES and BASELINES[network].auxiliary is not None


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
    model: SegmentationModel
    augment: SegmentationAugment
    optimizer: AdamWOrSGDSection
    schedule: PolySection
    loss: SegmentationLoss
    evaluation: SegmentationEvaluation

    @model_validator(mode="after")
    def _sizes_are_topformers(self) -> Self:
        if (self.size is None) != (self.baseline is not None):
            message = f"size {self.size or 'null'} does not go with network {self.model.network}"
            raise ValueError(message)
        return self

    @property
    def baseline(self) -> Baseline | None:
        """The row of the baselines' table; None for TopFormer."""
        return BASELINES.get(self.model.network)

    @property
    def head(self) -> str:
        """The head's name on the identity card."""
        return self.baseline.head if self.baseline else self.model.head

    @property
    def backbone(self) -> str:
        """The backbone's name on the identity card."""
        return self.baseline.encoder if self.baseline else super().backbone

    @property
    def variant(self) -> str:
        """The size, or the baseline's key."""
        return self.baseline.key if self.baseline else super().variant

    @property
    def fuse(self) -> Fuse | None:
        """The fuse convolution, with `auto` resolved by size; None where the head has none."""
        if self.size is None or self.head != "simple":
            return None
        return SIZES[self.size].fuse if self.model.fuse == "auto" else self.model.fuse

    @property
    def stands_for(self) -> Mapping[str, Any]:
        """The fuse convolution, and M."""
        if self.size is None:
            return {}
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
        return (
            None
            if width == "auto" or self.size is None or width == SIZES[self.size].width
            else width
        )

    @property
    def input_size(self) -> tuple[int, int]:
        """The training crop."""
        return self.augment.crop

    @staticmethod
    def usual_size(values: Mapping[str, Any]) -> SizeName | None:
        """Return the usual size of TopFormer, None for other networks."""
        model = values.get("model")
        network = model.get("network", TOPFORMER) if isinstance(model, dict) else TOPFORMER
        return None if network in BASELINES else DEFAULT_SIZE

    @staticmethod
    def auto_sizes(median_size: tuple[int, int]) -> Mapping[str, Any]:
        """Return crop and scale: a typical short side, at most 512 pixels."""
        short = min(min(median_size), 512)
        side = max(64, round(short / 32) * 32)
        scale = [4 * max(short, 32), max(short, 32)]
        return {"augment.crop": [side, side], "augment.scale": scale, "evaluation.scale": scale}
