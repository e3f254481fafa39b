"""Tables 1, 9 and 10: TopFormer for segmentation, with its cost counted here.

The reasons are computed in tests/unit/api/test_paper_tables.py.
"""

from collections.abc import Mapping
from typing import Final

from torch import nn

from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PARTS, cost_by_part
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.results.paper_table import PaperTable, beside
from topformer_cli.results.printed import TABLE_1, TABLE_9, TABLE_10

SIDE_9: Final = 480
SIDE_10: Final = 512
"""Of the inputs that the paper's figures are for, in pixels."""

Reasons = Mapping[tuple[str, str], str]
"""(Key of a row, key of a column) -> why the figure here is another one."""

_COUNTER: Final = (
    "here convolutions and the products within attention are counted; mmcv's counter adds batch "
    "normalisation and activations and leaves those products out: by it "
)
_FEWER: Final = "with the statistics of batch normalisation, which are no parameters, 3.06"

REASONS_1: Final[Reasons] = {
    ("small-512", "gmadds"): f"{_COUNTER}S has 1.16",
    ("small-512", "mparams"): _FEWER,
}
_BY_COUNTER_9: Final = f"{_COUNTER}the backbones have 0.44, 0.80 and 1.25, the head of S 0.18"
REASONS_9: Final[Reasons] = {
    ("tiny", "backbone_gmadds"): _BY_COUNTER_9,
    ("small", "backbone_gmadds"): _BY_COUNTER_9,
    ("small", "head_gmadds"): _BY_COUNTER_9,
    ("base", "backbone_gmadds"): _BY_COUNTER_9,
}
_BY_COUNTER_10: Final = f"{_COUNTER}the backbones have 0.495, 0.89 and 1.38"
REASONS_10: Final[Reasons] = {
    ("tiny", "backbone_gmadds"): f"{_BY_COUNTER_10}, the first as if its digits were cut off",
    ("tiny", "head_gmadds"): "0.157, as if the paper's digits were cut off, not rounded",
    ("small", "backbone_gmadds"): _BY_COUNTER_10,
    ("base", "backbone_gmadds"): _BY_COUNTER_10,
}

_G: Final = "G: 10^9 multiply-adds, up to logits at 1/8"
_FUSE: Final = (
    "the head's first convolution is full in all sizes, which the paper's figures for T need; the "
    "authors released T with a depthwise one, as the preset `code` has it: 16 256 parameters fewer"
)
_BACKBONE: Final = "backbone: token pyramid, semantics extractor and injection"


def table_1() -> PaperTable:
    """Count the networks of Table 1."""
    here = {
        row.key: _whole(_network(row.variant, "ade20k", row.side), row.side)
        for row in TABLE_1.rows
        if row.variant
    }
    notes = (f"M: 10^6 parameters; {_G}", _FUSE)
    return beside(TABLE_1, here, REASONS_1, notes)


def table_9() -> PaperTable:
    """Count the networks of Table 9."""
    here = {str(size): _split(_network(size, "pascal-context", SIDE_9), SIDE_9) for size in SIZES}
    counted = f"{_G} of an image of {SIDE_9}x{SIDE_9}, with 60 classes"
    return beside(TABLE_9, here, REASONS_9, (counted, _BACKBONE, _FUSE))


def table_10() -> PaperTable:
    """Count the networks of Table 10."""
    here = {str(size): _split(_network(size, "coco-stuff-10k", SIDE_10), SIDE_10) for size in SIZES}
    counted = f"{_G} of an image of {SIDE_10}x{SIDE_10}, with 171 classes"
    return beside(TABLE_10, here, REASONS_10, (counted, _BACKBONE, _FUSE))


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


def _whole(network: nn.Module, side: int) -> dict[str, float]:
    whole = cost_by_part(network, side, side)[-1]
    return {"mparams": whole.parameters / 1e6, "gmadds": whole.multiply_adds / 1e9}


def _split(network: nn.Module, side: int) -> dict[str, float]:
    *parts, _ = cost_by_part(network, side, side)
    head = sum(part.multiply_adds for part in parts if part.part == PARTS["head"])
    backbone = sum(part.multiply_adds for part in parts) - head
    return {"backbone_gmadds": backbone / 1e9, "head_gmadds": head / 1e9}
