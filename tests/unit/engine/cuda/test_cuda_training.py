"""On a CUDA device: compiled, recorded and device-fed training is the training of the host."""

from pathlib import Path

import pytest
import torch

from tests.unit.engine.conftest import Watcher, short_recipe
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
from topformer_cli.engine.on_device.augment import augment_batch
from topformer_cli.engine.on_device.upload import upload
from topformer_cli.engine.segmentation_feed import segmentation_feed
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.train import start_state, train
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import new_run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_gradient_are_those_of_the_cpu(weighted: bool) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 150, 16, 24) * 3
    labels = torch.randint(0, 150, (2, 128, 192), dtype=torch.uint8)
    labels[torch.rand(labels.shape) < 0.1] = 255
    weights = torch.rand(150) if weighted else None
    found = []
    for device in (CPU, CUDA):
        leaf = logits.to(device).requires_grad_()
        own = None if weights is None else weights.to(device)
        target = labels.to(device)
        loss = upsampled_cross_entropy(leaf, target, pixel_count(target, "valid", own), own)
        (gradient,) = torch.autograd.grad(loss, leaf)
        found.append((loss.cpu(), gradient.cpu()))
    (loss, gradient), (other_loss, other_gradient) = found
    torch.testing.assert_close(loss, other_loss, rtol=1e-6, atol=0)
    assert (gradient - other_gradient).abs().max() < 1e-6 * gradient.abs().max()


def job(prepared: PreparedSet, device: torch.device, *overrides: str) -> TrainJob:
    recipe = short_recipe(
        "amp=fp32", "model.dropout=0", "model.drop_path=0", "schedule.iterations=8",
        "augment.photometric=true", *overrides,
    )  # fmt: skip
    options = FeedOptions(device=device)
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), options)


@pytest.mark.parametrize("pixels", ["files", "device"])
def test_batches_are_those_of_the_host(prepared: PreparedSet, pixels: str) -> None:
    ours, hosts = job(prepared, CUDA, f"pixels={pixels}"), job(prepared, CPU, "pixels=files")
    feeds = [
        segmentation_feed(one.recipe, prepared, one.spec, one.options) for one in (ours, hosts)
    ]
    for (part,), (other,) in zip(*(feed.batches(0, 4) for feed in feeds), strict=True):
        images, labels = feeds[0].on_device(tuple(one.to(CUDA) for one in part.tensors))
        others, other_labels = feeds[1].on_device(other.tensors)
        assert torch.equal(labels.cpu(), other_labels)
        # A level more or less before saturation and hue can be some levels more after them.
        apart = (images.cpu() - others).abs()
        assert apart.mean() < 0.01
        assert (apart > 0.1).float().mean() < 0.02


def test_compiled_augmentation_is_the_plain_one(prepared: PreparedSet) -> None:
    one = job(prepared, CUDA)
    from topformer_cli.data.draws import DRAWS
    from topformer_cli.data.samples import MaskSamples

    pictures, unreadable = upload(
        MaskSamples(prepared, one.recipe.augment), CUDA, lambda _done, _total: None
    )
    assert not unreadable
    chosen = pictures.chosen(torch.tensor([0, 3, 5, 5], device=CUDA))
    draws = torch.rand(4, DRAWS, dtype=torch.float64, device=CUDA)
    plain = augment_batch(chosen, draws, one.recipe.augment)
    compiled = torch.compile(augment_batch)(chosen, draws, one.recipe.augment)
    assert torch.equal(plain[1], compiled[1])
    assert (plain[0].int() - compiled[0].int()).abs().float().mean() < 0.01


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_recorded_steps_are_plain_steps(prepared: PreparedSet, tmp_path: Path, kind: str) -> None:
    weights = []
    optimizer = f"optimizer.kind={kind}"
    for choice in ("auto", "off"):
        one = job(prepared, CUDA, f"compile={choice}", "pixels=device", "ema=0.9", optimizer)
        run = new_run(tmp_path, "train", choice)
        train(one, run, Watcher())
        weights.append(load_checkpoint(run.weights("last")).weights)
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=2e-2, atol=2e-3)


def test_a_resumed_rate_is_where_a_recorded_step_reads_it(
    prepared: PreparedSet, tmp_path: Path
) -> None:
    one = job(prepared, CUDA)
    run = new_run(tmp_path, "train", "rate")
    state = start_state(one, make_task(one.recipe, prepared, one.spec))
    state.save(run.state)
    state.load(run.state)
    assert all(group["lr"].is_cuda for group in state.optimizer.param_groups)


def test_training_on_cuda_follows_the_cpu(prepared: PreparedSet, tmp_path: Path) -> None:
    losses = []
    for device in (CPU, CUDA):
        watcher = Watcher()
        run = new_run(tmp_path, "train", device.type)
        train(job(prepared, device, "schedule.iterations=20"), run, watcher)
        losses.append([record.loss for record in watcher.records])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
