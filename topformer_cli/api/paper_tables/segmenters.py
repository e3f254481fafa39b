"""Tables 1, 9 and 10: TopFormer for segmentation, with its cost counted here.

The reasons are computed in tests/unit/api/test_paper_tables.py.
"""

from collections.abc import Mapping
from typing import Final

from torch import nn

from topformer_cli.api.paper_tables.counting import MMCV, WITH_PRODUCTS
from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PARTS, cost_by_part, total
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.results.paper_table import Count, PaperTable, beside
from topformer_cli.results.printed import TABLE_1, TABLE_9, TABLE_10

SIDE_9: Final = 480
SIDE_10: Final = 512
"""Of the inputs that the paper's figures are for, in pixels."""

Reasons = Mapping[tuple[str, str], str]
"""(Key of a row, key of a column) -> why the figure here is another one."""

REASONS_1: Final[Reasons] = {
    ("small-512", "mparams"): (
        "with the statistics of batch normalisation, which are no parameters, 3.06"
    ),
}
_CUT: Final = "as if the paper's digits were cut off, not rounded; here"
REASONS_9: Final[Reasons] = {}
REASONS_10: Final[Reasons] = {
    ("tiny", "backbone_gmadds"): f"{_CUT} 0.495",
    ("tiny", "head_gmadds"): f"{_CUT} 0.159",
}

_G: Final = "G: 10^9 multiply-adds, up to logits at 1/8"
_FUSE: Final = (
    "the head's first convolution is full in all sizes, which the paper's figures for T need; the "
    "authors released T with a depthwise one, as the preset `code` has it: 16 256 parameters fewer"
)
_BACKBONE: Final = "backbone: token pyramid, semantics extractor and injection"


def table_1() -> PaperTable:
    """Count the networks of Table 1."""
    counts = {
        row.key: whole(_network(row.variant, "ade20k", row.side), row.side)
        for row in TABLE_1.rows
        if row.variant
    }
    notes = (f"M: 10^6 parameters; {_G}", WITH_PRODUCTS, _FUSE)
    return beside(TABLE_1, counts, REASONS_1, notes)


def table_9() -> PaperTable:
    """Count the networks of Table 9."""
    counts = {str(size): _split(_network(size, "pascal-context", SIDE_9), SIDE_9) for size in SIZES}
    counted = f"{_G} of an image of {SIDE_9}x{SIDE_9}, with 60 classes"
    return beside(TABLE_9, counts, REASONS_9, (counted, MMCV, _BACKBONE, _FUSE))


def table_10() -> PaperTable:
    """Count the networks of Table 10."""
    counts = {
        str(size): _split(_network(size, "coco-stuff-10k", SIDE_10), SIDE_10) for size in SIZES
    }
    counted = f"{_G} of an image of {SIDE_10}x{SIDE_10}, with 171 classes"
    return beside(TABLE_10, counts, REASONS_10, (counted, MMCV, _BACKBONE, _FUSE))


def segmenter_card(size: SizeName, dataset: str, side: int) -> ModelSpec:
    """Return the card of the paper's network for a published set."""
    known = DATASETS[dataset]
    return ModelSpec(
        size=size, fuse="full", classes=known.classes, palette=known.palette,
        input_size=(side, side), dataset=known.name,
    )  # fmt: skip


def _network(variant: str, dataset: str, side: int) -> nn.Module:
    # The variants of these tables are sizes: a test holds them together.
    size: SizeName = variant  # type: ignore[assignment]
    return build_model(segmenter_card(size, dataset, side))


def whole(network: nn.Module, side: int) -> Count:
    """Count a network, with the products within attention, for a square image."""
    cost = cost_by_part(network, side, side)[-1]
    here = {"mparams": cost.parameters / 1e6, "gmadds": cost.paper_multiply_adds / 1e9}
    return Count(here, {"gmadds": cost.multiply_adds / 1e9})


def _split(network: nn.Module, side: int) -> Count:
    *parts, _ = cost_by_part(network, side, side)
    (head,) = (part for part in parts if part.part == PARTS["head"])
    backbone = total([part for part in parts if part is not head])
    return Count(
        {"backbone_gmadds": backbone.by_mmcv / 1e9, "head_gmadds": head.by_mmcv / 1e9},
        {"backbone_gmadds": backbone.multiply_adds / 1e9, "head_gmadds": head.multiply_adds / 1e9},
    )
