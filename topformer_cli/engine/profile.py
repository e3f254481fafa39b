"""Where the time of a training step goes: its parts, and its dearest operators.

A clock is read where one part ends and the next begins, so the parts add up to the whole. On CUDA
the clock is the device's: what it is read by waits in line behind the work before it, and the time
that the device had nothing to do, since the host waited for a batch, is that of the batch.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.rehearsal import Rehearsal
from topformer_cli.engine.step import Span, unmeasured
from topformer_cli.results import OperatorTime, StepProfile, TimePart

WARM_UP: Final = 5
TIMED: Final = 30
TRACED: Final = 3
OPERATORS: Final = 10

DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER, REST = (
    "waiting for data", "forward", "loss", "backward", "optimizer", "rest",
)  # fmt: skip
PARTS: Final = (DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER, REST)

Progress = Callable[[int, int], None]


class Clock(Protocol):
    """Marks moments, and tells the seconds between two of them once all is done."""

    def mark(self) -> Any:  # noqa: ANN401 - a moment is the clock's own
        """Return this moment."""
        ...

    def between(self, start: Any, end: Any) -> float:  # noqa: ANN401
        """Return the seconds between two moments."""
        ...


class _HostClock:
    def mark(self) -> float:
        return time.perf_counter()

    def between(self, start: float, end: float) -> float:
        return end - start


class _CudaClock:
    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def between(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return start.elapsed_time(end) / 1000


def clock_of(device: torch.device) -> Clock:
    """Return the clock by which the work of a device is timed."""
    return _CudaClock() if device.type == "cuda" else _HostClock()


class Ledger:
    """Books every moment between two marks on the part that was open then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: list[tuple[str, Any]] = []
        self._open: list[str] = [REST]

    def begin(self) -> None:
        """Let the time begin."""
        self._marks.append((self._open[-1], self._clock.mark()))

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Book what happens inside on a part, or on the parts that open in it."""
        self._open.append(name)
        self.begin()
        try:
            yield
        finally:
            self._open.pop()
            self.begin()

    def seconds(self) -> dict[str, float]:
        """Return the time of each part up to the last mark; the device must be done."""
        found = dict.fromkeys(PARTS, 0.0)
        for (name, start), (_, end) in itertools.pairwise(self._marks):
            found[name] += self._clock.between(start, end)
        return found


def profile_steps(job: TrainJob, trace: Path, progress: Progress) -> StepProfile:
    """Take steps of a training and say where their time goes; write a Chrome trace of a few more.

    The trace's own steps are not timed: tracing makes them slower. Recorded steps have no parts,
    so none is recorded.
    """
    rehearsal = Rehearsal(job, graph=False)
    batches = rehearsal.batches(WARM_UP + TIMED + TRACED)
    total = WARM_UP + TIMED + TRACED
    for step in range(WARM_UP):
        rehearsal.take(next(batches))
        progress(step + 1, total)
    rehearsal.settle()
    ledger = Ledger(clock_of(job.device))
    with _spans(rehearsal, ledger.span):
        ledger.begin()
        for step in range(TIMED):
            with ledger.span(DATA):
                parts = next(batches)
            rehearsal.take(parts)
            progress(WARM_UP + step + 1, total)
        ledger.begin()
        rehearsal.settle()
    operators = _operators(rehearsal, batches, trace)
    seconds = ledger.seconds()
    whole = sum(seconds.values())
    return StepProfile(
        device=str(job.device),
        steps=TIMED,
        batch=job.recipe.batch,
        step_s=whole / TIMED,
        parts=tuple(TimePart(name, one / TIMED, one / whole) for name, one in seconds.items()),
        operators=operators,
        traced=TRACED,
        trace=str(trace),
    )


@contextlib.contextmanager
def _spans(rehearsal: Rehearsal, span: Span) -> Iterator[None]:
    """Let a step open its spans; the network's call, which happens inside the loss's, is one."""
    opened: list[contextlib.AbstractContextManager[Any]] = []

    def enter(_network: nn.Module, _inputs: Any) -> None:  # noqa: ANN401
        opened.append(span(FORWARD))
        opened[-1].__enter__()

    def leave(_network: nn.Module, _inputs: Any, _outputs: Any) -> None:  # noqa: ANN401
        opened.pop().__exit__(None, None, None)

    # Of a compiled network only its outside runs hooks that come after its compilation.
    network = rehearsal.step.network
    hooks = [network.register_forward_pre_hook(enter), network.register_forward_hook(leave)]
    rehearsal.step.span = span
    try:
        yield
    finally:
        rehearsal.step.span = unmeasured
        for hook in hooks:
            hook.remove()


def _operators(
    rehearsal: Rehearsal, batches: Iterator[Sequence[Any]], trace: Path
) -> tuple[OperatorTime, ...]:
    """Trace the remaining steps and return the operators that took most time by themselves."""
    on_cuda = rehearsal.job.device.type == "cuda"
    # Else torch's tracer tells stderr when it starts and stops, and that there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with profile(activities=activities) as traced, _spans(rehearsal, record_function):
        for _ in range(TRACED):
            with record_function(DATA):
                parts = next(batches)
            rehearsal.take(parts)
        rehearsal.settle()
    trace.parent.mkdir(parents=True, exist_ok=True)
    traced.export_chrome_trace(str(trace))
    found = [
        OperatorTime(one.key, _own_us(one, on_cuda=on_cuda) / 1e6 / TRACED, one.count / TRACED)
        for one in traced.key_averages()
        if one.key not in PARTS
    ]
    return tuple(sorted(found, key=lambda one: -one.seconds)[:OPERATORS])


def _own_us(event: Any, *, on_cuda: bool) -> float:  # noqa: ANN401 - the profiler has no public type
    return float(event.self_device_time_total if on_cuda else event.self_cpu_time_total)
