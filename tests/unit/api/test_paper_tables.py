"""The paper's tables beside our own figures; the reasons given for what differs are true."""

from dataclasses import replace

import pytest
from torch import nn
from torchvision.models import mobilenet_v3_large

from topformer_cli.api.paper_tables import TABLES, paper_table, segmenters
from topformer_cli.api.paper_tables.detectors import (
    INPUT,
    PADDED,
    REASONS,
    count,
    detector_card,
)
from topformer_cli.api.paper_tables.segmenters import Reasons, segmenter_card
from topformer_cli.errors import UsageError
from topformer_cli.models.backbones.topformer import TopFormerRetinaNet
from topformer_cli.models.baselines.encoders import ENCODERS
from topformer_cli.models.baselines.head_plan import HeadPlan
from topformer_cli.models.baselines.heads import HEADS, auxiliary_head
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.detector import FPN_WIDTH, RetinaNet
from topformer_cli.models.spec import BACKBONES, SIZES
from topformer_cli.results.paper_table import (
    NOT_RUN,
    Column,
    Count,
    PaperTable,
    PrintedRow,
    PrintedTable,
    beside,
    lettered,
)
from topformer_cli.results.printed import PRINTED, TABLE_1, TABLE_9, TABLE_10, TABLE_11
from topformer_cli.results.printed_ablations import ABLATIONS

G, M = Column("g", "G", 0), Column("m", "M", 1)


@pytest.fixture(scope="module")
def table() -> PaperTable:
    return paper_table(11)


def given_reasons(table: PaperTable) -> Reasons:
    return {
        (row.key, cell.column.key): cell.why
        for row, cells in zip(table.printed.rows, table.cells, strict=True)
        for cell in cells
        if cell.differs
    }


def test_figures_agree_within_the_rounding_of_what_is_printed() -> None:
    printed = PrintedTable(1, "t", (G, M), (PrintedRow("A", "a", (160, 2.6)),))
    for g, m, said in (
        (159.51, 2.649, ("160", "2.6")),
        (160.49, 2.551, ("160", "2.6")),
        (159.4, 2.66, ("159 a", "2.7 b")),
    ):
        count = Count({"g": g, "m": m})
        filled = beside(printed, {"a": count}, {("a", "m"): "it is so"}, ())
        assert filled.lines() == [("A", "paper", "160", "2.6"), ("", "here", *said)]
    assert filled.marks == {"not known why": "a", "it is so": "b"}
    empty = beside(printed, {}, {}, ("note",))
    assert empty.lines()[1] == ("", "here", NOT_RUN, NOT_RUN)
    assert empty.to_json()["rows"][0]["g"] == {
        "paper": 160, "here": None, "agrees": None, "why": NOT_RUN,
    }  # fmt: skip


def test_what_the_paper_does_not_print_agrees_with_nothing() -> None:
    rows = (PrintedRow("A", "a", (None, 2.6)), PrintedRow("B", "", (1, 1.0), "C"))
    filled = beside(
        PrintedTable(1, "t", (G, M), rows), {"a": Count({"g": 3.0}, {"g": 2.6})}, {}, ()
    )
    assert filled.lines() == [
        ("A", "paper", "–", "2.6"), ("", "here", "3 a", NOT_RUN), ("", "strict", "3", ""),
        ("B with C", "paper", "1", "1.0"),
    ]  # fmt: skip
    assert filled.to_json()["rows"][0]["g"]["strict"] == 2.6


def test_reasons_have_a_letter_each_beyond_the_alphabet() -> None:
    marks = lettered([*map(str, range(30)), "0"])
    assert list(marks.values())[24:] == ["y", "z", "aa", "ab", "ac", "ad"]


def test_rows_of_a_table_are_told_apart() -> None:
    for printed in PRINTED.values():
        keys = [row.key for row in printed.rows if row.variant]
        assert len(set(keys)) == len(keys)
        assert {len(row.figures) for row in printed.rows} == {len(printed.columns)}
        assert set(printed.scores.values()) <= {column.key for column in printed.columns}
    for printed in (TABLE_1, TABLE_9, TABLE_10):
        assert {"", *SIZES} <= {row.variant for row in printed.rows} <= {"", *SIZES, *BASELINES}


@pytest.mark.parametrize(
    ("number", "reasons"),
    [(1, segmenters.REASONS_1), (9, segmenters.REASONS_9), (10, segmenters.REASONS_10)],
)
def test_what_differs_of_segmenters_has_its_reason(number: int, reasons: Reasons) -> None:
    assert given_reasons(paper_table(number)) == reasons


def test_reasons_of_segmenters_are_true() -> None:
    small = build_model(segmenter_card("small", "ade20k", 512))
    buffers = sum(one.numel() for one in small.buffers() if one.is_floating_point())
    assert round((sum(p.numel() for p in small.parameters()) + buffers) / 1e6, 2) == 3.06
    tiny = paper_table(10).cells[-3]
    assert [round(cell.here or 0, 3) for cell in tiny[:2]] == [0.495, 0.159]
    assert [int(100 * (cell.here or 0)) / 100 for cell in tiny[:2]] == [0.49, 0.15]


def of_row(table: PaperTable, key: str, column: str) -> float:
    keys = [row.key for row in table.printed.rows]
    (found,) = (one.here for one in table.cells[keys.index(key)] if one.column.key == column)
    assert found is not None
    return found


def test_reasons_of_other_networks_are_true() -> None:
    first, tenth = paper_table(1), paper_table(10)
    beside = {
        key: of_row(first, key, "mparams")
        + sum(p.numel() for p in auxiliary_head(*row.auxiliary, 150).parameters()) / 1e6
        for key, row in BASELINES.items()
        if row.auxiliary
    }
    assert {key: round(value, 1) for key, value in beside.items()} == {
        "fcn8s-mobilenetv2": 9.8, "pspnet-mobilenetv2": 13.7, "deeplabv3plus-mobilenetv2": 15.3,
        "deeplabv3plus-efficientnet": 17.2, "deeplabv3plus-shufflenetv2-x1.5": 16.9,
        "liteaspp-resnet18": 12.5, "liteaspp-mobilenetv2": 2.9, "raspp-mobilenetv2": 2.2,
    }  # fmt: skip
    assert round(of_row(first, "fcn8s-mobilenetv2", "gmadds"), 2) == 39.65
    assert round(of_row(first, "deeplabv3plus-efficientnet", "gmadds"), 2) == 26.95
    assert round(sum(TABLE_10.rows[0].figures[:2]), 1) == 52.9  # type: ignore[arg-type]
    assert round(of_row(tenth, "deeplabv3plus-mobilenetv2", "backbone_gmadds"), 2) == 2.50


def test_the_head_of_table_1_is_not_that_of_tables_9_and_10() -> None:
    key = "lraspp-mobilenetv3-large"
    for printed, dataset, side, head in (
        (TABLE_9, "pascal-context", 480, 0.15),
        (TABLE_10, "coco-stuff-10k", 512, 0.25),
    ):
        (row,) = (one for one in printed.rows if one.network == "LR-ASPP")
        counted = segmenters.by_part(key, dataset, side).here
        assert round(counted["head_gmadds"], 2) == head < (row.figures[1] or 0) / 1.9
        assert abs(counted["backbone_gmadds"] / (row.figures[0] or 0) - 1) < 0.02


def test_the_reduced_encoders_of_libraries_have_more_parameters() -> None:
    ours = BASELINES["lraspp-mobilenetv3-large-reduced"]
    head = HEADS[ours.head](HeadPlan((24, 40, 112, 480), ours.width, ours.low, 150, 0.0))
    wide = HEADS[ours.head](HeadPlan((24, 40, 112, 960), ours.width, ours.low, 150, 0.0))
    halved = ENCODERS[ours.encoder](ours.stride, 0.0)
    # mmsegmentation ends in 960 channels all the same.
    last = 80 * (960 - 480) + 2 * (960 - 480)
    torchvisions = mobilenet_v3_large(reduced_tail=True).features
    for encoder, more, its_head, total in ((torchvisions, 0, head, 1.8), (halved, last, wide, 1.7)):
        parameters = [*encoder.parameters(), *its_head.parameters()]
        assert round((sum(p.numel() for p in parameters) + more) / 1e6, 1) == total


@pytest.mark.parametrize(
    ("number", "reasons"),
    [(1, segmenters.REASONS_1), (9, segmenters.REASONS_9), (10, segmenters.REASONS_10)],
)
def test_near_is_within_two_per_cent(number: int, reasons: Reasons) -> None:
    table = paper_table(number)
    near = {
        (row.key, cell.column.key): abs((cell.here or 0) / (cell.paper or 1) - 1)
        for row, cells in zip(table.printed.rows, table.cells, strict=True)
        for cell in cells
        if cell.why == segmenters.NEAR
    }
    assert set(near) == {key for key, why in reasons.items() if why == segmenters.NEAR}
    step = 0.05 / 2.0 if number == 1 else 0
    assert all(0 < off < 0.02 + step for off in near.values())


def test_the_released_tiny_has_fewer_parameters() -> None:
    full = build_model(segmenter_card("tiny", "ade20k", 512))
    released = build_model(replace(segmenter_card("tiny", "ade20k", 512), fuse="depthwise"))
    counts = [sum(one.numel() for one in net.parameters()) for net in (full, released)]
    assert counts[0] - counts[1] == 16_256


def test_only_tables_that_are_there_are_filled() -> None:
    assert all(paper_table(number).printed.number == number for number in TABLES)
    assert set(TABLES) == {*PRINTED, *ABLATIONS}
    with pytest.raises(
        UsageError, match="--table 12: nothing is counted for it here; there is: 1, 2, 3"
    ):
        paper_table(12)


def test_rows_are_the_papers_and_known_here() -> None:
    assert {row.variant for row in TABLE_11.rows} == {*SIZES, *BACKBONES} - {"topformer"}
    assert [(row.network, row.figures) for row in TABLE_11.rows] == [
        ("ShuffleNetV2", (25.9, 2.6, 161, 0.8, 10.4)),
        ("TopFormer-T", (27.1, 2.1, 160, 1.0, 10.5)),
        ("MobileNetV3", (27.2, 4.7, 162, 2.8, 12.3)),
        ("TopFormer-S", (30.4, 3.7, 162, 2.9, 12.3)),
        ("TopFormer-B", (31.6, 5.5, 163, 4.8, 14.0)),
    ]


def test_what_differs_has_its_reason_and_nothing_else_has(table: PaperTable) -> None:
    assert given_reasons(table) == REASONS
    scores = [cells[0] for cells in table.cells]
    assert {(cell.column.key, cell.here, cell.why) for cell in scores} == {("ap", None, NOT_RUN)}


def test_base_with_128_channels_is_nearly_the_papers() -> None:
    network = TopFormerRetinaNet(replace(SIZES["base"], width=SIZES["tiny"].width), 80)
    found = count(network).here
    rounded = [round(found[c.key], c.decimals) for c in TABLE_11.columns[1:]]
    assert rounded == [5.4, 163, 4.8, 14.0]


@pytest.mark.parametrize(("variant", "printed"), [("shufflenetv2", 10.4), ("mobilenetv3", 12.3)])
def test_p6_from_p5_gives_the_printed_parameters(variant: str, printed: float) -> None:
    network = build_model(detector_card(variant))
    assert isinstance(network, RetinaNet)
    extra = network.neck.extra_blocks
    extra.p6 = nn.Conv2d(FPN_WIDTH, FPN_WIDTH, 3, stride=2, padding=1)
    assert round(sum(one.numel() for one in network.parameters()) / 1e6, 1) == printed


def test_the_rest_differs_as_digits_cut_off_do(table: PaperTable) -> None:
    cut = [
        cell
        for row in table.cells
        for cell in row
        if cell.here is not None and "cut off" in cell.why
    ]
    assert len(cut) == 4
    assert all(cell.here is not None and int(cell.here * 10) / 10 == cell.paper for cell in cut)
    extractor = next(
        part for part in cost_by_part(build_model(detector_card("tiny")), 64, 64)
        if part.part == "semantics extractor"
    )  # fmt: skip
    assert round(extractor.parameters / 1e6, 2) == 1.04
    tiny = next(cells for row, cells in zip(TABLE_11.rows, table.cells, strict=True)
                if row.variant == "tiny")  # fmt: skip
    assert round(tiny[1].here or 0, 2) == 2.03


@pytest.mark.parametrize("variant", ["tiny", "shufflenetv2"])
def test_padding_costs_less_than_half_a_percent(variant: str) -> None:
    network = build_model(detector_card(variant))
    printed, padded = (cost_by_part(network, *size)[-1].multiply_adds for size in (INPUT, PADDED))
    assert padded / printed == pytest.approx(1.0045, abs=4e-4)
