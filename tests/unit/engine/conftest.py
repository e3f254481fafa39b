"""A prepared set of small scenes and short trainings on it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from topformer_cli.data.prepare import prepare
from topformer_cli.data.scenes import make_scenes, scenes_request
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.examples import Example
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.observer import Standing
from topformer_cli.engine.tasks import model_spec
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.recipe import Choices, Recipe, load_recipe
from topformer_cli.results import Result, StepRecord
from topformer_cli.rundir import RunDir

SHORT = (
    "batch=2", "augment.crop=[64,64]", "augment.scale=[384,64]", "evaluation.scale=[384,64]",
    "evaluation.every=4", "schedule.iterations=6", "schedule.warmup=2", "model.dropout=0.1",
    "model.drop_path=0.2",
)  # fmt: skip
"""Overrides of the scenes recipe; dropout makes the random state matter."""

MakeJob = Callable[..., TrainJob]


@dataclass(slots=True)
class Watcher:
    """An observer that remembers, and acts after a step."""

    after_step: Callable[[int], None] = lambda _: None
    steps: list[int] = field(default_factory=list)
    records: list[StepRecord] = field(default_factory=list)
    evaluations: list[tuple[int, Standing]] = field(default_factory=list)
    pictures: dict[int, list[str]] = field(default_factory=dict)

    def started(self, step: int, total: int) -> None:
        assert step <= total
        self.steps.append(step)

    def stepped(self, step: int) -> None:
        self.steps.append(step)
        self.after_step(step)

    def logged(self, record: StepRecord) -> None:
        self.records.append(record)

    def evaluating(self, done: int, total: int) -> None:
        assert 0 < done <= total

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        assert 0 <= result.headline.value <= 100
        self.evaluations.append((step, standing))

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        self.pictures[step] = [one.id for one in examples]

    def note(self, text: str) -> None:
        raise AssertionError(text)


MEASURED = ("images_per_s", "wait_share", "memory_mb", "eta_s")


def metrics(run: RunDir) -> list[dict[str, Any]]:
    """The records, without what a clock or the memory says."""
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [{k: v for k, v in one.items() if k not in MEASURED} for one in records]


def same_weights(one: Path, other: Path) -> list[str]:
    """The names of weights that differ between two checkpoints."""
    first, second = (load_checkpoint(path).weights for path in (one, other))
    assert first.keys() == second.keys()
    return [name for name in first if not torch.equal(first[name], second[name])]


def prepare_scenes(folder: Path) -> PreparedSet:
    """Render and prepare six scenes for training and two for validation."""
    make_scenes(folder / "raw", 6, 2, (64, 96), 0)
    prepare(scenes_request(folder / "raw", "little-scenes", folder / "cache"))
    return PreparedSet.open("little-scenes", folder / "cache")


def short_recipe(*overrides: str) -> Recipe:
    """The scenes recipe, cut down to a second of work."""
    return load_recipe("scenes", Choices("tiny", None, (*SHORT, *overrides)))


def make_job(prepared: PreparedSet, *overrides: str) -> TrainJob:
    """A training on the CPU without loader processes."""
    recipe = short_recipe(*overrides)
    spec = model_spec(recipe, prepared.card)
    return TrainJob(recipe, prepared, spec, FeedOptions(device=torch.device("cpu")))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    return prepare_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def job(prepared: PreparedSet) -> MakeJob:
    def make(*overrides: str) -> TrainJob:
        return make_job(prepared, *overrides)

    return make
