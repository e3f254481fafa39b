"""Trainings by several processes: `python -m tests.fakes.several_processes FOLDER`.

Torch is loaded once, with the part that an optimizer imports when it is made (seconds); every
process is forked before torch has threads, and gets one core. What a case leaves lies in
FOLDER, by its name.
"""

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch._dynamo
from numpy.typing import NDArray
from torch import nn

from tests.fakes.box_pictures import make_blocks
from tests.unit.engine.conftest import Watcher, make_job
from topformer_cli.data.prepare import prepare
from topformer_cli.data.scenes import make_scenes, scenes_request
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import keeper
from topformer_cli.engine.box_matches import Detections
from topformer_cli.engine.detect import Detector, evaluate_boxes
from topformer_cli.engine.detection import DetectionTask
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.optim import set_learning_rate
from topformer_cli.engine.processes import joining
from topformer_cli.engine.processes.batch_norm import share_statistics
from topformer_cli.engine.processes.division import divide
from topformer_cli.engine.processes.joining import joined
from topformer_cli.engine.processes.world import World
from topformer_cli.engine.step import Step
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.engine.train import start_state, train
from topformer_cli.models.backbones.mobilenetv3 import MobileNetRetinaNet
from topformer_cli.models.spec import Norm
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.rundir import RunDir
from topformer_cli.sections.detection import DetectionRecipe

CPU = torch.device("cpu")
STILL = ("model.dropout=0", "model.drop_path=0", "batch=8", "optimizer.lr=1e-4")
DETECTION = ("evaluation.scale=[128,96]", "evaluation.score=0.001")
SHARES = (slice(0, 4), slice(4, 6))
"""What each process has of six images."""


class Listener(Watcher):
    """An observer that keeps notes instead of forbidding them."""

    def __init__(self, after_step: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(after_step)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def together(size: int, work: Callable[[World], object]) -> list[int]:
    """Do something in several processes that know of each other; return how they ended."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    sys.stdout.flush()
    children = []
    for rank in range(size):
        if child := os.fork():
            children.append(child)
            continue
        os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": f"{size}"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}"}
        code = 1
        try:
            torch.set_num_threads(1)
            with joined("cpu") as world:
                work(world)
            code = 0
        except BaseException:  # noqa: BLE001 - a forked child must end here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def normalise(module: nn.Module, places: slice) -> dict[str, torch.Tensor]:
    """Put a share of six images through batch normalisation, forth and back."""
    draws = torch.Generator().manual_seed(0)
    images, weights = (
        torch.randn(6, 3, 5, 4, dtype=torch.float64, generator=draws) for _ in range(2)
    )
    x = (3 * images[places] + 7).requires_grad_()
    y = module(x)
    (y * weights[places]).sum().backward()
    named = {f"{name}.grad": one.grad for name, one in module.named_parameters()}
    found = {"x.grad": x.grad, "y": y.detach(), **named, **module.state_dict()}
    return {name: value for name, value in found.items() if value is not None}


def convolve(network: nn.Module, places: slice) -> dict[str, torch.Tensor]:
    """Put a share of six images through MobileNetV3, forth and back."""
    images = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    assert isinstance(network, MobileNetRetinaNet)
    maps = network.train().levels(images[places])
    torch.stack([one.square().sum() for one in maps]).sum().backward()
    found = {f"{name}.grad": one.grad for name, one in network.named_parameters()}
    found |= dict(network.named_buffers())
    return {name: value.float() for name, value in found.items() if value is not None}


def mobilenet(norm: Norm) -> nn.Module:
    torch.manual_seed(1)
    return MobileNetRetinaNet(2, norm).double()


def batch_norm() -> nn.Module:
    module = nn.Sequential(nn.BatchNorm2d(3)).double()
    nn.init.uniform_(module[0].weight, 0.5, 2, generator=torch.Generator().manual_seed(1))
    return module


def job_of(prepared: PreparedSet, world: World, parts: int, *overrides: str) -> TrainJob:
    job = make_job(prepared, *overrides)
    share = job.recipe.batch // (world.size * parts)
    parts = divide(job.recipe.batch, share, world.size).parts
    return replace(job, options=replace(job.options, world=world, parts=parts))


def run_of(folder: Path, name: str) -> RunDir:
    run = RunDir(folder / name)
    (run.path / "checkpoints").mkdir(parents=True, exist_ok=True)
    return run


def take_steps(job: TrainJob, count: int) -> dict[str, torch.Tensor]:
    """Train for some steps; return the weights, and the sum of the losses."""
    task = make_task(job.recipe, job.prepared, job.spec)
    state, feed = start_state(job, task), task.feed(job.options)
    step = Step(task, feed, state, job.options.world, None)
    for number, parts in enumerate(feed.batches(0, count)):
        set_learning_rate(state.optimizer, job.recipe.optimizer.lr, job.recipe.schedule, number)
        step([part.tensors for part in parts])
    return {**state.network.state_dict(), "loss": torch.tensor(state.tally.read().loss)}


def evaluate_in(folder: Path, prepared: PreparedSet, world: World) -> None:
    job = job_of(prepared, world, 1, "batch=2")
    task = make_task(job.recipe, prepared, job.spec)
    network = start_state(job, task).network
    result = task.evaluate(network, "val", "it", lambda *_: None, world)
    (folder / f"evaluated-{world.size}-{world.rank}").write_text(str(result.to_json()))


class Noting:
    """A finder that writes down what it finds in which picture, to the last bit."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.lines: list[str] = []
        self.spec, self.protocol, self.at_once = detector.spec, detector.protocol, detector.at_once

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        found = self.detector(image)
        parts = (image, *found)
        self.lines.append(" ".join(sha256(one.tobytes()).hexdigest() for one in parts))
        return found


def find_in(folder: Path, prepared: PreparedSet, world: World) -> None:
    """Evaluate a detector with random weights; alone it has more threads than beside another."""
    torch.set_num_threads(3 - world.size)
    recipe = load_recipe("coco-retinanet", Choices("tiny", None, DETECTION))
    assert isinstance(recipe, DetectionRecipe)
    task = DetectionTask(recipe, prepared, model_spec(recipe, prepared.card))
    torch.manual_seed(0)
    finder = Noting(Detector(task.build().eval(), task.spec, recipe.evaluation, CPU))
    result = evaluate_boxes(finder, Split(prepared, "val", world), "it", lambda *_: None)
    (folder / f"boxes-{world.size}-{world.rank}").write_text(str(result.to_json()))
    (folder / f"found-{world.size}-{world.rank}").write_text("\n".join(finder.lines) + "\n")


def die_at(step: int, world: World) -> Callable[[int], None]:
    def act(now: int) -> None:
        if now == step and world.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def main(folder: Path) -> None:
    keeper.LEAST_STEPS, keeper.MOST_SHARE = 2, 1e9  # type: ignore[misc]
    joining.GRACE_S = 0.0  # type: ignore[misc]
    make_scenes(folder / "raw", 6, 3, (64, 96), 0)
    prepare(scenes_request(folder / "raw", "little-scenes", folder / "cache"))
    prepared = PreparedSet.open("little-scenes", folder / "cache")
    blocks = make_blocks(folder / "blocks", 2, 5)
    prepare(blocks)
    boxed = PreparedSet.open("blocks", blocks.cache_dir)

    def normalised(world: World) -> None:
        module = share_statistics(batch_norm(), CPU)
        torch.save(normalise(module, SHARES[world.rank]), folder / f"norm-{world.rank}.pt")

    def convolved(world: World) -> None:
        network = share_statistics(mobilenet("sync"), CPU)
        torch.save(convolve(network, SHARES[world.rank]), folder / f"cnn-{world.rank}.pt")

    def trained(name: str, parts: int, dtype: torch.dtype) -> Callable[[World], object]:
        def work(world: World) -> None:
            torch.set_default_dtype(dtype)
            job = job_of(prepared, world, parts, *STILL)
            taken = take_steps(job, 3)
            if world.first:
                torch.save(taken, folder / f"{name}.pt")

        return work

    def noisy(name: str, *, dying: bool = False, resume: bool = False) -> Callable[[World], object]:
        def work(world: World) -> None:
            watcher = Listener(die_at(5, world) if dying else lambda _: None)
            run = run_of(folder, name)
            train(job_of(prepared, world, 1, "batch=4"), run, watcher, resume=resume)
            (folder / f"{name}-{world.size}-{world.rank}.notes").write_text(
                "\n".join(watcher.notes)
            )

        return work

    ends = {"norm": together(2, normalised), "cnn": together(2, convolved)}
    for size, parts in ((1, 1), (2, 1), (1, 2), (2, 2)):
        name = f"double-{size}x{parts}"
        ends[name] = together(size, trained(name, parts, torch.float64))
    for size in (1, 2):
        ends[f"single-{size}"] = together(size, trained(f"single-{size}", 1, torch.float32))
        ends[f"evaluated-{size}"] = together(
            size, lambda world: evaluate_in(folder, prepared, world)
        )
        ends[f"boxes-{size}"] = together(size, lambda world: find_in(folder, boxed, world))
    ends["whole"] = together(2, noisy("whole"))
    ends["killed"] = together(2, noisy("killed", dying=True))
    ends["half"] = together(2, noisy("half", dying=True))
    ends["resumed"] = together(2, noisy("killed", resume=True))
    ends["alone"] = together(1, noisy("half", resume=True))
    (folder / "ends").write_text(repr(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
