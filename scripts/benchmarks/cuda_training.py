"""Training on a CUDA device: images a second of whole steps, against the authors' step.

    python scripts/benchmarks/cuda_training.py SET [SIZES]     # a prepared set; tiny,small,base

Rows, interleaved in blocks of STEPS steps, batch 16 at 512x512 in bf16:

authors      their step in channels_last and bf16, compiled, logging included, on one batch that
             already lies on the device: no input pipeline at all
ours         what `topformer train` does: pixels on the device, random scale, crop, flip and colours
             there, network, loss, AdamW, checks, all as one graph; SIZE by SIZE
files        tiny, with pixels decoded and cropped by loader processes for every batch

Then the parts of tiny's step, each recorded and timed alone; `rest` is the whole less the others.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("BATCH", "16")
os.environ.setdefault("DEVICE", "cuda")

import torch
import train_step

from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
from topformer_cli.engine.rehearsal import Rehearsal
from topformer_cli.engine.tasks import model_spec
from topformer_cli.recipe import Choices, load_recipe

STEPS, ROUNDS, BATCH = 40, 5, 16
DEVICE = torch.device("cuda")
Run = Callable[[int], None]


def job_of(prepared: PreparedSet, size: str, *overrides: str, workers: int = 0) -> TrainJob:
    """Return the ADE20K recipe on the set that is there."""
    recipe = load_recipe("ade20k", Choices(size, overrides=(f"batch={BATCH}", *overrides)))
    options = FeedOptions(device=DEVICE, workers=workers)
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), options)


def steps_of(rehearsal: Rehearsal) -> Run:
    """Return a function that takes a number of steps of a training."""
    batches = rehearsal.batches(10**6)

    def run(count: int) -> None:
        for _ in range(count):
            rehearsal.take(next(batches))

    return run


def authors_steps() -> Run:
    """Return a function that takes a number of the authors' steps."""
    network, images, labels = train_step.problem()
    step = train_step.Step("authors + channels_last + bf16 + compile", network)
    images = images.contiguous(memory_format=torch.channels_last)

    def run(count: int) -> None:
        for _ in range(count):
            step.take(images, labels)

    return run


def seconds(run: Run, count: int) -> float:
    """Return the time of a number of steps."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    run(count)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def graph_ms(function: Callable[[], object]) -> float:
    """Return the median time of a function's kernels, recorded as a graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return statistics.median(1000 * seconds(lambda _: graph.replay(), 1) for _ in range(20))


def parts_of(rehearsal: Rehearsal, whole_ms: float) -> dict[str, float]:
    """Return the milliseconds of the parts of a step."""
    (part,) = next(rehearsal.batches(1))
    tensors = tuple(one.to(DEVICE) for one in part.tensors)
    images, labels = rehearsal.feed.on_device(tensors)
    images, labels = images.clone(), labels.clone()
    network = rehearsal.step.network
    parameters = list(rehearsal.state.network.parameters())

    def forward() -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return network(images)

    logits = forward().detach()
    slope = torch.randn_like(logits)
    leaf = logits.clone().requires_grad_()

    def loss() -> None:
        value = upsampled_cross_entropy(leaf, labels, pixel_count(labels, "all_pixels"))
        torch.autograd.grad(value, leaf)

    found = {
        "augmentation": graph_ms(lambda: rehearsal.feed.on_device(tensors)),
        "network, forward and backward": graph_ms(
            lambda: torch.autograd.grad(forward(), parameters, slope)
        ),
        "loss and its gradient": graph_ms(loss),
    }
    return {**found, "rest (optimizer, checks, counts)": whole_ms - sum(found.values())}


def main(name: str, sizes: list[str]) -> None:
    """Measure and print."""
    prepared = PreparedSet.open(name, Path(os.environ["TOPFORMER_HOME"]))
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, batch {BATCH}", flush=True)
    tiny = Rehearsal(job_of(prepared, "tiny"))
    rows: dict[str, Run] = {"authors": authors_steps(), "tiny": steps_of(tiny)}
    for size in sizes:
        if size != "tiny":
            rows[size] = steps_of(Rehearsal(job_of(prepared, size)))
    workers = max((os.cpu_count() or 2) - 2, 1)
    rows["tiny, files"] = steps_of(
        Rehearsal(job_of(prepared, "tiny", "pixels=files", workers=workers))
    )
    for row, run in rows.items():
        print(f"{row}: compiled and warm after {seconds(run, 8):.0f} s", flush=True)
    samples: dict[str, list[float]] = {row: [] for row in rows}
    for _ in range(ROUNDS):
        for row, run in rows.items():
            samples[row].append(seconds(run, STEPS) / STEPS)
    for row, values in samples.items():
        ratio = statistics.median(a / b for a, b in zip(samples["authors"], values, strict=True))
        middle = statistics.median(values)
        print(f"{row}: {middle * 1000:.2f} ms, {BATCH / middle:.0f} images/s, ratio {ratio:.2f}")
    whole = 1000 * statistics.median(samples["tiny"])
    for part, part_ms in parts_of(tiny, whole).items():
        print(f"  {part}: {part_ms:.2f} ms, {part_ms / whole:.0%}")
    print(f"peak memory of all rows together {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main(sys.argv[1], (sys.argv[2:] or ["tiny,small,base"])[0].split(","))
