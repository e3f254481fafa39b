"""Table 11: RetinaNet by backbone, with its cost counted here.

The reasons are computed in tests/unit/api/test_paper_tables.py.
"""

from collections.abc import Mapping
from typing import Any, Final

from torch import nn

from topformer_cli.api.paper_tables.counting import MMCV
from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PARTS, cost_by_part, total
from topformer_cli.models.spec import BACKBONES, SIZES, ModelSpec
from topformer_cli.results.paper_table import Count, PaperTable, beside
from topformer_cli.results.printed import TABLE_11

INPUT: Final = (800, 1333)
"""(height, width) that the paper's figures are for."""
PADDED: Final = (800, 1344)

_AFTER_BACKBONE: Final = (PARTS["neck"], PARTS["head"])
_P6: Final = (
    "here P6 comes from the backbone's last map, as in mmdetection's configuration; with P6 from "
    "P5, 256 channels wide, they are the paper's 10.4 and 12.3"
)
_CUT: Final = "as if the paper's digits were cut off, not rounded"
_TINY: Final = "not known why; the semantics extractor alone has 1.04"
_TINY_G: Final = "2.03; not known why"
_BASE: Final = (
    "with 128 channels after the injection, as T has, instead of B's 256 they are the paper's 163, "
    "4.8 and 14.0, and 5.4"
)
REASONS: Final[Mapping[tuple[str, str], str]] = {
    ("shufflenetv2", "backbone_gmadds"): _CUT,
    ("shufflenetv2", "overall_mparams"): _P6,
    ("mobilenetv3", "overall_mparams"): _P6,
    ("tiny", "backbone_gmadds"): _TINY_G,
    ("tiny", "backbone_mparams"): _TINY,
    ("tiny", "overall_mparams"): _CUT,
    ("small", "backbone_mparams"): _CUT,
    ("small", "overall_mparams"): _CUT,
    **{("base", column.key): _BASE for column in TABLE_11.columns if column.key != "ap"},
}
"""(Row, column) -> why the figure here is another one."""

NOTES: Final = (
    f"G: multiply-adds of an image of {INPUT[0]}x{INPUT[1]}, the size that the paper's figures "
    f"fit; the network takes it padded to {PADDED[0]}x{PADDED[1]}, at 0.4 % more",
    MMCV,
    "M: parameters; backbone: all but feature pyramid and head, so of TopFormer token pyramid, "
    "semantics extractor and injection",
    "the rows of ShuffleNetV2 and MobileNetV3 are Mobile-Former's, from which the paper took them",
)


def table() -> PaperTable:
    """Count the detectors of Table 11."""
    here = {row.variant: count(build_model(detector_card(row.variant))) for row in TABLE_11.rows}
    return beside(TABLE_11, here, REASONS, NOTES)


def detector_card(variant: str) -> ModelSpec:
    """Return the card of a RetinaNet for COCO by the size of TopFormer or another backbone."""
    coco = DATASETS["coco"]
    # The variants of the table are sizes and backbones: a test holds them together.
    size: Any = variant if variant in SIZES else None
    backbone: Any = variant if variant in BACKBONES else "topformer"
    return ModelSpec(
        task="detection", backbone=backbone, size=size, head="retinanet", fuse=None,
        classes=coco.classes, palette=coco.palette, input_size=PADDED, dataset=coco.name,
    )  # fmt: skip


def count(network: nn.Module) -> Count:
    """Return the cost of a RetinaNet by the key of a column."""
    *parts, whole = cost_by_part(network, *INPUT)
    backbone = total([part for part in parts if part.part not in _AFTER_BACKBONE])
    here = {
        "backbone_gmadds": backbone.by_mmcv / 1e9,
        "overall_gmadds": whole.by_mmcv / 1e9,
        "backbone_mparams": backbone.parameters / 1e6,
        "overall_mparams": whole.parameters / 1e6,
    }
    strict = {
        "backbone_gmadds": backbone.multiply_adds / 1e9,
        "overall_gmadds": whole.multiply_adds / 1e9,
    }
    return Count(here, strict)
