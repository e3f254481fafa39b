"""What a training takes of this machine, found by a few real steps of it."""

import gc
import statistics
import time
from typing import Final

import torch

from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.memory import begin_peak, free_bytes, peak_bytes
from topformer_cli.engine.pace import evaluations_left
from topformer_cli.engine.rehearsal import Rehearsal, with_batch
from topformer_cli.results import MemoryNeed, SpeedFound

STEPS: Final = 6
MOST_S: Final = 20.0
"""Steps that are timed after one that warms up; fewer where they take longer than this."""

IMAGES: Final = 9


def probe(job: TrainJob) -> tuple[MemoryNeed, SpeedFound | None, int]:
    """Take a few steps; return memory, speed (None if not one step fits), and checkpoint bytes.

    Where a step does not fit, smaller and smaller ones are tried.
    """
    device = job.device
    rehearsal = Rehearsal(job)
    checkpoints = _checkpoint_bytes(rehearsal)
    need = _first_step(rehearsal)
    if need is not None:
        return need, _speed(rehearsal), checkpoints
    del rehearsal
    batch = job.recipe.batch // 2
    while batch >= job.options.world.size:
        _tidy(device)
        if smaller := _first_step(Rehearsal(with_batch(job, batch))):
            share = batch // job.options.world.size
            return _unfit(smaller, share), None, checkpoints
        batch //= 2
    _tidy(device)
    nothing = MemoryNeed(
        device=str(device), peak=0, free=free_bytes(device), fits=False, device_batch=0
    )
    return nothing, None, checkpoints


def _first_step(rehearsal: Rehearsal) -> MemoryNeed | None:
    """Take one step and return what it took; None where the device has too little memory."""
    job = rehearsal.job
    device = job.device
    parts = next(iter(rehearsal.batches(1)))
    free = free_bytes(device)
    before = begin_peak(device)
    try:
        rehearsal.take(parts)
        rehearsal.settle()
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return None
    peak = peak_bytes(device) - (before if device.type == "cpu" else 0)
    share = job.recipe.batch // job.options.world.size
    each = -(-share // job.options.parts)
    if device.type != "cpu" and free is not None:
        # What was taken before the step (weights, a cache of images) is part of its peak.
        free += before
    return MemoryNeed(
        device=str(device), peak=max(peak, 0), free=free, fits=True, device_batch=each
    )


def _out_of_memory(error: Exception) -> bool:
    """Say whether device or machine have no memory left; torch has no type for the latter."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or "can't allocate memory" in str(error)


def _unfit(need: MemoryNeed, device_batch: int) -> MemoryNeed:
    return MemoryNeed(
        device=need.device, peak=need.peak, free=need.free, fits=False, device_batch=device_batch
    )


def _speed(rehearsal: Rehearsal) -> SpeedFound:
    job = rehearsal.job
    seconds: list[float] = []
    waited: list[float] = []
    batches = rehearsal.batches(STEPS + 1)
    begun = time.perf_counter()
    while len(seconds) <= STEPS and (not seconds or time.perf_counter() - begun < MOST_S):
        start = time.perf_counter()
        parts = next(batches)
        got = time.perf_counter()
        rehearsal.take(parts)
        rehearsal.settle()
        seconds.append(time.perf_counter() - start)
        waited.append(got - start)
    # The first batch pays for starting the workers, the first step for warming up.
    seconds, waited = seconds[1:] or seconds, waited[1:] or waited
    recipe = job.recipe
    step_s = statistics.median(seconds)
    evaluations = evaluations_left(1, recipe.schedule.iterations, recipe.evaluation.every)
    each = rehearsal.seconds_per_image(IMAGES, MOST_S) or 0.0
    evaluation_s = each * job.prepared.length("val")
    return SpeedFound(
        steps=len(seconds),
        step_s=step_s,
        images_per_s=recipe.batch / step_s,
        wait_share=sum(waited) / sum(seconds),
        evaluations=evaluations,
        evaluation_s=evaluation_s,
        total_s=step_s * recipe.schedule.iterations + evaluation_s * evaluations,
    )


def _checkpoint_bytes(rehearsal: Rehearsal) -> int:
    """Return what a run's checkpoints take: state, last and best, and one being written."""
    state = rehearsal.state
    network = _bytes(state.network.state_dict())
    average = 0 if state.average is None else network
    # AdamW keeps two values of every parameter, momentum one; the larger is planned for.
    full = network + average + 2 * _bytes(dict(state.network.named_parameters()))
    return full * 2 + network * 2


def _bytes(tensors: dict[str, torch.Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors.values())


def _tidy(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
