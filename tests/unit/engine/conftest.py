"""A prepared set of small scenes and short trainings on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from topformer_cli.data.prepare import prepare
from topformer_cli.data.scenes import make_scenes, scenes_request
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.tasks import model_spec
from topformer_cli.engine.train import TrainJob
from topformer_cli.recipe import Choices, Recipe, load_recipe
from topformer_cli.results import Result, StepRecord

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
    evaluations: list[tuple[int, bool]] = field(default_factory=list)

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

    def evaluated(self, step: int, result: Result, *, best: bool) -> None:
        assert 0 <= result.headline.value <= 100
        self.evaluations.append((step, best))

    def note(self, text: str) -> None:
        raise AssertionError(text)


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
    return TrainJob(recipe, prepared, spec, torch.device("cpu"), workers=0)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    return prepare_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def job(prepared: PreparedSet) -> MakeJob:
    def make(*overrides: str) -> TrainJob:
        return make_job(prepared, *overrides)

    return make
