"""The page holds the numbers of the records, is well formed, and stands alone."""

import re
from html.parser import HTMLParser

import pytest

from topformer_cli.report.markup import VOID
from topformer_cli.report.page import NEXT_STEPS, render_page
from topformer_cli.report.records import ReportData


class Page(HTMLParser):
    """Reads a page and notes what is not well formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.problems: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def page(data: ReportData) -> Page:
    return Page(render_page(data))


def test_every_element_is_closed_in_order(page: Page) -> None:
    assert page.problems == []
    assert page.open == []
    assert [tag for tag, _ in page.tags][:2] == ["html", "head"]
    assert page.all("html")[0]["lang"] == "en"


@pytest.mark.parametrize(
    "number",
    [
        "71.25",  # mIoU
        "47.50",  # by the devkit's rule
        "93.17",
        "81.09",
        "88.31",  # IoU of a class
        "66.57",  # accuracy of a class
        "61.3%",  # share of the pixels
        "1.37",  # million parameters
        "86 M multiply-adds at 192x256",
        "5.48",  # MB of both TNN files
        "ONNX 5.53 MB",
        "7.8e-07",  # the worse parity
        "3.4e-07",
        "99.87%",
        "4.43 ms median, p90 5.54 ms",
        "3.22",  # a round's minimum
        "9.87",
        "Rounds after 11 warm-up",
        "87.6% of the pixels right",
        "2 min 43 s",
        "500 iterations at batch 16, crops of 128x160, seed 5, on cpu",
        "weights of step 450",
        "partial: val 37 of 60",
        "the clock was not fixed",
        "topformer 9.8.7",
        "Terms of the data (scenes): as <stated>.",
    ],
)
def test_the_page_holds_the_numbers_of_the_records(page: Page, number: str) -> None:
    assert number in page.text


def test_the_full_statement_of_the_latency_is_there(page: Page, data: ReportData) -> None:
    assert data.bench.latency_statement() in page.text


def test_the_page_says_what_it_does_not_show(page: Page) -> None:
    assert "Rendered scenes are no benchmark" in page.text
    assert "Nothing on this page was measured on a phone." in page.text
    assert "The real TNN was not run." in page.text


def test_what_comes_from_data_is_escaped(page: Page, data: ReportData) -> None:
    text = render_page(data)
    for harmful in ("<b>", "<0>", "<steps>", "<Processor>", "<stated>"):
        assert harmful not in text
        assert harmful in page.text or harmful == "<0>"
    assert page.all("b") == []
    assert any("scene <0>" in (picture["alt"] or "") for picture in page.all("img"))


def test_pictures_have_words_and_sizes_and_are_inside_the_file(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) == 2 * 3 + 2
    for picture in pictures:
        assert picture["alt"]
        assert (picture["src"] or "").startswith(("data:image/jpeg;base64,", "data:image/svg+xml"))
        assert int(picture["width"] or 0) > 0
        assert int(picture["height"] or 0) > 0


def test_the_file_needs_nothing_else(page: Page, data: ReportData) -> None:
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object"}
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", render_page(data))) == []


def test_tables_have_captions_and_headers(page: Page) -> None:
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") == names.count("thead") == 5
    assert {header["scope"] for header in page.all("th")} == {"row", "col"}


def test_ids_are_unique(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_it_says_what_to_type_next(page: Page) -> None:
    for _, lines in NEXT_STEPS:
        for line in lines:
            assert line in page.text
    assert "topformer segment PICTURE --model runs/demo/scenes & more-001" in page.text


def test_both_colour_schemes_are_served(data: ReportData) -> None:
    assert "prefers-color-scheme: dark" in render_page(data)


def test_a_poor_run_is_called_poor(poor: ReportData, data: ReportData) -> None:
    page = Page(render_page(poor))
    assert page.problems == []
    assert "The mIoU of 12.34 is below 60" in page.text
    assert "no latency (no round was completed)" in page.text
    assert "is below" not in Page(render_page(data)).text
