"""Every task trains, is stopped, goes on as if it had not been, and is measured by one loop.

A new task has its line in TASKS and, with a small set, in SETS here.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.fakes.coco_tree import make_coco
from tests.fakes.ilsvrc import make_ilsvrc
from tests.unit.engine.conftest import SHORT, Watcher, prepare_scenes
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.tasks import TASKS, make_task, model_spec
from topformer_cli.engine.train import train
from topformer_cli.errors import DataError, Stopped
from topformer_cli.models.build import BUILDERS
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName
from topformer_cli.recipe import RECIPES, Choices, Recipe, load_recipe, parse_resolved
from topformer_cli.rundir import RunDir, new_run


def known_set(name: str, folder: Path, root: Path) -> PreparedSet:
    cache = folder / "cache"
    prepare(KnownRequest(spec=DATASETS[name], folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open(name, cache)


def classes(folder: Path) -> PreparedSet:
    return known_set("imagenet", folder, make_ilsvrc(folder, 3, 4, form="folders"))


def boxes(folder: Path) -> PreparedSet:
    return known_set("coco", folder, make_coco(folder, 8, 6))


@dataclass(frozen=True, slots=True)
class Small:
    """A small set for a task, and the recipe that trains on it within seconds."""

    make: Callable[[Path], PreparedSet]
    recipe: str
    overrides: tuple[str, ...]


SETS = {
    "segmentation": Small(prepare_scenes, "scenes", SHORT),
    "detection": Small(
        boxes, "coco-retinanet",
        (
            "batch=2", "augment.scale=[96,64]", "augment.least_short=64",
            "evaluation.scale=[96,64]",
        ),
    ),
    "classification": Small(
        classes, "imagenet",
        (
            "batch=2", "augment.crop=[64,64]", "augment.mixup=0.2", "evaluation.crop=[64,64]",
            "evaluation.short_side=73",
        ),
    ),
}  # fmt: skip
QUICK = ("schedule.iterations=2", "schedule.warmup=1", "evaluation.every=1")
EVERY = pytest.mark.parametrize("name", TASKS)


def recipe(name: str, size: SizeName = "tiny") -> Recipe:
    small = SETS[name]
    return load_recipe(small.recipe, Choices(size, None, (*small.overrides, *QUICK)))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreparedSet]:
    return {name: SETS[name].make(tmp_path_factory.mktemp(name)) for name in TASKS}


@pytest.fixture
def job(prepared: dict[str, PreparedSet]) -> Callable[[str], TrainJob]:
    def make(name: str) -> TrainJob:
        spec = model_spec(recipe(name), prepared[name].card)
        return TrainJob(recipe(name), prepared[name], spec, FeedOptions(device=torch.device("cpu")))

    return make


def test_every_table_has_every_task() -> None:
    assert set(TASKS) == set(RECIPES) == set(BUILDERS)
    assert set(TASKS) <= set(SETS)


def silent(done: int, total: int) -> None:
    assert 0 < done <= total


def weights(run: RunDir, which: str = "last") -> dict[str, Tensor]:
    return dict(load_checkpoint(run.weights(which)).weights)


@EVERY
def test_stopped_and_resumed_equals_uninterrupted(
    job: Callable[[str], TrainJob], tmp_path: Path, name: str
) -> None:
    whole, parts = (new_run(tmp_path, "train", part) for part in ("whole", "parts"))
    watcher = Watcher()
    train(job(name), whole, watcher)
    assert [step for step, _ in watcher.evaluations] == [1, 2]
    assert all(value.isfinite().all() for value in weights(whole).values())
    with pytest.raises(Stopped):
        train(job(name), parts, Watcher(lambda _: os.kill(os.getpid(), signal.SIGINT)))
    torch.manual_seed(99)
    train(job(name), parts, Watcher(), resume=True)
    one, other = weights(whole), weights(parts)
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert whole.result.read_text() == parts.result.read_text()


@EVERY
def test_a_checkpoint_is_a_network_that_is_measured(
    job: Callable[[str], TrainJob], tmp_path: Path, name: str
) -> None:
    made = job(name)
    run = new_run(tmp_path, "train", name)
    final = train(made, run, Watcher())
    checkpoint = load_checkpoint(run.weights("last"))
    assert checkpoint.spec == made.spec
    assert parse_resolved(checkpoint.origin["recipe"], "it") == made.recipe
    network = build_from(checkpoint, "last")
    task = make_task(made.recipe, made.prepared, checkpoint.spec)
    result = task.evaluate(network, "val", "it", silent)
    assert result.scores == final.scores
    assert result.headline.value == result.scores[result.headline.key]
    assert 0 <= result.headline.value <= 100
    assert (result.dataset, result.split) == (made.prepared.card.name, "val")
    assert result.images == made.prepared.length("val")
    assert str(result.headline) in result.summary()
    table = result.table()
    assert {len(row) for row in table.rows} <= {len(table.columns)}
    assert result.to_json()[result.headline.key] == result.headline.value


@EVERY
def test_batches_depend_on_seed_and_step_alone(job: Callable[[str], TrainJob], name: str) -> None:
    made = job(name)
    feed = make_task(made.recipe, made.prepared, made.spec).feed(made.options)
    before = torch.random.get_rng_state()
    whole = [part.tensors for (part,) in feed.batches(0, 3)]
    later = [part.tensors for (part,) in feed.batches(2, 3)]
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(whole[2], later[0], strict=True))
    images, *targets = whole[0]
    assert (images.shape[3], images.dtype) == (3, torch.uint8)
    assert all(isinstance(target, Tensor) for target in targets)


@EVERY
@pytest.mark.parametrize("size", SIZES)
def test_a_card_is_all_that_a_network_needs(
    prepared: dict[str, PreparedSet], name: str, size: SizeName
) -> None:
    spec = model_spec(recipe(name, size), prepared[name].card)
    assert (spec.task, spec.size) == (name, size)
    read = ModelSpec.from_json(spec.to_json(), "it")
    assert read == spec
    costs = cost_by_part(BUILDERS[name](read, 0.0, 0.0), 64, 64)
    assert sum(cost.parameters for cost in costs[:-1]) == costs[-1].parameters > 0


@EVERY
def test_a_set_of_another_task_is_refused(prepared: dict[str, PreparedSet], name: str) -> None:
    other = next(one for task, one in prepared.items() if task != name)
    spec = model_spec(recipe(name), prepared[name].card)
    with pytest.raises(DataError, match=f"it is for {other.card.task}, not for {name}"):
        make_task(recipe(name), other, spec)
