"""The sizes of TopFormer as one table, and the identity card that travels with every model.

Plain frozen records: no torch, so that the command line and recipes can read them.
Source of the table: paper section 3.4 and Table 1; channel lists of the authors' configs.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, get_args

from topformer_cli.errors import DataError
from topformer_cli.models.baselines.files import CLASSIFIER_FILES
from topformer_cli.models.baselines.table import ENCODER_NAMES, Baseline, baseline_of
from topformer_cli.models.design import OWN, Design

SizeName = Literal["tiny", "small", "base"]
BackboneName = Literal["topformer", "shufflenetv2", "mobilenetv3"]
Fuse = Literal["depthwise", "full"]
Task = Literal["segmentation", "detection", "classification"]
Ending = Literal["logits", "full", "labels", "raw", "boxes"]
"""An exported network ends in logits at its own stride (the paper's latency), in logits at input
size, or in a label map at input size; a detector in the maps of its head, or in boxes."""

ENDINGS: Final[Mapping[Task, tuple[Ending, ...]]] = {
    "segmentation": ("logits", "full", "labels"),
    "detection": ("raw", "boxes"),
    "classification": (),
}
"""What a network of a task can end in, the usual first."""

EXPORTED: Final = tuple(task for task, endings in ENDINGS.items() if endings)
"""The tasks whose networks are exported and measured."""

InputType = Literal["float32", "uint8"]
"""An exported network takes normalised values, or RGB bytes that it normalises itself."""

Norm = Literal["frozen", "plain", "sync"]
"""A detector's batch normalisation in training: with the statistics it began with (scale and shift
still learn), with each device's own, or with those of all devices together."""

BACKBONES: Final[Mapping[str, str]] = {
    "topformer": "TopFormer",
    "shufflenetv2": "ShuffleNetV2",
    "mobilenetv3": "MobileNetV3",
}
"""Backbone of a detector -> what people call it; the networks are in `models.backbones`."""

_NAMES: Final[Mapping[str, str]] = {**ENCODER_NAMES, **BACKBONES}
"""Backbone of any network -> what people call it."""

IMAGENET_MEAN: Final = (123.675, 116.28, 103.53)
IMAGENET_STD: Final = (58.395, 57.12, 57.375)
"""Per RGB channel, on the 0..255 scale."""


SIMPLE: Final = "simple"
"""The paper's own segmentation head."""

UNKNOWN: Final = "unknown"
"""The data set of weights that do not say what they were trained on."""


def unnamed_classes(count: int) -> tuple[str, ...]:
    """Return what classes are called whose names are not known."""
    return tuple(f"class {index}" for index in range(count))


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """One MobileNetV2 block of the token pyramid module."""

    kernel: int
    expand: int
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Size:
    """One row of the size table.

    taps: indices of the bottlenecks whose outputs are the tokens at 1/4, 1/8, 1/16 and 1/32.
    heads: attention heads. width: M, the channels after semantics injection.
    fuse: the released form of the segmentation head's first convolution.
    """

    bottlenecks: tuple[Bottleneck, ...]
    taps: tuple[int, ...]
    heads: int
    width: int
    fuse: Fuse

    @property
    def token_channels(self) -> tuple[int, ...]:
        """Channels of the tokens, from the highest resolution to the lowest."""
        return tuple(self.bottlenecks[tap].channels for tap in self.taps)


STEM_CHANNELS: Final = 16
BLOCKS: Final = 4
KEY_DIM: Final = 16
VALUE_RATIO: Final = 2
FFN_RATIO: Final = 2
POOLED_STRIDE: Final = 64
"""L = 4 blocks, D = 16, values 2D, FFN expansion 2 (paper section 3.2), s64 (Table 8)."""


def _bottlenecks(*rows: tuple[int, int, int, int]) -> tuple[Bottleneck, ...]:
    return tuple(Bottleneck(*row) for row in rows)


SIZES: Final[dict[SizeName, Size]] = {
    "tiny": Size(
        _bottlenecks(
            (3, 1, 16, 1),
            (3, 4, 16, 2), (3, 3, 16, 1),
            (5, 3, 32, 2), (5, 3, 32, 1),
            (3, 3, 64, 2), (3, 3, 64, 1),
            (5, 6, 96, 2), (5, 6, 96, 1),
        ),
        taps=(2, 4, 6, 8), heads=4, width=128, fuse="depthwise",
    ),
    "small": Size(
        _bottlenecks(
            (3, 1, 16, 1),
            (3, 4, 24, 2), (3, 3, 24, 1),
            (5, 3, 48, 2), (5, 3, 48, 1),
            (3, 3, 96, 2), (3, 3, 96, 1),
            (5, 6, 128, 2), (5, 6, 128, 1), (3, 6, 128, 1),
        ),
        taps=(2, 4, 6, 9), heads=6, width=192, fuse="full",
    ),
    "base": Size(
        _bottlenecks(
            (3, 1, 16, 1),
            (3, 4, 32, 2), (3, 3, 32, 1),
            (5, 3, 64, 2), (5, 3, 64, 1),
            (3, 3, 128, 2), (3, 3, 128, 1),
            (5, 6, 160, 2), (5, 6, 160, 1), (3, 6, 160, 1),
        ),
        taps=(2, 4, 6, 9), heads=8, width=256, fuse="full",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The identity card of a model: with it, no later command asks again.

    It travels in the checkpoint, in the ONNX metadata and in the manifest beside a TNN file.
    input_size is (height, width) in pixels; mean and std are per RGB channel on the 0..255 scale;
    palette has one RGB colour a class; backbone is one of BACKBONES or, with a head of theirs, an
    encoder of the baselines, or, of a classifier, one of CLASSIFIER_FILES; fuse is None where the
    head has no such convolution, size where the backbone is not TopFormer; codes are the classes'
    names in the set's own files, such as COCO's category ids, or nothing; design says what an
    ablation changed.
    """

    task: Task = "segmentation"
    backbone: str = "topformer"
    size: SizeName | None
    head: str = SIMPLE
    fuse: Fuse | None
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    input_size: tuple[int, int]
    dataset: str
    data_terms: str = ""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    codes: tuple[str, ...] = ()
    design: Design = OWN

    @property
    def baseline(self) -> Baseline | None:
        """The row of the baselines' table; None for a network that is not of it."""
        return baseline_of(self.head, self.backbone) if self.task == "segmentation" else None

    @property
    def network(self) -> str:
        """What people call it, as in `TopFormer-tiny` or `RetinaNet with MobileNetV3`."""
        if self.baseline is not None:
            return self.baseline.name
        size = f"-{self.size}" if self.size else ""
        # A port is the same network, though it may pool otherwise.
        changed = [replace(self.design, pooling=OWN.pooling).changes]
        if self.task == "segmentation" and self.head != SIMPLE:
            changed.append(f"head {self.head}")
        ablated = ", ".join(filter(None, changed))
        other = f" ({ablated})" if ablated else ""
        backbone = f"{_NAMES[self.backbone]}{size}{other}"
        return f"RetinaNet with {backbone}" if self.task == "detection" else backbone

    @property
    def named(self) -> bool:
        """Whether it is known what the classes are; weights of others may not say."""
        return (self.dataset, self.classes) != (UNKNOWN, unnamed_classes(len(self.classes)))

    @property
    def variant(self) -> str:
        """What tells it from others of its task: size, another backbone, or key of a baseline."""
        return self.size or (self.baseline.key if self.baseline else self.backbone)

    @property
    def short_name(self) -> str:
        """What files are called after, as in `topformer-tiny` or `retinanet-mobilenetv3`."""
        kind = "topformer-" if self.size else "retinanet-" if self.task == "detection" else ""
        return f"{kind}{self.variant}"

    @property
    def topformer(self) -> Size:
        """The row of the size table; only of a network with TopFormer."""
        assert self.size is not None, f"{self.network} has no size"
        return SIZES[self.size]

    def begun_from(self, start: "ModelSpec") -> "ModelSpec":
        """Return the card of a network that began with another one's weights.

        The terms of the data behind those weights hold for it, too.
        """
        if not start.data_terms or start.data_terms in self.data_terms:
            return self
        begun = f"began with weights from {start.dataset}: {start.data_terms}"
        terms = f"{self.data_terms}; {begun}" if self.data_terms else begun
        return replace(self, data_terms=terms)

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any], where: str) -> "ModelSpec":
        """Read a card back.

        Raises:
            DataError: a field is missing, unknown, or names a size, backbone or task that this
                version does not know.
        """
        names = {field.name for field in fields(cls)}
        wrong = sorted(set(record) - names) + sorted(
            {"size", "fuse", "classes", "palette", "input_size", "dataset"} - set(record)
        )
        problems = [f"fields {', '.join(wrong)}"] if wrong else []
        backbone = record.get("backbone", "topformer")
        topformer = backbone == "topformer"
        for name, known in (
            ("task", get_args(Task)),
            ("backbone", _backbones(record)),
            ("size", tuple(SIZES) if topformer else (None,)),
        ):
            if name in record and record[name] not in known:
                problems.append(f"{name} {record[name]!r}")
        if problems:
            message = (
                f"{where}: the identity card does not fit this version ({'; '.join(problems)})"
            )
            raise DataError(message)
        values = {name: _as_tuple(value) for name, value in record.items()}
        values["design"] = Design.from_json(record.get("design", {}), where)
        return cls(**values)


def _backbones(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the backbones that a card may have, beside its head."""
    task = record.get("task", "segmentation")
    if task == "classification":
        return tuple({**BACKBONES, **CLASSIFIER_FILES})
    if task != "segmentation":
        return tuple(BACKBONES)
    head = str(record.get("head"))
    return ("topformer", *(name for name in ENCODER_NAMES if baseline_of(head, name)))


def _as_tuple(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value
