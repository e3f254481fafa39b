"""The page of a demo run: one HTML file that needs neither network nor JavaScript."""

from typing import Final

from topformer_cli import draw
from topformer_cli.report import parts
from topformer_cli.report.markup import (
    Markup,
    data_uri,
    document,
    element,
    image,
    join,
    styled,
)
from topformer_cli.report.plots import Plot, headline_plot, loss_plot
from topformer_cli.report.records import Example, ReportData

NEXT_STEPS: Final = (
    (
        "ADE20K, 967 MB",
        ("topformer data fetch ade20k",),
    ),
    (
        "or a set of your own",
        (
            "topformer data prepare NAME --images DIR --masks DIR --classes classes.txt",
            "topformer data show NAME",
        ),
    ),
    (
        "then train, evaluate, look, export",
        (
            "topformer train NAME --size tiny",
            "topformer eval",
            "topformer segment PICTURE -o overlay.png",
            "topformer export",
        ),
    ),
    (
        "and measure on a phone that adb sees",
        ("topformer bench --device SERIAL",),
    ),
)
"""What to type for real data: (words, command lines)."""


def render_page(data: ReportData) -> str:
    """Return the page as HTML5; everything that comes from data is escaped."""
    return document(f"{data.evaluation.model}: report of topformer demo", *_sections(data))


def _sections(data: ReportData) -> list[Markup]:
    return [
        _header(data),
        _pictures(data),
        _curves(data),
        parts.classes(data),
        parts.export(data),
        parts.latency(data),
        _next_steps(data),
        parts.origin(data),
    ]


def _header(data: ReportData) -> Markup:
    training = data.training
    lead = (
        f"Trained from scratch on {training.train_images} rendered street scenes, evaluated, "
        f"exported to {' and '.join(name.upper() for name in data.parities)}, verified and "
        f"measured on one machine in {parts.duration(data.seconds)}."
    )
    return element(
        "header",
        element("h1", f"{data.evaluation.model}, from pictures to a verified file"),
        element("p", lead),
        *([] if data.good_enough else [_warning(data)]),
        parts.cards(data),
        styled(
            "div",
            "conditions soft",
            element("p", element("strong", "Latency: "), data.bench.latency_statement()),
        ),
        _limits(),
    )


def _warning(data: ReportData) -> Markup:
    text = (
        f"The mIoU of {data.evaluation.headline.value:.2f} is below {data.least_miou:g}, which "
        "this demo reaches where everything works. Do not build on this installation before you "
        "know why."
    )
    return styled("p", "warning", text)


def _limits() -> Markup:
    lines = (
        "Rendered scenes are no benchmark: they are far easier than photographs, and this mIoU "
        "says nothing about ADE20K or any other real set.",
        "The latency is this machine's, in onnxruntime. It does not tell a phone's.",
        "Nothing on this page was measured on a phone.",
    )
    return styled(
        "section",
        "limits",
        element("strong", "What these numbers are not"),
        element("ul", *(element("li", line) for line in lines)),
    )


def _pictures(data: ReportData) -> Markup:
    legend = data.legend
    swatches = [
        element("li", parts.swatch(colour), element("span", name))
        for name, colour in zip(legend.classes, legend.palette, strict=True)
    ]
    count = len(data.examples)
    return element(
        "section",
        element("h2", "Pictures"),
        element(
            "p",
            f"The first {count} of the {data.training.val_images} validation scenes, not picked: "
            "the scene, its true labels, and what the network says.",
        ),
        element("ul", *swatches, attributes={"class": "legend", "aria-label": "class legend"}),
        styled("div", "pictures", *(_example(one, legend) for one in data.examples)),
    )


def _example(one: Example, legend: draw.Legend) -> Markup:
    columns = (
        ("scene", one.image),
        ("truth", draw.overlay(one.image, one.truth, legend)),
        ("prediction", draw.overlay(one.image, one.predicted, legend)),
    )
    cells = []
    for title, pixels in columns:
        address = data_uri(draw.jpeg(pixels), "image/jpeg")
        size = (pixels.shape[1], pixels.shape[0])
        picture = image(address, f"{one.name}: {title}", size)
        cells.append(element("div", picture, element("span", title)))
    caption = f"{one.name}: {one.agreement:.1%} of the pixels right"
    return element("figure", styled("div", "triple", *cells), element("figcaption", caption))


def _curves(data: ReportData) -> Markup:
    best = data.training.best_step
    return element(
        "section",
        element("h2", "Training"),
        styled(
            "div",
            "plots",
            _plot("Loss on training crops (cross-entropy)", loss_plot(data.curves)),
            _plot("mIoU on the validation scenes (%)", headline_plot(data.curves)),
        ),
        styled(
            "p",
            "soft",
            f"Evaluated and exported are the weights of step {best}: the best of these "
            "evaluations. They were chosen on the same scenes that the mIoU is measured on.",
        ),
    )


def _plot(title: str, plot: Plot) -> Markup:
    picture = image(data_uri(plot.svg, "image/svg+xml"), plot.alt, plot.size)
    return element("figure", element("figcaption", title), picture)


def _next_steps(data: ReportData) -> Markup:
    steps = [
        join(element("p", words), element("pre", element("code", "\n".join(lines))))
        for words, lines in NEXT_STEPS
    ]
    demo = f"topformer segment PICTURE --model {data.run}"
    return element(
        "section",
        element("h2", "What to type next, for real data"),
        *steps,
        element("p", "The network of this page is a run like any other:"),
        element("pre", element("code", demo)),
    )
