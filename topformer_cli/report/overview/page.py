"""The report of many runs as one HTML file that needs neither network nor JavaScript."""

from typing import Final

from topformer_cli.report.markup import (
    Markup,
    data_uri,
    document,
    element,
    image,
    join,
    styled,
    table,
)
from topformer_cli.report.overview.figures import panel_picture, shares_picture
from topformer_cli.report.overview.records import Overview, Panel, RunCurves
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.report.overview.words import LIMITS, lead
from topformer_cli.report.plots import Plot, headline_plot, loss_plot

TITLE: Final = "TopFormer: runs, exports and measurements beside the paper"


def render_overview(overview: Overview) -> str:
    """Return the page as HTML5; everything that comes from records is escaped."""
    return document(
        TITLE,
        _header(overview),
        *(_section(one.sheet()) for one in overview.tables),
        _figure_1(overview),
        _figure_3(overview),
        *(_section(sheet) for sheet in overview.others if sheet.rows),
        _curves(overview),
        _footer(overview),
    )


def _header(overview: Overview) -> Markup:
    problems = [
        element("p", element("strong", "Left out")),
        element("ul", *(element("li", text) for text in overview.problems)),
    ]
    return element(
        "header",
        element("h1", TITLE),
        element("p", lead(overview)),
        styled(
            "section",
            "limits",
            element("strong", "How to read it"),
            element("ul", *(element("li", line) for line in LIMITS)),
        ),
        *([styled("section", "warning", *problems)] if overview.problems else []),
    )


LONG: Final = 44
"""Letters; a column with a cell of more is set as words."""


def _section(sheet: Sheet) -> Markup:
    """Return a sheet; columns of many words, and the paper's rows, have looks of their own."""
    wide = [
        index > 0 and any(len(row[index]) > LONG for row in sheet.rows)
        for index in range(len(sheet.columns))
    ]

    def looks(cells: tuple[str, ...], plain: str) -> list[Markup]:
        words = ["words" if many else plain for many in wide]
        return [styled("span", look, cell) for look, cell in zip(words, cells, strict=True)]

    rows = [
        looks(row, "line quoted" if index in sheet.quoted else "line")
        for index, row in enumerate(sheet.rows)
    ]
    below = [
        *(element("li", element("b", letter), f" {why}") for letter, why in sheet.footnotes),
        *(element("li", note) for note in sheet.notes),
    ]
    heading, _, caption = sheet.title.partition(": ")
    return element(
        "section",
        element("h2", heading),
        table(caption or heading, looks(sheet.columns, "line"), rows),
        *([element("ul", *below, attributes={"class": "notes"})] if below else []),
    )


def _figure_1(overview: Overview) -> Markup:
    notes = (
        "Area tells parameters; circles are the paper's, diamonds are from here, hollow where the "
        "verdict is not stable. Each panel is of one device, engine, precision and set: points of "
        "different panels are not comparable.",
        *overview.undrawn,
    )
    return element(
        "section",
        element("h2", "mIoU against latency, after Figure 1"),
        styled("div", "white", _panel(overview.panels[0])),
        styled("div", "plots white", *map(_panel, overview.panels[1:])),
        element("ul", *(element("li", note) for note in notes), attributes={"class": "notes"}),
    )


def _panel(panel: Panel) -> Markup:
    points = "; ".join(f"{p.name} {p.x:g}, {p.miou:g}" for p in panel.points)
    alt = f"{panel.title}. {panel.x_label}, {panel.y_label}: {points}"
    return _picture(panel_picture(panel), alt, (691, 413), panel.title, panel.told)


def _figure_3(overview: Overview) -> Markup:
    rows = []
    for one in overview.shares:
        own = [other for other in overview.shares if other.network == one.network]
        parameters = one.parameters / sum(other.parameters for other in own)
        multiply_adds = one.multiply_adds / sum(other.multiply_adds for other in own)
        rows.append(
            (
                f"{one.network}: {one.part}",
                f"{one.parameters:,}",
                f"{parameters:.1%}",
                f"{one.multiply_adds / 1e6:,.1f}",
                f"{multiply_adds:.1%}",
            )
        )
    alt = "Shares of parts: " + "; ".join(f"{row[0]} {row[2]} and {row[4]}" for row in rows)
    caption = "Parameters and multiply-adds by part, counted here"
    columns = ("part", "parameters", "share", "multiply-adds (M)", "share")
    height = 106 + 81 * len({one.network for one in overview.shares})
    notes = [element("li", note) for note in overview.shares_notes]
    return element(
        "section",
        element("h2", "Where parameters and computation are, after Figure 3"),
        styled("div", "white", _picture(shares_picture(overview.shares), alt, (691, height), "")),
        table(caption, columns, rows),
        element("ul", *notes, attributes={"class": "notes"}),
    )


def _curves(overview: Overview) -> Markup:
    if not overview.curves:
        return join()
    left_out = overview.curves_left_out
    more = [element("p", f"{left_out} older runs are not drawn.")] if left_out else []
    return element(
        "section",
        element("h2", "Curves of the runs"),
        *map(_curves_of, overview.curves),
        *more,
    )


def _curves_of(run: RunCurves) -> Markup:
    def plot(title: str, drawn: Plot) -> Markup:
        return _picture(drawn.svg, f"{run.run}. {drawn.alt}", drawn.size, title)

    return join(
        element("h3", run.run),
        styled(
            "div",
            "plots",
            plot("training loss", loss_plot(run.curves)),
            plot(f"{run.headline} on the validation images (%)",
                 headline_plot(run.curves, run.headline)),
        ),
    )  # fmt: skip


def _picture(
    svg: bytes, alt: str, size: tuple[int, int], caption: str, below: tuple[str, ...] = ()
) -> Markup:
    drawn = image(data_uri(svg, "image/svg+xml"), alt, size)
    notes = element("ul", *(element("li", line) for line in below), attributes={"class": "notes"})
    heading = [element("figcaption", caption)] if caption else []
    return element("figure", *heading, drawn, *([notes] if below else []))


def _footer(overview: Overview) -> Markup:
    words = (
        f"topformer {overview.version}, {overview.created}. The same tables lie beside this page "
        "as report.md and in tables/."
    )
    return element("footer", styled("p", "soft", words))
