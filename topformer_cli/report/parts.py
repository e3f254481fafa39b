"""The tables and the row of headline numbers on a page."""

from collections.abc import Mapping
from typing import Any

from topformer_cli.report.markup import Markup, element, join, styled, table
from topformer_cli.report.records import ReportData
from topformer_cli.results import percent


def duration(seconds: float) -> str:
    """Return a duration as `42 s` or `3 min 7 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def cards(data: ReportData) -> Markup:
    """Return the headline numbers."""
    evaluation, summary = data.evaluation, data.bench.summary
    miou = percent(evaluation.found.miou)
    shape = "x".join(str(side) for side in data.bench.input_shape[2:])
    shown = [
        ("mIoU", miou, "%", f"{evaluation.images} rendered validation scenes"),
        (
            "parameters",
            f"{data.parameters / 1e6:.2f}",
            "M",
            f"{data.multiply_adds / 1e6:.0f} M multiply-adds at {shape}",
        ),
        (
            "file size",
            f"{data.megabytes('.tnnmodel', '.tnnproto'):.2f}",
            "MB",
            f"TNN; ONNX {data.megabytes('.onnx'):.2f} MB",
        ),
        (
            "export parity",
            f"{data.worst_parity:.1e}",
            "",
            "largest difference of any file, as a share of max|logits|",
        ),
    ]
    if summary is not None:
        conditions = f"median, this host, {data.bench.threads} thread"
        conditions += "s" * (data.bench.threads != 1)
        if data.bench.verdict != "stable":
            conditions += f" [{data.bench.verdict}]"
        shown.append(("latency", f"{summary.median_ms:.1f}", "ms", conditions))
    return styled("div", "cards", *(_card(*one) for one in shown))


def _card(label: str, value: str, unit: str, words: str) -> Markup:
    number = join(value, element("small", unit)) if unit else value
    return styled(
        "div",
        "card",
        styled("div", "label", label),
        styled("div", "value", number),
        styled("div", "unit", words),
    )


def swatch(colour: tuple[int, int, int]) -> Markup:
    """Return a small square of a class's colour."""
    style = f"background:rgb({colour[0]},{colour[1]},{colour[2]})"
    return element("span", attributes={"class": "swatch", "style": style})


def classes(data: ReportData) -> Markup:
    """Return the table of IoU and accuracy by class."""
    evaluation = data.evaluation
    found = evaluation.found
    rows = [
        (
            join(swatch(colour), name),
            f"{share:.1%}",
            percent(accuracy),
            join(percent(iou), _bar(iou)),
        )
        for name, colour, share, accuracy, iou in zip(
            evaluation.classes,
            data.legend.palette,
            data.val_shares,
            found.accuracy,
            found.iou,
            strict=True,
        )
    ]
    caption = (
        f"{evaluation.model} on {evaluation.dataset} {evaluation.split}: {evaluation.images} "
        f"images, protocol {evaluation.protocol}"
    )
    totals = (
        f"mIoU {percent(found.miou)}, pixel accuracy {percent(found.pixel_accuracy)}, mean "
        f"accuracy {percent(found.mean_accuracy)}, mIoU by the ADE20K devkit's rule "
        f"{percent(found.miou_devkit)}."
    )
    return element(
        "section",
        element("h2", "Classes"),
        table(caption, ("class", "share of pixels", "accuracy (%)", "IoU (%)"), rows),
        element("p", totals),
        *(styled("p", "soft", f"Note: {text}") for text in evaluation.notes),
    )


def _bar(value: float | None) -> Markup:
    inner = element("i", attributes={"style": f"width:{value or 0:.1f}%"})
    return element("span", inner, attributes={"class": "bar", "aria-hidden": "true"})


def export(data: ReportData) -> Markup:
    """Return the tables of exported files and of their agreement with the network."""
    manifest = data.manifest
    parity = [
        (
            name.upper(),
            f"{one['relative']:.1e}",
            f"{one['bound']:.0e}",
            f"{one['max_abs']:.1e}",
            f"{one['labels_equal']:.2%}",
        )
        for name, one in data.parities.items()
    ]
    files = [
        (file["name"], f"{file['bytes'] / 1e6:.3f}", styled("code", "soft", file["sha256"][:16]))
        for file in manifest["files"]
    ]
    shape = "x".join(str(side) for side in manifest["inputs"][0]["shape"])
    pictures = "noise" if manifest["images"] == "noise" else "scenes of the set"
    output = manifest["outputs"][0]["meaning"]
    return element(
        "section",
        element("h2", "Export"),
        element(
            "p",
            "Each file was read back and run: ONNX in onnxruntime, TNN in this program's own "
            f"reference interpreter of the written files, on {pictures}, against the network in "
            "64-bit arithmetic. The real TNN was not run.",
        ),
        table(
            f"Largest difference from the network at input {shape}, up to the {output}",
            ("file", "difference / max|logits|", "bound", "difference", "labels equal"),
            parity,
        ),
        table("Files", ("name", "MB", "SHA-256 begins"), files),
        *_terms(manifest["card"]),
    )


def _terms(card: Mapping[str, Any]) -> list[Markup]:
    """Return the terms of the data, which hold for whatever was made from it."""
    if not card["data_terms"]:
        return []
    return [element("p", f"Terms of the data ({card['dataset']}): {card['data_terms']}.")]


def latency(data: ReportData) -> Markup:
    """Return the rounds of the measurement with everything the number depends on."""
    bench = data.bench
    rows = [
        (
            str(number),
            str(one.iterations),
            *(f"{x:.2f}" for x in (one.min_ms, one.mean_ms, one.max_ms)),
        )
        for number, one in enumerate(bench.rounds, 1)
    ]
    verdict = f"Verdict: {bench.verdict}"
    if bench.summary is not None:
        verdict += f"; the rounds' medians differ by {bench.summary.spread:.1%}"
    return element(
        "section",
        element("h2", "Latency on this host"),
        element("p", bench.latency_statement()),
        table(
            f"Rounds after {bench.protocol['warmup']} warm-up inferences or more",
            ("round", "inferences", "min (ms)", "mean (ms)", "max (ms)"),
            rows,
        ),
        styled("p", "soft", f"{verdict}. {bench.engine_version}."),
        *(styled("p", "soft", f"Note: {text}") for text in bench.notes),
    )


def origin(data: ReportData) -> Markup:
    """Return what was done, how long it took, and with which settings."""
    training = data.training
    rows = [
        (stage.title, styled("span", "words", stage.outcome), duration(stage.seconds))
        for stage in data.stages
    ]
    settings = (
        f"{training.iterations} iterations at batch {training.batch}, crops of "
        f"{training.crop[0]}x{training.crop[1]}, seed {training.seed}, on {training.device}; "
        f"{training.train_images} training and {training.val_images} validation scenes."
    )
    return element(
        "footer",
        element("h2", "How this page was made"),
        table(
            "What was done, and the time it took",
            ("stage", styled("span", "words", "outcome"), "time"),
            rows,
        ),
        element("p", settings),
        styled(
            "p",
            "soft files",
            f"topformer {data.version}, {data.created}; everything is in {data.run}",
        ),
    )
