"""Label maps from logits: tiled, against two resizes, softmax and argmax as the authors' code does.

    python scripts/benchmarks/labels.py [CLASSES]

One 512x683 picture, whose network input is 512x704.
"""

import os
import statistics
import sys
import time

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it

import torch
import torch.nn.functional as F
from torch import Tensor

from topformer_cli.engine.resize import upsampled_labels

ROUNDS = 9
INPUT, ORIGINAL = (512, 704), (512, 683)


def plain(logits: Tensor) -> Tensor:
    """Resize to the input's size, then to the picture's, softmax, argmax."""
    wide = F.interpolate(logits[None], size=INPUT, mode="bilinear", align_corners=False)
    wide = F.interpolate(wide, size=ORIGINAL, mode="bilinear", align_corners=False)
    return wide.softmax(1).argmax(1)[0]


def tiled(logits: Tensor) -> Tensor:
    """Compose the resizes and take the argmax tile by tile."""
    return upsampled_labels(logits, INPUT, ORIGINAL)


@torch.inference_mode()
def main(classes: int) -> None:
    """Interleave both and print medians, the ratio and the labels that differ."""
    torch.manual_seed(0)
    logits = torch.randn(classes, INPUT[0] // 8, INPUT[1] // 8)
    seconds: dict[str, list[float]] = {"plain": [], "tiled": []}
    labels = {}
    for _ in range(ROUNDS):
        for name, function in (("plain", plain), ("tiled", tiled)):
            start = time.perf_counter()
            labels[name] = function(logits)
            seconds[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(seconds["plain"], seconds["tiled"], strict=True)]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {classes} classes")
    for name, samples in seconds.items():
        print(f"{name}: median {statistics.median(samples) * 1000:.1f} ms")
    print(f"ratio plain / tiled: median {statistics.median(ratios):.2f}")
    print(f"labels that differ: {int((labels['plain'] != labels['tiled']).sum())}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
