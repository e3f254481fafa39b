"""Sizes x inputs x engines on my phone: export, verify, measure, evaluate, and what fits a budget.

<work-dir>/sweep/<device>/
    exports/                      what was measured
    untrained/<size>.safetensors  where no run of a size is there
    points/<size>-<HxW>-<engine>.json     one measurement; its key says whether it still holds
    miou/<size>-<HxW>.json
    sweep.json  pareto.png
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from topformer_cli.api.bench_records import require_place
from topformer_cli.api.benching import BenchChoices, Engine, Subject, Target, bench, find_targets
from topformer_cli.api.exporting import ExportChoices, export_model, export_name
from topformer_cli.api.models import Model, ModelSource, load_model, newest_of_size, segmenter
from topformer_cli.api.sets import open_set
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.protocol import EvalSettings
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.engine.evaluate import Split, evaluate
from topformer_cli.errors import (
    DataError,
    ExportError,
    MeasurementError,
    TopformerError,
    UsageError,
)
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.inference import check_input_size
from topformer_cli.models.spec import ModelSpec, SizeName
from topformer_cli.recipe import DEFAULT_RECIPE
from topformer_cli.report.sweep_plots import pareto_plot
from topformer_cli.results import BenchResult, BenchSession, DeviceFacts, SweepPoint
from topformer_cli.rundir import atomic_write, file_sha256, write_json

UNTRAINED_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepChoices:
    """What is swept. evaluate: measure mIoU too, where trained weights and a prepared set exist."""

    sizes: tuple[SizeName, ...]
    inputs: tuple[tuple[int, int], ...]
    engines: tuple[Engine, ...]
    bench: BenchChoices
    budget_ms: float | None = None
    evaluate: bool = True
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Swept:
    """The points, what failed and why, the sizes that were untrained, and where it all lies."""

    points: tuple[SweepPoint, ...]
    failures: tuple[str, ...]
    untrained: tuple[str, ...]
    folder: Path


class SweepView:
    """What a sweep tells while it runs; the base tells nothing."""

    def begins(self, number: int, total: int, what: str) -> None:
        """A point begins."""

    def reused(self, what: str) -> None:
        """A point was measured before and still holds."""

    def failed(self, what: str) -> None:
        """A point could not be measured."""

    def advance(self, done: float, total: float, text: str) -> None:
        """A measurement or an evaluation goes on."""


def sweep(choices: SweepChoices, view: SweepView) -> Swept:
    """Measure every size at every input on every engine; what is there already is not repeated.

    A point that fails is told and left out; an interrupted sweep goes on where it was.

    Raises:
        DeviceError: no phone, or no runner for it.
        UsageError: several phones, an engine that does not go with the device, or an input size
            that no network takes.
        TopformerError: nothing at all could be measured; the first reason of several.
    """
    require_place(choices.bench.places)
    for sides in choices.inputs:
        _require_size(*sides)
    machines: dict[Engine, Target] = {}
    for engine in choices.engines:
        found = find_targets(replace(choices.bench, engine=engine))
        if len(found) > 1:
            message = "a sweep is of one device; name it with --device SERIAL"
            raise UsageError(message)
        machines[engine] = found[0]
    facts = next(iter(machines.values())).station.facts()
    run = _Sweep(choices, facts, view)
    cells = [(size, input_hw) for size in choices.sizes for input_hw in choices.inputs]
    for number, (size, input_hw) in enumerate(cells, 1):
        view.begins(number, len(cells), f"{size} {_sides(input_hw)}")
        try:
            run.cell(size, input_hw, machines)
        except (ExportError, DataError) as error:
            run.fail(f"{size} {_sides(input_hw)}", error)
    return run.finish()


def _require_size(height: int, width: int) -> None:
    try:
        check_input_size(height, width)
    except UsageError as error:
        message = f"--inputs: {error}"
        raise UsageError(message) from error


class _Sweep:
    def __init__(self, choices: SweepChoices, facts: DeviceFacts, view: SweepView) -> None:
        self.choices = choices
        self.facts = facts
        words = "".join(c if c.isalnum() else "-" for c in facts.serial or facts.kind)
        self.folder = choices.bench.places.work_dir / "sweep" / words
        self.view = view
        self.points: list[SweepPoint] = []
        self.failures: list[str] = []
        self.errors: list[TopformerError] = []
        self.untrained: set[str] = set()

    def cell(
        self, size: SizeName, input_hw: tuple[int, int], machines: Mapping[Engine, Target]
    ) -> None:
        """Measure one size at one input on all engines."""
        model, trained = self._model(size)
        artifact = self._export(model, input_hw, {one.format for one in machines.values()})
        adds = cost_by_part(model.network, *input_hw)[-1].multiply_adds
        miou = self._miou(model, input_hw) if trained and self.choices.evaluate else None
        for engine, target in machines.items():
            what = f"{size} {_sides(input_hw)} {engine}"
            try:
                session = self._measured(Subject(artifact, model), engine, target, what)
            except (ExportError, MeasurementError) as error:
                self.fail(what, error)
                continue
            for result in session.results:
                if result.summary is not None:
                    point = _point(result, size, input_hw)
                    self.points.append(replace(point, miou=miou, multiply_adds=adds))

    def fail(self, what: str, error: TopformerError) -> None:
        """Tell of a point that could not be measured."""
        self.errors.append(error)
        self.failures.append(f"{what}: {error}")
        self.view.failed(self.failures[-1])

    def finish(self) -> Swept:
        """Write the table of points and its picture; raise the first failure if there is none."""
        if self.errors and not self.points:
            raise self.errors[0]
        record = {"points": [asdict(one) for one in self.points], "failures": self.failures}
        write_json(self.folder / "sweep.json", record)
        picture = pareto_plot(self.points, budget_ms=self.choices.budget_ms)
        atomic_write(self.folder / "pareto.png", picture)
        untrained = tuple(sorted(self.untrained))
        return Swept(tuple(self.points), tuple(self.failures), untrained, self.folder)

    def _model(self, size: SizeName) -> tuple[Model, bool]:
        """Return the newest trained model of a size, or an untrained one, and which it is."""
        places = self.choices.bench.places
        if (run := newest_of_size(size, places)) is not None:
            return load_model(ModelSource(run.path, places=places, tasks=("segmentation",))), True
        self.untrained.add(size)
        path = self.folder / "untrained" / f"{size}.safetensors"
        if not path.is_file():
            _write_untrained(path, size)
        return load_model(ModelSource(path, places=places)), False

    def _export(self, model: Model, input_hw: tuple[int, int], formats: set[str]) -> Artifact:
        """Return the export at this input, made if it is not there or of older weights."""
        wanted = tuple(sorted({"onnx", "tnn", *formats}))
        folder = self.folder / "exports"
        choices = ExportChoices(formats=wanted, input_hw=input_hw, output_dir=folder)
        path = folder / f"{export_name(model.spec, input_hw, choices)}.json"
        try:
            artifact = load_artifact(path)
        except ExportError:
            artifact = None
        if (
            artifact is not None
            and set(wanted) <= set(artifact.formats)
            and artifact.manifest.source.sha256 == file_sha256(model.file)
        ):
            return artifact
        return export_model(model, choices, self.choices.bench.places).artifact

    def _measured(
        self, subject: Subject, engine: Engine, target: Target, what: str
    ) -> BenchSession:
        """Return the measurement of a point, from the disk where it still holds."""
        path = self.folder / "points" / f"{what.replace(' ', '-')}.json"
        key = _key(subject.artifact, self.choices.bench, target, self.facts)
        held = None if self.choices.fresh else _held(path, key)
        if held is not None:
            with contextlib.suppress(DataError):  # a record of an older version is measured anew
                session = BenchSession.from_json(held)
                self.view.reused(what)
                return session
        choices = replace(self.choices.bench, engine=engine)
        session = bench([subject], choices, [target], self.view.advance).session
        write_json(path, {"key": key, "value": session.to_json()})
        return session

    def _miou(self, model: Model, input_hw: tuple[int, int]) -> float | None:
        """Measure mIoU with images stretched to the input, as an app feeds them."""
        try:
            prepared = open_set(model.recipe.dataset, self.choices.bench.places)
        except DataError:
            return None
        path = self.folder / "miou" / f"{model.spec.variant}-{_sides(input_hw)}.json"
        key = f"{file_sha256(model.file)} {prepared.card.name}"
        if (held := _held(path, key)) is not None:
            return None if held["miou"] is None else float(held["miou"])
        height, width = input_hw
        settings = EvalSettings(resize="stretch", scale=(width, height), multiple=1)
        fitted = replace(segmenter(model, "auto"), settings=settings)

        def progress(done: int, total: int) -> None:
            self.view.advance(done, total, f"mIoU on {prepared.card.name}")

        result = evaluate(fitted, Split(prepared, "val"), str(model.file), progress)
        write_json(path, {"key": key, "value": result.to_json()})
        return result.found.miou


def _point(result: BenchResult, size: SizeName, input_hw: tuple[int, int]) -> SweepPoint:
    assert result.summary is not None
    return SweepPoint(
        label=f"{size} {_sides(input_hw)}",
        size=size,
        input=input_hw,
        engine=result.engine,
        precision=result.precision,
        device=result.device.name,
        median_ms=result.summary.median_ms,
        p90_ms=result.summary.p90_ms,
        verdict=result.verdict,
        multiply_adds=0,
    )


def _write_untrained(path: Path, size: SizeName) -> None:
    """Write a freshly initialised network for ADE20K: its latency is that of a trained one."""
    data = DATASETS[DEFAULT_RECIPE]
    spec = ModelSpec(
        task="segmentation",
        size=size,
        fuse=None,
        classes=data.classes,
        palette=data.palette,
        input_size=(512, 512),
        dataset=data.name,
        data_terms="",
    )
    torch.manual_seed(UNTRAINED_SEED)
    weights = build_model(spec).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, Checkpoint(spec, weights, {"report": "untrained"}))


def _key(artifact: Artifact, choices: BenchChoices, target: Target, facts: DeviceFacts) -> str:
    """Return what a measurement depends on, as a hash."""
    conditions = {
        "files": sorted(file.sha256 for file in artifact.manifest.files),
        "runner": [target.runner.sha256, target.runner.origin],
        "device": [facts.serial, facts.model, facts.fingerprint, facts.kernel],
        "precisions": choices.precisions or target.usual_precisions,
        "how": [choices.accelerator, choices.threads, choices.core, choices.mask, choices.parity],
        "protocol": asdict(choices.protocol),
    }
    return hashlib.sha256(json.dumps(conditions).encode()).hexdigest()


def _held(path: Path, key: str) -> dict[str, Any] | None:
    """Return what a file of the sweep holds, None when it is of something else or damaged."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record["value"] if isinstance(record, dict) and record.get("key") == key else None


def _sides(input_hw: tuple[int, int]) -> str:
    return "x".join(str(side) for side in input_hw)
