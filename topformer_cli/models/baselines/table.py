"""The networks that TopFormer is compared with, as one table; a new one is a row here.

Those of the paper's Table 1 first, then its successors, which are in no table of the paper.

Plain frozen records: no torch, so that the command line and recipes can read them. Encoders are in
`encoders`, heads in `heads`; widths are mmsegmentation's, except those of R-ASPP and of Lite-ASPP
with MobileNetV2, which it has not: there MobileNetV2's paper and its own for ResNet18 are followed.
The successors are by their authors' code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ENCODER_NAMES: Final[Mapping[str, str]] = {
    "mobilenetv2": "MobileNetV2",
    "mobilenetv3-large": "MobileNetV3-Large",
    "mobilenetv3-large-reduced": "MobileNetV3-Large-reduce",
    "efficientnet": "EfficientNet",
    "shufflenetv2-x1.5": "ShuffleNetV2-1.5x",
    "resnet18": "ResNet18",
    "hrnet-w18-small": "HRNet-W18-Small",
    "mit-b0": "MiT-B0",
    "seaformer-tiny": "SeaFormer-Tiny",
    "seaformer-small": "SeaFormer-Small",
    "seaformer-base": "SeaFormer-Base",
    "seaformer-large": "SeaFormer-Large",
    "strideformer-tiny": "StrideFormer-Tiny",
    "strideformer-base": "StrideFormer-Base",
}
"""Encoder -> what people call it."""

HEAD_NAMES: Final[Mapping[str, str]] = {
    "lraspp": "LR-ASPP",
    "raspp": "R-ASPP",
    "liteaspp": "Lite-ASPP",
    "deeplabv3plus": "DeepLabV3+",
    "pspnet": "PSPNet",
    "fcn8s": "FCN-8s",
    "fcn": "FCN",
    "segformer": "SegFormer",
    "light": "Light head",
}
"""Head -> what people call it."""

Rule = Literal["strict", "mmcv"]
"""How the printed multiply-adds come out: convolutions and matrix products alone, or as mmcv's
counter has it, with batch normalisation, activations and pooling."""

Unit = Literal["parameters", "values"]
"""What the printed M are: 10^6 parameters, or 2^20 values of the weights' file, with the statistics
of batch normalisation."""

TABLE_1: Final = "paper Table 1"
"""Where the figures of the paper's own comparison are printed."""

_PADDLE: Final = "PaddlePaddle/PaddleSeg, configs/pp_mobileseg/README.md"
_SEAFORMER: Final = "fudan-zvg/SeaFormer, seaformer-seg/README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One network.

    stride: of the encoder's last map. width, low: channels the head works with, and those that
    DeepLab's fine map is reduced to. printed: parameters (10^6) and multiply-adds (10^9, None where
    nobody prints them), as source has them. unit: of the former. rule: by which it counted the
    latter. auxiliary: channels and width of the head that mmsegmentation trains beside, which the
    paper's parameters include and this network has in training alone. edited: the paper measured
    the latency of a graph edited by hand (hustvl/TopFormer, issue 25). library: what its encoder is
    of, or needs beside what is here; all but torchvision need the extra `[baselines]`. called: its
    own name, where it is not named after head and encoder.
    """

    head: str
    encoder: str
    stride: int
    width: int
    low: int = 0
    printed: tuple[float, float | None]
    source: str = TABLE_1
    unit: Unit = "parameters"
    rule: Rule = "mmcv"
    auxiliary: tuple[int, int] | None = None
    edited: bool = False
    library: str = "torchvision"
    called: str = ""

    @property
    def key(self) -> str:
        """What it is called in recipes and file names, as in `lraspp-mobilenetv3-large`."""
        return self.called.lower() or f"{self.head}-{self.encoder}"

    @property
    def name(self) -> str:
        """What people call it, as in `LR-ASPP with MobileNetV3-Large` or `SeaFormer-Tiny`."""
        return self.called or f"{HEAD_NAMES[self.head]} with {ENCODER_NAMES[self.encoder]}"

    @property
    def of_paper(self) -> bool:
        """Whether it is of the paper's Table 1; no figure of another is ever the paper's."""
        return self.source == TABLE_1

    @property
    def quoted(self) -> str:
        """The printed figures in words, with the place where they are."""
        parameters, multiply_adds = self.printed
        unit = "M parameters" if self.unit == "parameters" else "times 2^20 values in its file"
        counted = f", {multiply_adds} G multiply-adds at 512x512" if multiply_adds else ""
        return f"{parameters} {unit}{counted} with 150 classes ({self.source})"


def _seaformer(size: str, width: int, printed: tuple[float, float]) -> Baseline:
    return Baseline(
        head="light", encoder=f"seaformer-{size}", stride=64, width=width, printed=printed,
        source=_SEAFORMER, called=f"SeaFormer-{size.capitalize()}",
    )  # fmt: skip


def _mobileseg(size: str, parameters: float) -> Baseline:
    """Return a row by its README's table of comparison.

    By the unit of that table's 1.61 of SeaFormer-Tiny; the table above it has the same 1.61 for
    PP-MobileSeg-Tiny. Not known why base has 5.72 here.
    """
    return Baseline(
        head="light", encoder=f"strideformer-{size}", stride=32, width=256,
        printed=(parameters, None), source=_PADDLE, unit="values",
        called=f"PP-MobileSeg-{size.capitalize()}",
    )  # fmt: skip


_ROWS: Final = (
    Baseline(
        head="lraspp", encoder="mobilenetv3-large", stride=16, width=128,
        printed=(3.2, 2.0), rule="strict",
    ),
    Baseline(
        head="lraspp", encoder="mobilenetv3-large-reduced", stride=16, width=128,
        printed=(1.6, 1.3), rule="strict",
    ),
    Baseline(
        head="segformer", encoder="mit-b0", stride=32, width=256,
        printed=(3.8, 8.4), rule="strict", edited=True, library="transformers",
    ),
    Baseline(
        head="raspp", encoder="mobilenetv2", stride=16, width=256,
        printed=(2.2, 2.8), auxiliary=(96, 64),
    ),
    Baseline(
        head="liteaspp", encoder="mobilenetv2", stride=16, width=128, low=12,
        printed=(2.9, 4.4), auxiliary=(96, 64),
    ),
    Baseline(
        head="liteaspp", encoder="resnet18", stride=16, width=128, low=12,
        printed=(12.5, 19.2), auxiliary=(256, 64),
    ),
    Baseline(
        head="deeplabv3plus", encoder="mobilenetv2", stride=16, width=512, low=48,
        printed=(15.4, 25.8), auxiliary=(96, 256),
    ),
    Baseline(
        head="deeplabv3plus", encoder="efficientnet", stride=16, width=512, low=48,
        printed=(17.1, 26.9), auxiliary=(112, 256),
    ),
    Baseline(
        head="deeplabv3plus", encoder="shufflenetv2-x1.5", stride=32, width=512, low=48,
        printed=(16.9, 15.3), auxiliary=(352, 256),
    ),
    Baseline(
        head="pspnet", encoder="mobilenetv2", stride=8, width=512,
        printed=(13.7, 52.2), auxiliary=(96, 256),
    ),
    Baseline(
        head="fcn8s", encoder="mobilenetv2", stride=8, width=512,
        printed=(9.8, 39.6), auxiliary=(96, 256),
    ),
    Baseline(
        head="fcn", encoder="hrnet-w18-small", stride=32, width=270,
        printed=(4.0, 10.2), rule="strict", library="timm",
    ),
    _seaformer("tiny", 96, (1.7, 0.6)),
    _seaformer("small", 128, (4.0, 1.1)),
    _seaformer("base", 160, (8.6, 1.8)),
    _seaformer("large", 192, (14.0, 6.5)),
    _mobileseg("tiny", 1.44),
    _mobileseg("base", 5.62),
)  # fmt: skip

BASELINES: Final[Mapping[str, Baseline]] = {row.key: row for row in _ROWS}
"""Key -> the network; all agree with the printed figures within 2 %, which a test computes."""

NOT_BUILT: Final[Mapping[str, str]] = {
    "HR-NAS-A": "found by a search: no library has it",
    "HR-NAS-B": "found by a search: no library has it",
    "Semantic FPN with ConvMLP-S": "torchvision, timm and transformers have no ConvMLP",
}
"""A network of Table 1 -> why it is not here."""


def baseline_of(head: str, encoder: str) -> Baseline | None:
    """Return the row of a head on an encoder, None where the table has none."""
    fitting = (row for row in BASELINES.values() if (row.head, row.encoder) == (head, encoder))
    return next(fitting, None)
