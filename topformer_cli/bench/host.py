"""Latency of an ONNX file on this machine: onnxruntime, sequential, one thread by default."""

import os
import platform
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from topformer_cli.bench.plan import BenchPlan, Protocol, file_sha256
from topformer_cli.bench.stats import judge, round_of, summarise
from topformer_cli.errors import DataError, MeasurementError, UsageError
from topformer_cli.onnx_session import (
    ORT_ERRORS,
    ORT_VERSION,
    Session,
    first_line,
    open_session,
)
from topformer_cli.parity import Parity, agreement, require
from topformer_cli.predictor import FloatArray
from topformer_cli.results import BenchResult, CoreUse, CpuFacts, DeviceFacts, Round

ENGINE: Final = "onnxruntime"
Advance = Callable[[int, int], None]
"""Called after each round with the rounds done and the rounds in all."""


def measure_host(plan: BenchPlan, advance: Advance | None = None) -> BenchResult:
    """Measure an ONNX file on this machine and check its output against the reference.

    Timed is one `session.run` from a numpy array to a numpy array.

    Raises:
        DataError: the file is missing or onnxruntime cannot load it.
        UsageError: the precision or core is one that host mode does not have.
        ParityError: the output differs from the reference; nothing was timed.
        MeasurementError: the network failed while it ran.
    """
    _check(plan)
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    infer = _network(_open(plan.artifact, plan.threads), plan.inputs)
    parity = _check_output(plan, infer)
    warmup = _run(infer, plan.protocol.warmup, plan.protocol.min_warmup_s)
    rounds = []
    for index in range(plan.protocol.rounds):
        rounds.append(_timed_round(infer, plan.protocol))
        if advance:
            advance(index + 1, plan.protocol.rounds)
    core = CoreUse(asked="any")
    summary = summarise(rounds)
    return BenchResult(
        model=plan.name,
        card=dict(plan.card),
        files={plan.artifact.name: file_sha256(plan.artifact)},
        engine=ENGINE,
        engine_version=ORT_VERSION,
        device=host_facts(),
        precision=plan.precision,
        threads=plan.threads,
        core=core,
        input_shape=plan.inputs.shape,
        output=plan.output,
        covers="timed: inference, array in to array out; no resizing and no argmax after it",
        warmup=len(warmup),
        rounds=tuple(rounds),
        summary=summary,
        verdict=judge(summary, core, emulated=False),
        parity=parity.to_json(),
        started=started,
    )


def host_facts() -> DeviceFacts:
    """Return what this machine says about itself."""
    cpus = tuple(CpuFacts(i, _host_max_khz(i), True) for i in sorted(_usable_cpus()))
    return DeviceFacts(
        kind="host",
        model=_cpu_name() or platform.processor() or "this host",
        machine=platform.machine(),
        kernel=f"{platform.system()} {platform.release()}",
        cpus=cpus,
    )


def _check(plan: BenchPlan) -> None:
    if plan.precision != "fp32":
        message = f"precision {plan.precision!r}: the host runs the file in fp32 only"
        raise UsageError(message)
    if plan.core not in ("any", "prime"):
        message = f"core {plan.core!r}: host mode does not pin; leave it out or give any"
        raise UsageError(message)
    if not plan.artifact.is_file():
        message = f"{plan.artifact} does not exist; write it with `topformer export`"
        raise DataError(message)


def _open(path: Path, threads: int) -> Session:
    try:
        return open_session(path, threads=threads)
    except ORT_ERRORS as error:
        message = f"{path}: onnxruntime cannot load it ({first_line(error)}); export it again"
        raise DataError(message) from error


def _network(session: Session, inputs: FloatArray) -> Callable[[], FloatArray]:
    [first, *_] = session.get_inputs()
    outputs = [session.get_outputs()[0].name]
    feed = {first.name: np.ascontiguousarray(inputs)}
    return lambda: session.run(outputs, feed)[0]


def _check_output(plan: BenchPlan, infer: Callable[[], FloatArray]) -> Parity:
    try:
        output = infer()
    except ORT_ERRORS as error:
        message = f"{plan.artifact}: the network failed on its input ({first_line(error)})"
        raise MeasurementError(message) from error
    parity = agreement(plan.reference, output)
    require(parity, f"{plan.artifact.name} in {ENGINE}", plan.bound(ENGINE))
    return parity


def _timed_round(infer: Callable[[], FloatArray], protocol: Protocol) -> Round:
    return round_of(_run(infer, protocol.iterations, protocol.min_round_s))


def _run(infer: Callable[[], FloatArray], at_least: int, seconds: float) -> list[float]:
    """Infer until both the count and the time are reached; return each duration in ms."""
    samples: list[float] = []
    end = time.monotonic() + seconds
    while len(samples) < at_least or (at_least and time.monotonic() < end):
        before = time.perf_counter_ns()
        infer()
        samples.append((time.perf_counter_ns() - before) / 1e6)
    return samples


def _usable_cpus() -> set[int]:
    affinity = getattr(os, "sched_getaffinity", None)
    return affinity(0) if affinity else set(range(os.cpu_count() or 1))


def _cpu_name() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _host_max_khz(index: int) -> int | None:
    path = Path(f"/sys/devices/system/cpu/cpu{index}/cpufreq/cpuinfo_max_freq")
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
