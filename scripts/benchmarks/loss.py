"""The tiled upsample + cross-entropy against F.interpolate + F.cross_entropy, forward and backward.

    python scripts/benchmarks/loss.py [BATCH] [CLASSES]

Also prints how far loss and gradient lie apart, and each one's growth of peak memory, measured in
a process of its own.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it

import torch
import torch.nn.functional as F
from torch import Tensor

from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy

ROUNDS, SIDE, STRIDE = 7, 512, 8


def plain(logits: Tensor, labels: Tensor) -> Tensor:
    """Score full-resolution logits, as the authors' code does."""
    wide = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    total = F.cross_entropy(wide, labels.long(), ignore_index=255, reduction="sum")
    return total / labels.numel()


def tiled(logits: Tensor, labels: Tensor) -> Tensor:
    """Score tile by tile."""
    return upsampled_cross_entropy(logits, labels, pixel_count(labels, "all_pixels"))


def problem(batch: int, classes: int) -> tuple[Tensor, Tensor]:
    """Return random logits at 1/8 and labels, a tenth of them ignored."""
    torch.manual_seed(0)
    logits = torch.randn(batch, classes, SIDE // STRIDE, SIDE // STRIDE, requires_grad=True)
    labels = torch.randint(0, classes, (batch, SIDE, SIDE), dtype=torch.uint8)
    return logits, labels.masked_fill(torch.rand(labels.shape) < 0.1, 255)


def timed(name: str, logits: Tensor, labels: Tensor) -> tuple[float, Tensor, Tensor]:
    """Return seconds, loss and gradient of one step."""
    start = time.perf_counter()
    loss = {"plain": plain, "tiled": tiled}[name](logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    return time.perf_counter() - start, loss.detach(), gradient


def peak_mb(name: str, batch: int, classes: int) -> float:
    """Return the growth of this process's peak memory in one step."""
    logits, labels = problem(batch, classes)
    before = high_water_mb()
    timed(name, logits, labels)
    return high_water_mb() - before


def high_water_mb() -> float:
    """Return this process's peak resident memory; getrusage would include its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one for one in lines if one.startswith("VmHWM")).split()[1]) / 1024


def main(batch: int, classes: int) -> None:
    """Interleave both and print medians, the ratio and the differences."""
    logits, labels = problem(batch, classes)
    seconds: dict[str, list[float]] = {"plain": [], "tiled": []}
    results = {}
    for _ in range(ROUNDS):
        for name, samples in seconds.items():
            spent, *results[name] = timed(name, logits, labels)
            samples.append(spent)
    ratios = [a / b for a, b in zip(seconds["plain"], seconds["tiled"], strict=True)]
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {batch}, "
        f"{classes} classes, {SIDE}x{SIDE}"
    )
    for name, samples in seconds.items():
        command = [sys.executable, __file__, "--peak", name, str(batch), str(classes)]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        print(
            f"{name}: median {statistics.median(samples):.3f} s, peak memory +{float(peak):.0f} MB"
        )
    print(f"ratio plain / tiled: median {statistics.median(ratios):.2f}")
    loss = abs(results["plain"][0] - results["tiled"][0])
    gradient = (results["plain"][1] - results["tiled"][1]).abs().max()
    print(
        f"difference: loss {loss:.1e}, gradient {gradient:.1e} "
        f"of {results['plain'][1].abs().max():.1e}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print(peak_mb(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main(*(int(word) for word in (sys.argv[1:] or ["2", "150"])))
