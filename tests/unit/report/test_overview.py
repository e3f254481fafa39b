"""The report of many runs: tables with marks, pictures, one file that stands alone."""

import csv
import io
import re
from dataclasses import replace

import pytest

from tests.unit.report.test_page import Page
from topformer_cli.report.overview.figures import panel_picture, shares_picture
from topformer_cli.report.overview.markdown import render_markdown
from topformer_cli.report.overview.page import render_overview
from topformer_cli.report.overview.records import (
    Figure,
    Line,
    Overview,
    Panel,
    PartShare,
    Point,
    ReportTable,
    RunCurves,
)
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.report.records import Curves
from topformer_cli.results.kept import NO_SCORE

WHY = "not comparable: no <ImageNet> weights"
TABLE = ReportTable(
    number=1,
    caption="ADE20K val",
    columns=("M", "mIoU"),
    lines=(
        Line("Net <A>", "quoted", (Figure("1.4"), Figure("32.8")), "at a single scale"),
        Line("Net <A>", "counted", (Figure("1.5", "other | digits"), None), "counted so"),
        Line("Net <A>", "evaluated", (None, Figure("31.07", WHY)), "val, 2 images", "runs/a"),
    ),
    conditions="at a single scale",
    notes=("M: 10^6",),
)
PANELS = (
    Panel(
        "Quoted from the paper", "latency (ms)", "mIoU",
        (
            Point("FCN-8s", 1015, 19.7, 9.8, "quoted", "at 512x512"),
            Point("TopFormer-T", 43, 32.8, 1.4, "quoted", "at 512x512"),
        ),
    ),
    Panel(
        "Here: some host", "median (ms)", "mIoU",
        (Point("T", 4, 31, 1.4, "here", "mIoU by <own>; latency at 64x64", stable=False),),
    ),
)  # fmt: skip


@pytest.fixture
def overview() -> Overview:
    return Overview(
        created="2030-01-02T03:04:05+00:00", version="9.8.7", sources=("runs",), runs=1,
        evaluations=1, measurements=2, on_phones=0, exports=0, problems=("x <damaged>",),
        tables=(TABLE,), panels=PANELS, undrawn=("2 emulated measurements are not drawn",),
        shares=(PartShare("T", "extractor", 740, 10), PartShare("T", "head", 260, 90)),
        shares_notes=("quoted: 74 %",),
        others=(Sheet("runs", "Runs: all", ("run", "state"), (("runs/a & b", "unfinished"),)),),
        curves=(RunCurves("runs/a & b", "mIoU", Curves(((1, 2.0),), ((1, 31.07),))),),
        curves_left_out=3,
    )  # fmt: skip


def test_no_figure_of_ours_that_is_not_comparable_stands_without_a_letter() -> None:
    sheet = TABLE.sheet()
    assert sheet.rows == (
        ("Net <A>", "quoted from the paper", "1.4", "32.8", ""),
        ("Net <A>", "counted here", "1.5 a", "", ""),
        ("Net <A>", "evaluated here", "", "31.07 b", "runs/a: val, 2 images"),
    )
    assert sheet.footnotes == (("a", "other | digits"), ("b", WHY))
    assert sheet.notes[0] == "quoted from the paper: at a single scale"
    assert sheet.quoted == {0}


def test_in_spreadsheets_each_line_has_all_that_belongs_to_it() -> None:
    header, *rows = csv.reader(io.StringIO(TABLE.plain().csv()))
    assert header == [
        "network", "whose", "from", "M", "mIoU", "not as the paper's", "conditions",
    ]  # fmt: skip
    assert rows[0][1:] == ["quoted from the paper", "", "1.4", "32.8", "", "at a single scale"]
    assert rows[1][1:] == ["counted here", "", "1.5", "", "other | digits", "counted so"]
    assert rows[2][1:] == ["evaluated here", "runs/a", "", "31.07", WHY, "val, 2 images"]


def test_a_score_that_does_not_exist_is_an_empty_cell() -> None:
    sheet = Sheet("s", "S", ("from", "score"), (("a", NO_SCORE),))
    assert "| a | no score |" in sheet.markdown()
    assert sheet.csv().splitlines()[1] == "a,"
    assert sheet.to_json() == [{"from": "a", "score": ""}]


def test_markdown_keeps_tables_whole(overview: Overview) -> None:
    text = render_markdown(overview)
    assert "| *Net <A>* | *quoted from the paper* | *1.4* | *32.8* |  |" in text
    assert "- a: other | digits" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in tables} == {7, 4}
    piped = Sheet("s", "S", ("a",), (("x | y\nz",),)).markdown()
    assert "| x \\| y z |" in piped
    assert "x <damaged>" in text


def test_the_page_is_whole_and_stands_alone(overview: Overview) -> None:
    text = render_overview(overview)
    page = Page(text)
    assert (page.problems, page.open) == ([], [])
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", text)) == []
    pictures = page.all("img")
    assert len(pictures) == 2 + 1 + 2
    for picture in pictures:
        assert picture["alt"]
        assert (picture["src"] or "").startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize(
    "words",
    [
        "31.07 b", "not comparable: no <ImageNet> weights", "x <damaged>", "Net <A>",
        "1 run, 1 evaluation, 2 measurements, 0 exports from runs.",
        "No latency in it was measured on a phone.", "2 emulated measurements are not drawn",
        "the paper: at 512x512", "T: mIoU by <own>; latency at 64x64",
        "74.0%", "90.0%", "quoted: 74 %", "runs/a & b", "3 older runs are not drawn.",
    ],
)  # fmt: skip
def test_the_page_says(overview: Overview, words: str) -> None:
    assert words in Page(render_overview(overview)).text


def test_phones_are_counted(overview: Overview) -> None:
    one, two = (Page(render_overview(replace(overview, on_phones=n))).text for n in (1, 2))
    assert "One latency in it was measured on a phone." in one
    assert "2 latencies in it were measured on phones." in two


def test_the_pictures_name_what_they_show() -> None:
    quoted, here = (panel_picture(panel).decode() for panel in PANELS)
    for words in ("FCN-8s", "TopFormer-T", "latency (ms)"):
        assert words in quoted
        assert words not in here
    crowd = tuple(
        Point(f"A network with a name, {n}", 1000 + 9 * n, 30 + n / 9, 9.8 - 2 * n, "quoted", "")
        for n in range(5)
    )
    crowded = panel_picture(Panel("many", "ms", "mIoU", crowd)).decode()
    for point in crowd:
        assert point.name in crowded
    bars = shares_picture((PartShare("T", "extractor", 740, 10), PartShare("T", "head", 260, 90)))
    for words in ("T: parameters", "T: multiply-adds", "extractor", "74.0", "90.0"):
        assert words in bars.decode()
