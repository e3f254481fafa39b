"""A head that is trained beside a network's own, and is nowhere else."""

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.unit.engine.conftest import SHORT, Watcher, metrics, same_weights
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
from topformer_cli.engine.optim import build_optimizer
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.state import TrainState
from topformer_cli.engine.tasks import make_task, model_spec, sketched_spec
from topformer_cli.engine.train import start_state, train
from topformer_cli.errors import RecipeError, Stopped
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.beside import BothLogits, lasting_state
from topformer_cli.models.build import build_model, build_trained
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.models.start import fit_start
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.rundir import new_run
from topformer_cli.sections.segmentation import SegmentationRecipe

NETWORK = "raspp-mobilenetv2"
SGD = ("optimizer.kind=sgd", "optimizer.lr=0.01", "ema=0.9")


def recipe(*overrides: str, network: str = NETWORK) -> SegmentationRecipe:
    settings = (*SHORT, f"model.network={network}", "model.auxiliary=0.4", *overrides)
    found = load_recipe("scenes", Choices(None, None, settings))
    assert isinstance(found, SegmentationRecipe)
    return found


def make(prepared: PreparedSet, *overrides: str) -> tuple[TrainJob, SegmentationTask, TrainState]:
    own = recipe(*overrides)
    spec = model_spec(own, prepared.card)
    job = TrainJob(own, prepared, spec, FeedOptions(device=torch.device("cpu")))
    task = make_task(own, prepared, spec)
    assert isinstance(task, SegmentationTask)
    return job, task, start_state(job, task)


def test_the_loss_is_that_of_both_heads(prepared: PreparedSet) -> None:
    _, task, state = make(prepared, "model.dropout=0.0")
    images = torch.randn(2, 3, 64, 64)
    labels = torch.randint(0, 7, (2, 64, 64), dtype=torch.uint8)
    network = state.network
    found = network(images)
    assert isinstance(found, BothLogits)
    assert found.beside.shape == (2, 7, 4, 4)
    pixels = pixel_count(labels, "all_pixels")
    own, beside = (upsampled_cross_entropy(one, labels, pixels) for one in found)
    loss = task.loss(network, images, (labels,)).loss
    torch.testing.assert_close(loss, own + 0.4 * beside)
    loss.backward()
    assert [name for name, one in network.named_parameters() if one.grad is None] == []
    assert isinstance(network.eval()(images), torch.Tensor)


def test_a_compiled_network_returns_the_same(prepared: PreparedSet) -> None:
    _, task, state = make(prepared, "model.dropout=0.0")
    network = state.network
    compiled = torch.compile(network, backend="eager", dynamic=False)
    images = torch.randn(2, 3, 64, 64)
    labels = torch.randint(0, 7, (2, 64, 64), dtype=torch.uint8)
    assert isinstance(compiled(images), BothLogits)
    first, second = (task.loss(one, images, (labels,)).loss for one in (network, compiled))
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("name", [key for key, row in BASELINES.items() if row.auxiliary])
def test_it_looks_at_the_map_that_the_table_says(name: str) -> None:
    own = recipe(network=name)
    row = BASELINES[name]
    spec = sketched_spec(own, 7)
    network = build_trained(spec, 0.0, 0.0)
    found = network(torch.randn(2, 3, 64, 64))
    side = 64 // min(row.stride, 16)
    assert found.beside.shape == (2, 7, side, side)
    assert lasting_state(network).keys() == build_model(spec).state_dict().keys()


def test_the_head_beside_does_not_change_where_the_others_begin(prepared: PreparedSet) -> None:
    with_it, without = (make(prepared, f"model.auxiliary={one}")[2].network for one in (0.4, 0))
    first, second = lasting_state(with_it), without.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_a_resumed_training_equals_an_uninterrupted_one(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    whole, parts = (new_run(tmp_path, "train", name) for name in ("whole", "parts"))
    train(make(prepared, *SGD)[0], whole, Watcher())
    stop = Watcher(lambda now: os.kill(os.getpid(), signal.SIGINT) if now == 3 else None)
    with pytest.raises(Stopped):
        train(make(prepared, *SGD)[0], parts, stop)
    torch.manual_seed(9)
    train(make(prepared, *SGD)[0], parts, Watcher(), resume=True)
    assert same_weights(whole.weights("last"), parts.weights("last")) == []
    assert metrics(whole) == metrics(parts)
    states = [torch.load(run.state, weights_only=True)["network"] for run in (whole, parts)]
    beside = [name for name in states[0] if name.startswith("auxiliary.")]
    assert len(beside) == 8
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_checkpoint_is_the_network_alone_and_begins_another(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    run = new_run(tmp_path, "train", "short")
    job = make(prepared, *SGD, "schedule.iterations=1", "schedule.warmup=0")[0]
    result = train(job, run, Watcher())
    checkpoint = load_checkpoint(run.weights("last"))
    network = build_from(checkpoint, "last")
    again = make_task(job.recipe, prepared, job.spec).evaluate(
        network, "val", "it", lambda *_: None
    )
    assert again.scores == result.scores
    start = fit_start(checkpoint, job.spec, "last")
    assert start.report.complete


def test_it_learns_as_fast_as_the_head(prepared: PreparedSet) -> None:
    own = recipe("optimizer.kind=adamw", "optimizer.head_lr_factor=10.0")
    network = make(prepared)[2].network
    rest, heads = build_optimizer(network, own.optimizer).param_groups
    parts = (network.get_submodule(name) for name in ("head", "auxiliary"))
    assert {id(p) for p in heads["params"]} == {id(p) for one in parts for p in one.parameters()}
    assert (rest["lr_factor"], heads["lr_factor"]) == (1, 10)


@pytest.mark.parametrize("network", ["topformer", "lraspp-mobilenetv3-large", "segformer-mit-b0"])
def test_networks_without_one_say_so_and_do_not_list_it(network: str) -> None:
    with pytest.raises(RecipeError) as error:
        recipe(network=network)
    assert str(error.value).startswith(
        f"-o model.auxiliary: got 0.4; {network} has no such head; leave it out"
    )
    assert "auxiliary" not in recipe("model.auxiliary=0", network=network).to_yaml()
    assert recipe().model.model_dump()["auxiliary"] == 0.4
