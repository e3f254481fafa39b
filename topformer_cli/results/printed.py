"""The tables of the paper that have a row of ours, as they are printed.

Source: paper Tables 1, 9, 10 and 11 with their captions, sections 4.1 and 4.2.
"""

from collections.abc import Mapping
from typing import Final

from topformer_cli.results.paper_table import Column, PrintedRow, PrintedTable
from topformer_cli.results.published import PUBLISHED

NAMES: Final = {"tiny": "TopFormer-T", "small": "TopFormer-S", "base": "TopFormer-B"}
"""Size -> what the paper calls it."""

LATENCY: Final = "latency_ms"
"""The key of the column of latencies."""

LATENCY_SAYS: Final = (
    "one ARM core of a Snapdragon 865, one thread, TNN, full precision; "
    "not said: which core, ABI, runs, temperature"
)


def _score(place: str, dataset: str, size: str) -> float:
    source = f"paper {place}"
    (value,) = (
        one.value
        for one in PUBLISHED
        if (one.source, one.dataset, one.size) == (source, dataset, size)
    )
    return value


def _own_1(size: str, side: int, mparams: float, gmadds: float, ms: float) -> PrintedRow:
    place = "Table 1" if side == 512 else f"Table 1 at {side}"
    figures = (mparams, gmadds, _score(place, "ade20k", size), ms)
    return PrintedRow(NAMES[size], size, figures, side=side)


def _other(network: str, encoder: str, *figures: float | None) -> PrintedRow:
    return PrintedRow(network, "", figures, encoder)


def _here(variant: str, network: str, encoder: str, *figures: float | None) -> PrintedRow:
    """Return a row of a baseline by its key here."""
    return PrintedRow(network, variant, figures, encoder)


def _edited(variant: str, network: str, encoder: str, *figures: float | None) -> PrintedRow:
    """Return a row whose latency is of a graph edited by hand."""
    return PrintedRow(network, variant, figures, encoder, starred=(LATENCY,))


TABLE_1: Final = PrintedTable(
    number=1,
    caption="ADE20K val",
    columns=(
        Column("mparams", "M", 1),
        Column("gmadds", "G", 1),
        Column("miou", "mIoU", 1),
        Column(LATENCY, "latency ms", 0),
    ),
    rows=(
        _here("fcn8s-mobilenetv2", "FCN-8s", "MobileNetV2", 9.8, 39.6, 19.7, 1015),
        _here("pspnet-mobilenetv2", "PSPNet", "MobileNetV2", 13.7, 52.2, 29.6, 1065),
        _here("deeplabv3plus-mobilenetv2", "DeepLabV3+", "MobileNetV2", 15.4, 25.8, 38.1, 1035),
        _here("deeplabv3plus-efficientnet", "DeepLabV3+", "EfficientNet", 17.1, 26.9, 36.2, 970),
        _here(
            "deeplabv3plus-shufflenetv2-x1.5",
            "DeepLabV3+",
            "ShuffleNetV2-1.5x",
            16.9,
            15.3,
            37.6,
            960,
        ),
        _here("liteaspp-resnet18", "Lite-ASPP", "ResNet18", 12.5, 19.2, 37.5, 648),
        _here("liteaspp-mobilenetv2", "Lite-ASPP", "MobileNetV2", 2.9, 4.4, 36.6, 235),
        _here("raspp-mobilenetv2", "R-ASPP", "MobileNetV2", 2.2, 2.8, 32.0, 177),
        _here("lraspp-mobilenetv3-large", "LR-ASPP", "MobileNetV3-Large", 3.2, 2.0, 33.1, 126),
        _here(
            "lraspp-mobilenetv3-large-reduced",
            "LR-ASPP",
            "MobileNetV3-Large-reduce",
            1.6,
            1.3,
            32.3,
            81,
        ),
        _here("fcn-hrnet-w18-small", "HRNet-W18-Small", "", 4.0, 10.2, 33.4, 639),
        _other("HR-NAS-A", "", 2.5, 1.4, 33.2, None),
        _other("HR-NAS-B", "", 3.9, 2.2, 34.9, None),
        _edited("segformer-mit-b0", "Segformer", "MiT-B0", 3.8, 8.4, 37.4, 770),
        _edited("", "Semantic FPN", "ConvMLP-S", 12.8, 33.8, 35.8, 777),
        _own_1("tiny", 448, 1.4, 0.5, 32),
        _own_1("tiny", 512, 1.4, 0.6, 43),
        _own_1("small", 512, 3.1, 1.2, 74),
        _own_1("base", 512, 5.1, 1.8, 110),
    ),
    conditions=(
        "mIoU at a single scale; trained at batch 16, the CNNs at 32; G and latency at an input of "
        f"512x512, of 448x448 in the first row of TopFormer-T. Latency: {LATENCY_SAYS}"
    ),
    scores={"ade20k": "miou"},
    star=(
        "of a graph edited by hand: the authors put operators of like cost where TNN lacks one "
        "(hustvl/TopFormer, issue 25)"
    ),
)
"""G: what the paper calls FLOPs, 10^9 multiply-adds; M: 10^6 parameters."""


def _own_9(size: str, backbone: float, head: float) -> PrintedRow:
    scores = (_score("Table 9", f"pascal-context{rest}", size) for rest in ("", "-59"))
    return PrintedRow(NAMES[size], size, (backbone, head, *scores))


TABLE_9: Final = PrintedTable(
    number=9,
    caption="PASCAL Context test (here: val)",
    columns=(
        Column("backbone_gmadds", "backbone G", 2),
        Column("head_gmadds", "head G", 2),
        Column("miou60", "mIoU of 60", 2),
        Column("miou59", "mIoU of 59", 2),
    ),
    rows=(
        _here(
            "deeplabv3plus-mobilenetv2", "DeepLabV3+", "MobileNetV2-s16", 2.46, 19.78, 38.59, 42.34
        ),
        _here(
            "deeplabv3plus-efficientnet",
            "DeepLabV3+",
            "EfficientNet-s16",
            3.22,
            19.78,
            39.19,
            43.07,
        ),
        _other("LR-ASPP", "MobileNetV3-s16", 1.67, 0.37, 35.05, 38.02),
        _own_9("tiny", 0.44, 0.09),
        _own_9("small", 0.80, 0.18),
        _own_9("base", 1.25, 0.29),
    ),
    conditions=(
        "mIoU over 60 classes with the background, and over 59 without; pictures resized to "
        "480x480, single scale; trained for 80 000 iterations"
    ),
    scores={"pascal-context": "miou60", "pascal-context-59": "miou59"},
)


def _own_10(size: str, backbone: float, head: float) -> PrintedRow:
    score = _score("Table 10", "coco-stuff-10k", size)
    return PrintedRow(NAMES[size], size, (backbone, head, score))


TABLE_10: Final = PrintedTable(
    number=10,
    caption="COCO-Stuff test, 9000 + 1000 pictures (here: coco-stuff-10k val)",
    columns=(
        Column("backbone_gmadds", "backbone G", 2),
        Column("head_gmadds", "head G", 2),
        Column("miou", "mIoU", 2),
    ),
    rows=(
        _here("pspnet-mobilenetv2", "PSPNet", "MobileNetV2-s8", 7.84, 45.10, 30.14),
        _here("deeplabv3plus-mobilenetv2", "DeepLabV3+", "MobileNetV2-s16", 2.46, 23.44, 29.88),
        _here("deeplabv3plus-efficientnet", "DeepLabV3+", "EfficientNet-s16", 3.66, 23.44, 31.45),
        _other("LR-ASPP", "MobileNetV3-s16", 1.89, 0.48, 25.16),
        _own_10("tiny", 0.49, 0.15),
        _own_10("small", 0.89, 0.29),
        _own_10("base", 1.38, 0.45),
    ),
    conditions="short side at 512, single scale; trained for 80 000 iterations",
    scores={"coco-stuff-10k": "miou"},
)


def _detector(network: str, variant: str, *costs: float) -> PrintedRow:
    return PrintedRow(network, variant, (_score("Table 11", "coco", variant), *costs))


TABLE_11: Final = PrintedTable(
    number=11,
    caption="COCO object detection based on RetinaNet",
    columns=(
        Column("ap", "AP", 1),
        Column("backbone_gmadds", "backbone G", 1),
        Column("overall_gmadds", "all G", 0),
        Column("backbone_mparams", "backbone M", 1),
        Column("overall_mparams", "all M", 1),
    ),
    rows=(
        _detector("ShuffleNetV2", "shufflenetv2", 2.6, 161, 0.8, 10.4),
        _detector("TopFormer-T", "tiny", 2.1, 160, 1.0, 10.5),
        _detector("MobileNetV3", "mobilenetv3", 4.7, 162, 2.8, 12.3),
        _detector("TopFormer-S", "small", 3.7, 162, 2.9, 12.3),
        _detector("TopFormer-B", "base", 5.5, 163, 4.8, 14.0),
    ),
    conditions="trained on train2017, AP on val2017",
    scores={"coco": "ap"},
)

PRINTED: Final[Mapping[int, PrintedTable]] = {
    table.number: table for table in (TABLE_1, TABLE_9, TABLE_10, TABLE_11)
}
