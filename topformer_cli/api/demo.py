"""The whole road on this machine: render, prepare, train, evaluate, export, bench, report."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from PIL import Image

from topformer_cli import __version__, draw
from topformer_cli.api import demo_set
from topformer_cli.api.benching import HOST, BenchChoices, Subject, bench, find_targets
from topformer_cli.api.evaluating import EvalRequest, evaluate_model
from topformer_cli.api.exporting import ExportChoices, export_model
from topformer_cli.api.models import Model, ModelSource, load_model, segmenter
from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.training import TrainPlan, TrainRequest, plan_training, run_training
from topformer_cli.bench.protocol import Protocol as Repetitions
from topformer_cli.cache import cache_dir
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.engine.observer import Observer
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.spec import SizeName
from topformer_cli.recipe import DEFAULT_SIZE, Choices
from topformer_cli.report.page import render_page
from topformer_cli.report.records import Example, ReportData, Stage, TrainingFacts, read_curves
from topformer_cli.results import BenchResult, EvalResult
from topformer_cli.rundir import RunDir, atomic_write, write_json

STAGES: Final = (
    "render scenes",
    "prepare the set",
    "train",
    "evaluate",
    "export to ONNX and TNN",
    "bench on this host",
    "draw and report",
)


BRIEF = Repetitions(warmup_s=1.0, round_s=1.0)
"""A demo does not wait long for a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """How much the demo does; scene_hw is (height, width) in pixels.

    overrides go to the recipe as -o does. least_miou is what a working installation reaches.
    began is the monotonic clock when the command began.
    """

    size: SizeName = DEFAULT_SIZE
    seed: int = 0
    train_scenes: int = 360
    val_scenes: int = 60
    scene_hw: tuple[int, int] = (192, 256)
    overrides: tuple[str, ...] = ()
    repetitions: Repetitions = BRIEF
    examples: int = 6
    least_miou: float = 60.0
    places: Places = USUAL
    began: float = field(default_factory=time.monotonic)


class Watcher(Protocol):
    """The terminal, or anything else that follows a demo."""

    def working(self, number: int, title: str) -> AbstractContextManager[Callable[..., None]]:
        """Stage `number`, counted from 1, is at work; gives update(done, total)."""
        ...

    def finished(self, number: int, stage: Stage) -> None:
        """A stage is done."""
        ...

    def opened(self, run: RunDir) -> None:
        """The folder of the demo's results exists from now on."""
        ...

    def observer(self, update: Callable[..., None]) -> Observer:
        """Give what follows the training inside its stage."""
        ...


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo made: the records, the page and the picture."""

    data: ReportData
    run: RunDir
    page: Path
    picture: Path

    def to_json(self) -> dict[str, Any]:
        """Return the plain record of everything but the pictures."""
        data = self.data
        return {
            "run": str(self.run.path),
            "page": str(self.page),
            "picture": str(self.picture),
            "created": data.created,
            "seconds": round(data.seconds, 1),
            "parameters": data.parameters,
            "multiply_adds": data.multiply_adds,
            "least_miou": data.least_miou,
            "good_enough": data.good_enough,
            "training": asdict(data.training),
            "evaluation": data.evaluation.to_json(),
            "export": dict(data.manifest),
            "bench": asdict(data.bench),
            "stages": [asdict(stage) for stage in data.stages],
        }


@dataclass(slots=True)
class _Work:
    """A stage at work: how to tell its progress, and what came of it."""

    update: Callable[..., None]
    outcome: str = ""


class _Road:
    """The stages in their order, timed."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.stages: list[Stage] = []

    @contextlib.contextmanager
    def stage(self) -> Iterator[_Work]:
        title, begun = STAGES[len(self.stages)], time.monotonic()
        with self.watcher.working(len(self.stages) + 1, title) as update:
            work = _Work(update)
            yield work
        done = Stage(title, time.monotonic() - begun, work.outcome)
        self.stages.append(done)
        self.watcher.finished(len(self.stages), done)


def run_demo(settings: DemoSettings, watcher: Watcher) -> DemoResult:
    """Go the whole road; everything it makes is one run folder, `<work_dir>/demo/<name>-NNN`.

    A mIoU below settings.least_miou is in the result; it is the caller's to refuse.

    Raises:
        DataError: the cache cannot be written, or another demo is using it.
        Stopped: SIGINT or SIGTERM came during training.
        ParityError: an exported file does not compute the same.
    """
    road = _Road(watcher)
    _make_set(settings, road)
    plan = _plan(settings)
    watcher.opened(plan.run)
    _train(plan, road)
    model = load_model(ModelSource(plan.run.path, places=settings.places))
    evaluation = _evaluate(model, settings, plan.run, road)
    artifact = _export(model, settings, road)
    latency = _bench(artifact, settings, plan.run, road)
    return _report(_Parts(settings, plan, model, evaluation, artifact, latency), road)


def _make_set(settings: DemoSettings, road: _Road) -> None:
    cache = cache_dir(settings.places.cache)
    height, width = settings.scene_hw
    scenes = demo_set.Scenes(
        settings.train_scenes, settings.val_scenes, settings.scene_hw, settings.seed
    )
    with demo_set.sole_user(cache) as folder:
        source = folder / demo_set.SET_NAME
        with road.stage() as work:
            fresh = demo_set.render(scenes, source, work.update)
            kept = "" if fresh else ", kept from an earlier demo"
            work.outcome = f"{scenes.train} + {scenes.val} of {width}x{height}{kept}"
        with road.stage() as work:
            card, fresh = demo_set.prepare(source, cache, work.update)
            kept = "" if fresh else ", already prepared"
            work.outcome = f"{len(card.classes)} classes: {', '.join(card.classes)}{kept}"


def _plan(settings: DemoSettings) -> TrainPlan:
    overrides = (f"seed={settings.seed}", *settings.overrides)
    choices = Choices(settings.size, overrides=overrides)
    return plan_training(
        TrainRequest(demo_set.SET_NAME, choices, workers=0, places=settings.places, command="demo")
    )


def _train(plan: TrainPlan, road: _Road) -> None:
    recipe = plan.job.recipe
    with road.stage() as work:
        run_training(plan, road.watcher.observer(work.update))
        work.outcome = (
            f"TopFormer-{recipe.size} from scratch, {recipe.schedule.iterations} steps at batch "
            f"{recipe.batch} on {plan.job.device}"
        )


def _evaluate(model: Model, settings: DemoSettings, run: RunDir, road: _Road) -> EvalResult:
    with road.stage() as work:
        result = evaluate_model(model, EvalRequest(places=settings.places), work.update).result
        assert isinstance(result, EvalResult)
        write_json(run.path / f"eval-{result.dataset}-{result.split}.json", result.to_json())
        work.outcome = f"{result.headline} on {result.images} validation scenes"
    return result


def _export(model: Model, settings: DemoSettings, road: _Road) -> Artifact:
    with road.stage() as work:
        choices = ExportChoices(input_hw=settings.scene_hw)
        artifact = export_model(model, choices, settings.places).artifact
        work.outcome = ", ".join(
            f"{name.upper()} verified to {parity.relative:.1e}"
            for name, parity in artifact.manifest.parity.items()
        )
    return artifact


def _bench(artifact: Artifact, settings: DemoSettings, run: RunDir, road: _Road) -> BenchResult:
    with road.stage() as work:
        inside = Places(run.path, settings.places.cache)
        choices = BenchChoices(devices=(HOST,), protocol=settings.repetitions, places=inside)
        targets = find_targets(choices)
        [result] = bench([Subject(artifact)], choices, targets, work.update).session.results
        if result.summary is not None:
            work.outcome = f"{result.summary.median_ms:.2f} ms median, {result.verdict}"
    return result


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the stages before the last one made."""

    settings: DemoSettings
    plan: TrainPlan
    model: Model
    evaluation: EvalResult
    artifact: Artifact
    latency: BenchResult


def _report(made: _Parts, road: _Road) -> DemoResult:
    run = made.plan.run
    page, picture = run.path / "report.html", run.path / "overlays.png"
    with road.stage() as work:
        examples = _examples(made.model, made.settings, work.update)
        data = _data(made, examples, road.stages)
        atomic_write(picture, draw.png(_sheet(examples, data.legend)))
        atomic_write(page, render_page(data))
        result = DemoResult(data, run, page, picture)
        write_json(run.path / "demo.json", result.to_json())
        work.outcome = str(page)
    return result


def _examples(
    model: Model, settings: DemoSettings, update: Callable[..., None]
) -> tuple[Example, ...]:
    """Segment the first pictures of the validation part."""
    prepared = open_set(demo_set.SET_NAME, settings.places)
    see, card = segmenter(model, "auto"), prepared.card
    examples = []
    total = min(settings.examples, prepared.length("val"))
    for index in range(total):
        sample = prepared.sample("val", index)
        image = decode_image(sample.image)
        truth, predicted = decode_mask(sample.mask, card.id_map), see(image)
        right = (truth == predicted)[truth != card.ignore_index]
        examples.append(Example(sample.id, image, truth, predicted, float(right.mean())))
        update(index + 1, total)
    return tuple(examples)


def _sheet(examples: tuple[Example, ...], legend: draw.Legend) -> Image.Image:
    rows = [
        (
            one.image,
            draw.overlay(one.image, one.truth, legend),
            draw.overlay(one.image, one.predicted, legend),
        )
        for one in examples
    ]
    return draw.contact_sheet(rows, ("scene", "truth", "prediction"))


def _data(made: _Parts, examples: tuple[Example, ...], stages: list[Stage]) -> ReportData:
    plan, settings, spec = made.plan, made.settings, made.model.spec
    recipe, card = plan.job.recipe, plan.job.prepared.card
    cost = cost_by_part(made.model.network, *settings.scene_hw)[-1]
    finished = json.loads(plan.run.result.read_bytes())
    return ReportData(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        version=__version__,
        run=str(plan.run.path),
        seconds=time.monotonic() - settings.began,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        training=TrainingFacts(
            train_images=card.counts["train"],
            val_images=card.counts["val"],
            iterations=recipe.schedule.iterations,
            best_step=finished["best_step"],
            batch=recipe.batch,
            crop=recipe.input_size,
            seed=recipe.seed,
            device=str(plan.job.device),
        ),
        evaluation=made.evaluation,
        curves=read_curves(plan.run.metrics),
        legend=draw.Legend(spec.classes, spec.palette),
        val_shares=card.class_shares("val"),
        examples=examples,
        manifest=made.artifact.manifest.model_dump(mode="json"),
        bench=made.latency,
        stages=tuple(stages),
        least_miou=settings.least_miou,
    )
