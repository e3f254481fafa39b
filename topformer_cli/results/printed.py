"""The tables of the paper that are not scores alone, as they are printed."""

from typing import Final

from topformer_cli.results.paper_table import Column, PrintedRow, PrintedTable
from topformer_cli.results.published import published


def _detector(network: str, variant: str, *costs: float) -> PrintedRow:
    (score,) = published("detection", "coco", variant)
    return PrintedRow(network, variant, (score.value, *costs))


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
)
"""G: what the paper calls FLOPs, 10^9 multiply-adds; M: 10^6 parameters."""
