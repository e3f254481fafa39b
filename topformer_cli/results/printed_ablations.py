"""The tables of the paper's ablations, as they are printed; a row's variant is the recipe of it.

Source: paper Tables 2 to 8 and section 4.1.4.
"""

from collections.abc import Mapping
from typing import Final

from topformer_cli.results.paper_table import Column, PrintedRow, PrintedTable

OWN: Final = "ade20k"
"""The recipe of the paper's own network."""

_MIOU: Final = Column("miou", "mIoU", 1)
_MPARAMS: Final = Column("mparams", "M", 1)

TABLE_2: Final = PrintedTable(
    number=2,
    caption="Token Pyramid as input",
    columns=(Column("top1", "top-1", 1), _MIOU, _MPARAMS),
    rows=(
        PrintedRow("Token Pyramid", OWN, (75.3, 37.8, 5.1)),
        PrintedRow("Token of the last scale", "table2-last-token", (74.8, 36.6, 5.2)),
    ),
)

TABLE_3: Final = PrintedTable(
    number=3,
    caption="Token Pyramid as output",
    columns=(_MIOU, _MPARAMS, Column("gmadds", "G", 2)),
    rows=(
        PrintedRow("1/4, 1/8, 1/16, 1/32", "table3-from-quarter", (38.3, 5.1, 3.32)),
        PrintedRow("1/8, 1/16, 1/32", OWN, (37.8, 5.1, 1.82)),
        PrintedRow("1/16, 1/32", "table3-from-sixteenth", (36.4, 5.0, 1.41)),
    ),
)

TABLE_4: Final = PrintedTable(
    number=4,
    caption="Scale-aware Semantics Extractor, in TopFormer-T",
    columns=(_MPARAMS, Column("mmadds", "10^6", 0), _MIOU),
    rows=(
        PrintedRow("Baseline", "table4-none", (0.3, 573, 22.5)),
        PrintedRow("+SASE", OWN, (1.4, 643, 32.8)),
        PrintedRow("+FFNs", "table4-ffn", (1.4, 642, 30.4)),
        PrintedRow("+PSP", "table4-psp", (1.7, 654, 27.4)),
        PrintedRow("+ASPP", "table4-aspp", (2.3, 698, 28.2)),
    ),
)

TABLE_5: Final = PrintedTable(
    number=5,
    caption="Semantics Injection Module",
    columns=(Column("gmadds", "G", 3), _MIOU),
    rows=(
        PrintedRow("SigmoidAttn", "table5-attention", (1.809, 37.3)),
        PrintedRow("SemInfo", "table5-semantics", (1.809, 37.0)),
        PrintedRow("both", OWN, (1.820, 37.8)),
    ),
)

TABLE_6: Final = PrintedTable(
    number=6,
    caption="Segmentation Head",
    columns=(Column("mparams", "M", 3), _MIOU),
    rows=(
        PrintedRow("Concat Head", "table6-concat", (5.044, 37.1)),
        PrintedRow("Sum Head", "table6-sum", (4.978, 37.0)),
        PrintedRow("Ours", OWN, (5.063, 37.8)),
    ),
)

TABLE_7: Final = PrintedTable(
    number=7,
    caption="channels M of the Semantics Injection Module",
    columns=(_MIOU, Column("gmadds", "G", 1), _MPARAMS),
    rows=(
        PrintedRow("128", "table7-128", (37.3, 1.5, 4.9)),
        PrintedRow("192", "table7-192", (37.4, 1.6, 5.0)),
        PrintedRow("256", OWN, (37.8, 1.8, 5.1)),
    ),
)

TABLE_8: Final = PrintedTable(
    number=8,
    caption="output strides",
    columns=(_MIOU, Column("gmadds", "G", 1), Column("latency_ms", "latency ms", 0)),
    rows=(
        PrintedRow("s32", "table8-s32", (38.8, 2.6, 159)),
        PrintedRow("s64", OWN, (37.8, 1.8, 110)),
        PrintedRow("s128", "table8-s128", (35.7, 1.6, 100)),
    ),
)

ABLATIONS: Final[Mapping[int, PrintedTable]] = {
    table.number: table for table in (TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7, TABLE_8)
}
"""All on ADE20K val at a single scale, counted at 512x512."""
