"""The training loop."""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

import torch
from numpy.random import SeedSequence

from topformer_cli.data.samples import Batch
from topformer_cli.engine.average import MovingAverage
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.journal import Journal
from topformer_cli.engine.keeper import Keeper
from topformer_cli.engine.observer import Observer, standing
from topformer_cli.engine.optim import build_optimizer
from topformer_cli.engine.processes.batch_norm import share_statistics
from topformer_cli.engine.signals import Asked, StopFlag, stop_on_signal
from topformer_cli.engine.state import TrainState
from topformer_cli.engine.stepper import Stepper, autocast_type
from topformer_cli.engine.tally import Tally
from topformer_cli.engine.task import Task
from topformer_cli.engine.tasks import make_task
from topformer_cli.errors import DataError, Stopped, TopformerError, add_to
from topformer_cli.results import Result
from topformer_cli.rundir import RunDir, write_json

LOG_EVERY: Final = 20
MOST_SKIPPED: Final = 25
"""Steps; a run whose gradients are not finite this many times in a row ends with an error."""


def train(job: TrainJob, run: RunDir, observer: Observer, *, resume: bool = False) -> Result:
    """Train to the recipe's last iteration and evaluate there.

    Checkpoints are written atomically; a resumed run continues bit for bit on the CPU.

    Raises:
        Stopped: SIGINT, SIGTERM or SIGHUP came; the state was saved.
        TopformerError: the loss stopped being finite, or images cannot be read; the state was
            saved. Or the run folder cannot be written.
    """
    world = job.options.world
    with stop_on_signal() as stop, _explained_disk_faults(run):
        task = make_task(job.recipe, job.prepared, job.spec)
        state = start_state(job, task)
        if resume and (saved := state.load(run.state, world)) != world.size:
            observer.note(
                f"the run was stopped with {_processes(saved)} and goes on with "
                f"{_processes(world.size)}: by the same images, but not bit for bit"
            )
        if job.keep is not None:
            state.keep = job.keep
        if not resume:
            state.save(run.state, world)
        result = _Loop(job, run, observer, state, task).run_to_end(stop)
        if world.first:
            write_json(run.result, _final_record(state, result))
    return result


def _processes(count: int) -> str:
    return f"{count} process" if count == 1 else f"{count} processes"


def _final_record(state: TrainState, result: Result) -> dict[str, object]:
    return {
        "last": result.to_json(),
        "best": state.best,
        "best_step": state.best_step,
        "corrupt": state.corrupt,
    }


@contextlib.contextmanager
def _explained_disk_faults(run: RunDir) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        kept = (
            f"the last saved state is whole; mend that, then go on with `{run.going_on}`"
            if run.state.is_file()
            else "nothing is saved; mend that, then start again"
        )
        message = f"{error.filename or run.path}: {error.strerror or error}; {kept}"
        raise TopformerError(message) from error


@contextlib.contextmanager
def _explained_shortage(job: TrainJob) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        images = job.division.images
        message = (
            f"{job.device} has too little memory for a step of {images} images at once; set a "
            "smaller -o device_batch (`topformer train --dry-run` finds what fits), or "
            "-o pixels=memory where decoded images lie on the device"
        )
        raise TopformerError(message) from error


def start_state(job: TrainJob, task: Task) -> TrainState:
    """Build network, optimizer and random state from the seed."""
    torch.manual_seed(job.recipe.seed)
    network = task.build()
    if job.start is not None:
        network.load_state_dict({**network.state_dict(), **job.start.weights})
    world = job.options.world
    if world.size > 1 and task.statistics == "together":
        network = share_statistics(network, job.device)
    network = network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    half = autocast_type(job.recipe, job.device) == torch.float16
    if not world.first:
        # Every process drew the same weights; what it drops is its own matter.
        torch.manual_seed(int(SeedSequence((job.recipe.seed, world.rank)).generate_state(1)[0]))
    return TrainState(
        network,
        build_optimizer(network, job.recipe.optimizer),
        torch.amp.GradScaler(job.device.type, init_scale=2.0**16 if half else 1.0),
        Tally(job.device),
        torch.zeros((), dtype=torch.int64, device=job.device),
        MovingAverage(network, job.recipe.ema) if job.recipe.ema else None,
        start=job.start_name or "scratch",
        set_fingerprint=job.prepared.card.fingerprint,
    )


class _Loop:
    def __init__(
        self, job: TrainJob, run: RunDir, observer: Observer, state: TrainState, task: Task
    ) -> None:
        self.job, self.run, self.observer, self.state, self.task = job, run, observer, state, task
        self.world = world = job.options.world
        self.journal = Journal(run.metrics, job.recipe, job.device, writes=world.first)
        self.keeper = Keeper(run, job.spec, _origin(job), world)

    def run_to_end(self, stop: StopFlag) -> Result:
        state, total = self.state, self.job.recipe.schedule.iterations
        self.keeper.clear_up()
        # The final result lies in no file yet, so a run that stopped there measures it again.
        owed = self._measures_now() and (state.evaluated < state.step or state.step == total)
        self.journal.keep_until(state.step, evaluated=not owed)
        self.observer.started(state.step, total)
        result: Result | None = None
        if owed:
            result = self._evaluate(stop)
            self.keeper.save(state)
        for parts in self._awaited(stop):
            self._take(parts)
            if state.step % LOG_EVERY == 0 or state.step == total:
                self._log()
            result = self._evaluate(stop) if self._measures_now() else None
            due = self.keeper.due(state.step)
            decision = self.stepper.step.agreement.decide(stop.signal_number, save=due)
            if decision.stop and state.step < total:
                stop.signal_number = decision.stop
                self._stop(stop)
            if result or decision.save:
                self.keeper.save(state)
        if result is None:
            raise AssertionError
        self._tell_corrupt()
        return result

    def _measures_now(self) -> bool:
        step, recipe = self.state.step, self.job.recipe
        return step == recipe.schedule.iterations or (
            step > 0 and step % recipe.evaluation.every == 0
        )

    def _awaited(self, stop: StopFlag) -> Iterator[Sequence[Batch]]:
        step, total = self.state.step, self.job.recipe.schedule.iterations
        with self._between_steps(stop):
            self.feed = self.task.feed(self.job.options)
            self.stepper = Stepper(self.job, self.task, self.feed, self.state)
        batches = self.journal.pace.timed(self.feed.batches(step, total))
        while True:
            with self._between_steps(stop):
                parts = next(batches, None)
            if parts is None:
                return
            yield parts

    @contextlib.contextmanager
    def _between_steps(self, stop: StopFlag) -> Iterator[None]:
        """Save the state if the block is given up, for a signal or for want of data.

        Several processes must agree when to stop, so they look at the flag after a step; and none
        can save without the others, so that one's want of data leaves what was saved before.
        """
        alone = self.world.size == 1
        try:
            with stop.waiting() if alone else contextlib.nullcontext():
                yield
        except Asked:
            self._stop(stop)
        except (TopformerError, OSError) as error:
            if not alone:
                raise
            self.keeper.save(self.state)
            text = (
                f"step {self.state.step} is saved in {self.run.path}: mend that, then go on with "
                f"`{self.run.going_on}`"
            )
            if isinstance(error, TopformerError):
                add_to(error, text)
                raise
            message = f"{error.filename or 'reading'}: {error.strerror or error}; {text}"
            raise DataError(message) from error

    def _take(self, parts: Sequence[Batch]) -> None:
        with _explained_shortage(self.job):
            self.stepper.take(parts)
        self._note_corrupt(parts)
        self.observer.stepped(self.state.step)

    def _log(self) -> None:
        counts = self.state.tally.read()
        self.observer.logged(self.journal.step_record(self.state))
        if counts.in_a_row >= MOST_SKIPPED:
            self._give_up(counts.last_skipped)

    def _give_up(self, step: int) -> None:
        self.keeper.save(self.state)
        settings = self.job.recipe
        message = (
            f"the gradients were not finite {MOST_SKIPPED} times in a row, last at step {step} "
            f"with the images {', '.join(self.feed.ids(step))}; try -o amp=fp32 or a lower "
            f"-o optimizer.lr (now {settings.optimizer.lr:g}); the state before it is in "
            f"{self.run.path}"
        )
        raise TopformerError(message)

    def _evaluate(self, stop: StopFlag) -> Result:
        state = self.state
        if self.world.size > 1:
            # A launcher that ends the job does not wait for an evaluation.
            self.keeper.save(state)
        with self.journal.pace.evaluating():
            name = f"step {state.step}"
            with self._between_steps(stop):
                result = self.task.evaluate(
                    state.measured, "val", name, self.observer.evaluating, self.world
                )
            state.evaluated = state.step
            # Of equals the later: early ones may be equal for finding nothing.
            stands = standing(result.headline.value, state.best)
            if best := stands != "less":
                state.best, state.best_step = result.headline.value, state.step
            self.keeper.evaluated(state, best=best)
            self.journal.evaluation(state.step, result)
            self.observer.evaluated(state.step, result, stands)
            if self.world.first:
                self.observer.pictured(state.step, self.task.examples(state.measured))
        return result

    def _note_corrupt(self, parts: Sequence[Batch]) -> None:
        for name in (name for part in parts for name in part.skipped):
            if name not in self.state.corrupt:
                self.state.corrupt.append(name)
                card = self.job.prepared.card
                self.observer.note(
                    f"{card.name} train: image {name} cannot be read; others take its place"
                )

    def _tell_corrupt(self) -> None:
        if count := len(self.state.corrupt):
            name = self.job.prepared.card.name
            self.observer.note(
                f"{count} image{'s' * (count > 1)} of {name} could not be read, and others took "
                f"their place (result.json names them); see `topformer data check {name}`"
            )

    def _stop(self, stop: StopFlag) -> NoReturn:
        self.keeper.save(self.state)
        number = stop.signal_number or signal.SIGTERM
        message = (
            f"{signal.Signals(number).name}: saved step {self.state.step} of "
            f"{self.job.recipe.schedule.iterations} in {self.run.path}; go on with "
            f"`{self.run.going_on}`"
        )
        raise Stopped(message, number) from None


def _origin(job: TrainJob) -> dict[str, object]:
    return {
        "iterations": job.recipe.schedule.iterations,
        "recipe": job.recipe.model_dump(mode="json"),
        "set_fingerprint": job.prepared.card.fingerprint,
        "ledger": job.ledger.to_json() if job.ledger else None,
    }
