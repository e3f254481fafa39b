"""How results and runs look on the terminal, for the commands that share them."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from topformer_cli import console
from topformer_cli.results import (
    BenchResult,
    EvalResult,
    LabelMapsResult,
    PredictionsResult,
    Result,
    StepRecord,
)
from topformer_cli.results.segmentation import ClassOrder, ScoredMaps
from topformer_cli.units import size_text

if TYPE_CHECKING:
    from pathlib import Path

    from topformer_cli.api.comparing import Measured
    from topformer_cli.api.evaluating_files import MeasuredFile
    from topformer_cli.api.training import TrainPlan
    from topformer_cli.api.verifying import Verification
    from topformer_cli.deploy.artifact import Artifact
    from topformer_cli.deploy.export import Exported
    from topformer_cli.deploy.manifest import BoxRecord, ParityRecord
    from topformer_cli.deploy.tnn.precision.half_report import HalfReport
    from topformer_cli.deploy.tnn.write import TnnWritten
    from topformer_cli.engine.examples import Example
    from topformer_cli.engine.observer import Standing


class TrainingView:
    """An observer that draws one progress line and notes what matters."""

    def __init__(self, update: console.Update) -> None:
        self.update = update
        self.total = 0
        self.step = 0
        self.text = ""
        self.ends_at: float | None = None

    def started(self, step: int, total: int) -> None:
        """The loop begins at a step."""
        self.step, self.total = step, total
        if step:
            console.note(f"resumed at step {step} of {total}")
        self.update(step, total)

    def stepped(self, step: int) -> None:
        """A step is done."""
        self.step = step
        left = None if self.ends_at is None else max(self.ends_at - time.monotonic(), 0.0)
        self.update(step, self.total, self.text, left)

    def logged(self, record: StepRecord) -> None:
        """Means over the last steps are known."""
        self.text = _record_text(record)
        if record.eta_s is not None:
            self.ends_at = time.monotonic() + record.eta_s
        console.detail(f"step {record.step}: {self.text}, lr {record.lr:.2e}")

    def evaluating(self, done: int, total: int) -> None:
        """An evaluation has seen some of its images."""
        self.update(self.step, self.total, f"evaluating {done}/{total}")

    def evaluated(self, step: int, result: Result, standing: "Standing") -> None:
        """An evaluation during training is done."""
        mark = {"best": ", best so far", "as good": ", as good as the best", "less": ""}[standing]
        console.note(f"step {step}: {result.headline} on {result.split}{mark}")
        if isinstance(result, EvalResult) and result.incomplete:
            console.warn(f"incomplete: {result.incomplete}")

    def pictured(self, step: int, examples: "Sequence[Example]") -> None:
        """Validation images were labelled: their picture lies in the run folder."""

    def note(self, text: str) -> None:
        """Something a person should know."""
        console.note(text)


def _record_text(record: StepRecord) -> str:
    """Return a record in a few words, as in `loss 0.532, 12.3 img/s, 3% waiting, 1.2 GB`."""
    words = [f"loss {record.loss:.3f}", f"{record.images_per_s:.1f} img/s"]
    if record.wait_share is not None:
        words.append(f"{record.wait_share:.0%} waiting")
    if record.memory_mb is not None:
        words.append(size_text(record.memory_mb * 1e6))
    return ", ".join([*words, f"{record.skipped} skipped"] if record.skipped else words)


@contextlib.contextmanager
def training(plan: "TrainPlan") -> Iterator[TrainingView]:
    """Say what runs and follow it."""
    job = plan.job
    recipe, card = job.recipe, job.prepared.card
    start = f"from {job.start_name}" if job.start_name else "from scratch"
    divided = f" ({job.division})" if job.division.images < recipe.batch else ""
    images = card.counts["train"]
    times = recipe.schedule.iterations * recipe.batch / images
    seen = f"each image seen {times:,.0f} times" if times >= 1 else f"{times:.1%} of them seen"
    console.note(
        f"{job.spec.network} on {card.name} ({images} images, "
        f"{len(card.classes)} classes), {recipe.schedule.iterations} iterations at batch "
        f"{recipe.batch}{divided}, {seen}, {recipe.trained_on}, "
        f"preset {recipe.preset}, {start}, on {job.device}"
    )
    if job.start_report:
        console.note(f"{job.start_name}: {job.start_report}")
    for text in plan.notes:
        console.warn(f"{card.name}: {text}")
    for text in recipe.oddities:
        console.warn(text)
    with console.progress("train", "steps") as update:
        yield TrainingView(update)


def evaluation(
    measured: "Measured | MeasuredFile", order: ClassOrder = "id", *, as_json: bool
) -> None:
    """Print an evaluation as a table, the classes of label maps in an order, or as JSON."""
    if as_json:
        console.result_json(measured.to_json())
        return
    result = measured.result
    images = result.images_text if isinstance(result, EvalResult) else f"{result.images} images"
    _scores(f"{result.model} on {result.dataset} {result.split} ({images})", result, order)
    console.result(f"protocol {result.protocol}; weights {result.weights}")
    if (line := measured.line()) is not None:
        console.result(line)
    _notes(result.notes)


def scored(result: PredictionsResult, *, as_json: bool) -> None:
    """Print what somebody's boxes came to, as a table or as JSON."""
    if as_json:
        console.result_json(result.to_json())
        return
    predictions, annotations = PurePath(result.predictions), PurePath(result.annotations)
    title = (
        f"{result.boxes} boxes of {predictions.name} in the {result.images} images of "
        f"{annotations.name}"
    )
    _scores(title, result)
    console.result(
        f"the boxes are those of {predictions}: what found them is not known, and they are held "
        "against no published score"
    )
    _notes(result.notes)


def scored_maps(result: LabelMapsResult, order: ClassOrder, *, as_json: bool) -> None:
    """Print what somebody's label maps came to, as a table or as JSON."""
    if as_json:
        console.result_json(result.to_json())
        return
    folder = PurePath(result.predictions)
    title = f"label maps of {folder.name} in {result.truth} ({result.images_text})"
    _scores(title, result, order)
    console.result(
        f"the maps are those of {folder}, read as {result.ids_text}: what made them is not known, "
        "and they are held against no published score"
    )
    _notes(result.notes)


def worst(measured: "Measured | MeasuredFile", folder: "Path") -> None:
    """Draw the worst images of an evaluation of label maps into a folder, and say so."""
    from topformer_cli import draw
    from topformer_cli.rundir import atomic_write

    result = measured.result
    if measured.looked is None or not isinstance(result, EvalResult) or not result.scores:
        return
    path = folder / "worst.png"
    atomic_write(path, draw.png(measured.looked.draw_worst(result)))
    console.note(f"worst images: {path}")


def confusion(result: ScoredMaps, whose: str, folder: "Path") -> None:
    """Write the confusion matrix of label maps into a folder, and say so."""
    from topformer_cli.api.confusions import write_confusion

    write_confusion(result, whose, folder)
    console.note(f"confusion matrix: {folder / 'confusion.png'}, counts in confusion.csv")


def _scores(
    title: str, result: Result | PredictionsResult | LabelMapsResult, order: ClassOrder = "id"
) -> None:
    maps = result if isinstance(result, ScoredMaps) else None
    table = maps.table(order) if maps else result.table()
    if table.rows:
        console.table(title, table.columns, table.rows)
    else:
        console.result(title)
    console.result(result.summary())
    if maps and maps.scores:
        groups = "   ".join(str(group) for group in maps.found.share_groups)
        console.result(f"mIoU by share of the pixels: {groups}")
    if maps and maps.incomplete:
        console.result(f"incomplete: {maps.incomplete}; the scores are of the others alone")


def _notes(notes: Sequence[str]) -> None:
    for text in notes:
        console.result(f"note: {text}")


def exported(made: "Exported", *, as_json: bool, explain: bool) -> None:
    """Print what an export made, and with explain how the rewrites of the graph went."""
    if as_json:
        console.result_json(made.artifact.manifest.model_dump(mode="json"))
        return
    if explain and made.tnn is not None:
        rewrites(made.tnn)
    artifact(made.artifact)
    console.note(f"next: topformer bench {made.artifact.path} --device host, or --device SERIAL")


def bundled(folder: "Path") -> None:
    """Say where a bundle is and how it is tested; stdout may be a JSON record's."""
    console.note(f"bundle for an app: {folder}; begin with MODEL_CARD.md in it")
    console.note(
        f"test it: c++ -std=c++17 -O2 {folder}/cpp/golden_test.cpp -o golden_test && "
        f"./golden_test {folder}/golden"
    )


def rewrites(made: "TnnWritten") -> None:
    """Print what each rewrite matched, and what it refused and why."""
    for step in made.steps:
        outcome = step.outcome
        what = f"{len(outcome.matched)} matched" if outcome.matched else "nothing matched"
        moved = f", outputs moved by {step.difference:.1e}" if step.difference else ""
        console.result(f"{step.name}: {what}{moved}")
        if outcome.matched:
            console.result(f"  {_some(outcome.matched)}")
        for refusal in outcome.refused:
            console.result(f"  left {refusal.node}: {refusal.reason}")


def _some(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def artifact(exported: "Artifact") -> None:
    """Print the files of an export and how well they agree with the network."""
    manifest = exported.manifest
    for name, parity in manifest.parity.items():
        console.result(f"{name}: {_agreement(parity)}")
    shape = "x".join(str(side) for side in manifest.input.shape)
    console.result(
        f"input {shape}, ends with {manifest.ending}; verified on {manifest.images_text}"
    )
    for text in manifest.notes:
        console.result(text)
    if terms := exported.card.get("data_terms"):
        console.result(f"terms of the data ({exported.card['dataset']}): {terms}")
    for file in manifest.files:
        console.result(f"{exported.path.parent / file.name}  {file.bytes / 1e6:.2f} MB")
    console.result(str(exported.path))


def _agreement(parity: "ParityRecord") -> str:
    if parity.boxes is not None:
        return _same_boxes(parity.boxes)
    return (
        f"max difference {parity.relative:.1e} of max|logits|, "
        f"labels equal {parity.labels_equal:.2%}"
    )


def _same_boxes(boxes: "BoxRecord") -> str:
    others = boxes.found - boxes.same
    apart = others or boxes.same < boxes.expected
    return (
        f"{boxes.same} of the network's {boxes.expected} boxes, {others} others"
        f"{' (where rounding decides: equal scores, or at a limit)' if apart else ''}; "
        f"moved by at most {boxes.px:.1e} pixels and {boxes.score:.1e} in score"
    )


def verification(found: "Verification") -> None:
    """Print how far every runtime lies from the reference."""
    rows = [
        (
            row.runtime,
            f"{row.parity.relative:.1e}",
            f"{row.bound:.0e}",
            *([] if row.parity.labels_equal is None else [f"{row.parity.labels_equal:.2%}"]),
            "yes" if row.holds else "NO",
        )
        for row in found.rows
    ]
    labels = ["labels equal"] if found.artifact.has_classes else []
    title = f"{found.artifact.name} on {found.inputs}\nheld against {found.reference}"
    if boxed := [row for row in found.rows if row.boxes is not None]:
        console.result(title)
        for row in boxed:
            assert row.boxes is not None
            console.result(f"{row.runtime}: {_same_boxes(row.boxes)}")
        return
    columns = ("computed", "difference", "bound", *labels, "holds")
    console.table(title, columns, rows)

    if found.half is not None:
        half(found.half)


def half(report: "HalfReport") -> None:
    """Print what half precision does to a network, by layer."""
    places = dict.fromkeys((*report.tightest(), *report.worst()))
    rows = [
        (
            layer.name,
            layer.type,
            f"{layer.largest:.3g}",
            f"{layer.headroom:.2g}x",
            str(layer.overflows),
            f"{layer.error:.1e}",
        )
        for layer in places
    ]
    title = f"half precision, simulated on {report.images} inputs: the layers to know"
    columns = ("layer", "type", "max|x|", "headroom", "overflows", "error")
    console.table(title, columns, rows, left=(0, 1))
    for output in report.outputs:
        same = "" if output.labels_equal is None else f", labels equal {output.labels_equal:.2%}"
        console.result(f"output {output.name}: error {output.error:.1e} of its maximum{same}")
    for name in report.weights:
        console.result(f"weights of {name} do not fit half precision")
    first = report.first_overflow
    console.result(
        f"overflow: first in layer {first.name} ({first.type}, max|x| {first.largest:.3g}); "
        "`topformer export --rescale` scales such layers where that is exact, "
        "`bench --precision fp32` avoids half precision"
        if first
        else "overflow: none"
    )


def bench(result: BenchResult) -> None:
    """Print a measurement: the number with everything it depends on, then the rounds."""
    rows = [
        (str(index), *(f"{value:.2f}" for value in (one.min_ms, one.mean_ms, one.max_ms)))
        for index, one in enumerate(result.rounds, 1)
    ]
    times = "ms of the emulator" if result.emulated else "ms"
    console.table(f"rounds ({times})", ("round", "min", "mean", "max"), rows)
    console.result(result.latency_statement())
    if result.parity is not None:
        console.result(
            f"output agrees with the reference: max difference {result.parity['relative']:.1e} of "
            f"max|logits|, labels equal {result.parity['labels_equal']:.2%}"
        )
    console.result(f"verdict: {result.verdict}")
    _notes(result.notes)
