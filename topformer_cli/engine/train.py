"""The training loop."""

import contextlib
import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from topformer_cli.data.samples import Batch
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.observer import Observer
from topformer_cli.engine.optim import build_optimizer, set_learning_rate
from topformer_cli.engine.signals import StopFlag, stop_on_signal
from topformer_cli.engine.state import Means, TrainState
from topformer_cli.engine.task import Task
from topformer_cli.engine.tasks import make_task
from topformer_cli.errors import Stopped, TopformerError
from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Recipe
from topformer_cli.results import Result, StepRecord
from topformer_cli.rundir import RunDir, atomic_write, write_json

LOG_EVERY = 20
SAVE_EVERY = 200
MOST_SKIPPED = 25
"""Steps; a run whose loss is not finite this many times in a row ends with an error."""


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train, on what, where, and from which weights.

    start may hold only some of the network's tensors; the others stay as initialised, and
    start_report says so.
    """

    recipe: Recipe
    prepared: PreparedSet
    spec: ModelSpec
    device: torch.device
    workers: int = 2
    start: Checkpoint | None = None
    start_name: str = ""
    start_report: str = ""


def train(job: TrainJob, run: RunDir, observer: Observer, *, resume: bool = False) -> Result:
    """Train to the recipe's last iteration and evaluate there.

    Checkpoints are written atomically; a resumed run continues bit for bit on the CPU.

    Raises:
        Stopped: SIGINT or SIGTERM came; the state was saved.
        TopformerError: the loss stopped being finite; the last good state was saved. Or the run
            folder cannot be written.
    """
    state = start_state(job)
    if resume:
        state.load(run.state)
    task = make_task(job.recipe, job.prepared, job.spec)
    with _explained_disk_faults(run):
        if not resume:
            state.save(run.state)
        _keep_metrics_until(run.metrics, state.step)
        with stop_on_signal() as stop:
            result = _Loop(job, run, observer, state, task).run_to_end(stop)
        write_json(
            run.result,
            {"last": result.to_json(), "best": state.best, "best_step": state.best_step},
        )
    return result


@contextlib.contextmanager
def _explained_disk_faults(run: RunDir) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        message = (
            f"{error.filename or run.path}: {error.strerror or error}; the last saved state is "
            "whole: mend that, then go on with `topformer train --resume auto`"
        )
        raise TopformerError(message) from error


def start_state(job: TrainJob) -> TrainState:
    """Build network, optimizer and random state from the seed."""
    torch.manual_seed(job.recipe.seed)
    network = make_task(job.recipe, job.prepared, job.spec).build()
    if job.start is not None:
        network.load_state_dict({**network.state_dict(), **job.start.weights})
    network = network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    scaler = torch.amp.GradScaler(job.device.type, enabled=autocast_type(job) == torch.float16)
    optimizer = build_optimizer(network, job.recipe.optimizer)
    return TrainState(
        network,
        optimizer,
        scaler,
        start=job.start_name or "scratch",
        set_fingerprint=job.prepared.card.fingerprint,
    )


def autocast_type(job: TrainJob) -> torch.dtype | None:
    """Return the autocast type; `auto` is bf16 on CUDA and fp32 elsewhere."""
    choice = job.recipe.amp
    if choice == "auto":
        choice = "bf16" if job.device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[choice]


class _Loop:
    def __init__(
        self, job: TrainJob, run: RunDir, observer: Observer, state: TrainState, task: Task
    ) -> None:
        self.job, self.run, self.observer, self.state, self.task = job, run, observer, state, task
        self.timed_from, self.timed_steps = time.perf_counter(), 0
        self.skipped_in_a_row = 0
        self.autocast_type = autocast_type(job)
        self.mean, self.std = (
            torch.tensor(values, device=job.device) for values in (job.spec.mean, job.spec.std)
        )

    def run_to_end(self, stop: StopFlag) -> Result:
        recipe, state = self.job.recipe, self.state
        total = recipe.schedule.iterations
        self.observer.started(state.step, total)
        result: Result | None = None
        for batch in self.task.batches(state.step, total, self.job.workers):
            state.means.loss += self._step(batch)
            state.step += 1
            self.timed_steps += 1
            self.observer.stepped(state.step)
            if state.step % LOG_EVERY == 0 or state.step == total:
                self._log()
            if state.step % recipe.evaluation.every == 0 or state.step == total:
                result = self._evaluate()
            if state.step % SAVE_EVERY == 0 or result or stop.signal_number:
                self._save()
            if stop.signal_number and state.step < total:
                self._stop(stop.signal_number)
            if state.step < total:
                result = None
        return result or self._evaluate()

    def _step(self, batch: Batch) -> float:
        """Take one optimisation step; a loss or gradient that is not finite changes nothing."""
        state, device = self.state, self.job.device
        settings = self.job.recipe
        set_learning_rate(state.optimizer, settings.optimizer.lr, settings.schedule, state.step)
        statistics = [buffer.clone() for buffer in state.network.buffers()]
        images, *targets = (values.to(device, non_blocking=True) for values in batch)
        pixels = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        with torch.autocast(device.type, self.autocast_type, self.autocast_type is not None):
            loss = self.task.loss(state.network, pixels, targets)
        state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        state.scaler.unscale_(state.optimizer)
        if math.isfinite(value := loss.item()) and _finite_gradients(state.network):
            state.scaler.step(state.optimizer)
            self.skipped_in_a_row = 0
            state.means.steps += 1
        else:
            value = 0.0
            self._skip(statistics)
        if state.scaler.is_enabled():
            state.scaler.update()
        return value

    def _skip(self, statistics: list[Tensor]) -> None:
        """Undo the batch statistics of a step whose numbers are not finite."""
        with torch.no_grad():
            for buffer, before in zip(self.state.network.buffers(), statistics, strict=True):
                buffer.copy_(before)
        self.state.means.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= MOST_SKIPPED:
            self._save()
            message = (
                f"the loss was not finite {MOST_SKIPPED} times in a row, last at step "
                f"{self.state.step}; try -o amp=fp32 or a lower -o optimizer.lr "
                f"(now {self.job.recipe.optimizer.lr:g}); the state before it is in {self.run.path}"
            )
            raise TopformerError(message)

    def _log(self) -> None:
        means, seconds = self.state.means, time.perf_counter() - self.timed_from
        record = StepRecord(
            step=self.state.step,
            loss=means.loss / means.steps if means.steps else 0.0,
            lr=self.state.optimizer.param_groups[0]["lr"],
            images_per_s=self.timed_steps * self.job.recipe.batch / max(seconds, 1e-9),
            skipped=means.skipped,
        )
        self._append(record.to_json())
        self.observer.logged(record)
        self.state.means = Means()
        self.timed_from, self.timed_steps = time.perf_counter(), 0

    def _evaluate(self) -> Result:
        state = self.state
        name = f"step {state.step}"
        result = self.task.evaluate(state.network, "val", name, self.observer.evaluating)
        if best := result.headline.value > state.best:
            state.best, state.best_step = result.headline.value, state.step
            save_checkpoint(self.run.weights("best"), self._checkpoint())
        self._append({"kind": "eval", "step": state.step, **result.to_json()})
        self.observer.evaluated(state.step, result, best=best)
        self.timed_from, self.timed_steps = time.perf_counter(), 0
        return result

    def _save(self) -> None:
        self.state.save(self.run.state)
        save_checkpoint(self.run.weights("last"), self._checkpoint())

    def _checkpoint(self) -> Checkpoint:
        origin = {
            "step": self.state.step,
            "iterations": self.job.recipe.schedule.iterations,
            "recipe": self.job.recipe.model_dump(mode="json"),
            "from": self.state.start,
            "set_fingerprint": self.job.prepared.card.fingerprint,
        }
        return Checkpoint(self.job.spec, self.state.network.state_dict(), origin)

    def _stop(self, number: int) -> None:
        name = signal.Signals(number).name
        message = (
            f"{name}: saved step {self.state.step} of {self.job.recipe.schedule.iterations} in "
            f"{self.run.path}; go on with `topformer train --resume auto`"
        )
        raise Stopped(message, number)

    def _append(self, record: dict[str, object]) -> None:
        with self.run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _finite_gradients(network: nn.Module) -> bool:
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return bool(torch.nn.utils.get_total_norm(gradients).isfinite())


def _keep_metrics_until(path: Path, step: int) -> None:
    """Drop the records of steps that a resumed run will do again, and a line that was cut off."""
    if not path.is_file():
        return
    kept = [
        line
        for line in path.read_text().splitlines()
        if (record := _record(line)) and record <= step
    ]
    atomic_write(path, "".join(line + "\n" for line in kept))


def _record(line: str) -> int:
    """Return the step of a metrics line, 0 for a line that is not whole."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 0
