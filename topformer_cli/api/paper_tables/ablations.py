"""Tables 2 to 8: the paper's ablations, each the network of a recipe, with its cost counted here.

The reasons are computed in tests/unit/api/test_ablation_tables.py.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from topformer_cli.api.paper_tables.counting import MMCV, WITH_PRODUCTS
from topformer_cli.api.paper_tables.segmenters import Reasons, segmenter_card
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.spec import ModelSpec, SizeName
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results.paper_table import Count, PaperTable, beside
from topformer_cli.results.printed_ablations import ABLATIONS

SIDE: Final = 512
"""Of the input that the paper's figures are for, in pixels."""

OF_TINY: Final = (4,)
"""The tables whose networks are tiny; the others' are base."""

WITHOUT_PRODUCTS: Final = (4,)
"""The tables whose figures leave out the products within attention."""

_UNKNOWN: Final = "not known why; "
_BRANCHES: Final = "one branch of 1x1 convolutions has 0.006; without both it would be 1.808"
_HEADS: Final = f"{_UNKNOWN}both other heads are 0.007 below the paper's"
REASONS: Final[Mapping[int, Reasons]] = {
    2: {
        ("table2-last-token", "mparams"): (
            "with the statistics of batch normalisation, which are no parameters, 5.16"
        )
    },
    3: {
        ("table3-from-quarter", "gmadds"): (
            f"{_UNKNOWN}the maps at 1/4 have 16 times the positions of those at 1/16"
        ),
        ("table3-from-sixteenth", "gmadds"): f"{_UNKNOWN}by the strict count 1.36",
    },
    4: {
        ("table4-ffn", "mmadds"): (
            "the paper does not say how many feed-forward networks there are; six, as here, have "
            "the parameters of the four blocks"
        )
    },
    5: {
        ("table5-attention", "gmadds"): f"{_UNKNOWN}{_BRANCHES}",
        ("table5-semantics", "gmadds"): f"{_UNKNOWN}{_BRANCHES}",
    },
    6: {("table6-concat", "mparams"): _HEADS, ("table6-sum", "mparams"): _HEADS},
}
"""Table -> (row, column) -> why the figure here is another one."""

LEGEND: Final[Mapping[str, str]] = {
    "mparams": "M: 10^6 parameters",
    "gmadds": "G: 10^9 multiply-adds",
    "mmadds": "10^6: multiply-adds",
}
"""Key of a column whose title does not say what is counted -> what it is."""

_WIDTHS: Final = (
    "the paper does not print the widths of PSP and ASPP: here they are 108 and 125, with which "
    "its figures come out"
)


def table(number: int) -> PaperTable:
    """Count the networks of a table of ablations."""
    printed = ABLATIONS[number]
    size: SizeName = "tiny" if number in OF_TINY else "base"
    counts = {row.key: count(number, ablation_card(row.variant, size)) for row in printed.rows}
    rule = MMCV if number in WITHOUT_PRODUCTS else WITH_PRODUCTS
    keys = [column.key for column in printed.columns]
    network = f"TopFormer-{size[0].upper()} with 150 classes at {SIDE}x{SIDE}"
    notes = (
        "; ".join((network, *(LEGEND[key] for key in keys if key in LEGEND))),
        *((rule,) if any("madds" in key for key in keys) else ()),
        *((_WIDTHS,) if number == 4 else ()),
    )
    return beside(printed, counts, REASONS.get(number, {}), notes)


def ablation_card(recipe: str, size: SizeName) -> ModelSpec:
    """Return the card of the network that a recipe of an ablation trains, as the paper has it."""
    loaded = load_recipe(recipe, Choices(size, "paper"))
    return replace(
        segmenter_card(size, loaded.dataset, SIDE),
        head=loaded.head,
        fuse=loaded.fuse,
        design=loaded.design,
    )


def count(number: int, card: ModelSpec) -> Count:
    """Count a network by the rule of a table; keys of columns that it has not are no harm."""
    cost = cost_by_part(build_model(card), SIDE, SIDE)[-1]
    by_rule = cost.by_mmcv if number in WITHOUT_PRODUCTS else cost.paper_multiply_adds
    return Count(
        {"mparams": cost.parameters / 1e6, **_operations(by_rule)}, _operations(cost.multiply_adds)
    )


def _operations(multiply_adds: int) -> dict[str, float]:
    return {"gmadds": multiply_adds / 1e9, "mmadds": multiply_adds / 1e6}
