"""Peak memory of `topformer segment` on a photo of 50 megapixels, a process a way.

    python scripts/benchmarks/segment_memory.py [SIZE]

A network with random weights and 150 classes segments a noisy JPEG of 8660x5774 pixels: by ADE20K's
whole protocol and by windows of 512, each as an overlay and as a label map. The peak is the
process's largest resident set, everything included.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from topformer_cli import cli
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint
from topformer_cli.models.spec import SIZES, ModelSpec

WIDTH, HEIGHT = 8660, 5774
WAYS = {
    "whole, overlay": (),
    "whole, labels": ("--labels",),
    "--window 512, overlay": ("--window", "512"),
    "--window 512, labels": ("--window", "512", "--labels"),
}


def make_photo(path: Path) -> None:
    """Write a JPEG of coarse colours and a sensor's noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (24, 36, 3), np.uint8)
    photo = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    cv2.add(photo, rng.integers(0, 20, photo.shape, np.uint8), dst=photo)
    cv2.imwrite(str(path), photo, [cv2.IMWRITE_JPEG_QUALITY, 92])


def make_checkpoint(path: Path, size: str) -> None:
    """Write a network with random weights for ADE20K's protocol."""
    torch.manual_seed(0)
    spec = ModelSpec(
        size=size, fuse=SIZES[size].fuse, classes=tuple(f"class {n}" for n in range(150)),
        palette=tuple((37 * n % 256, 91 * n % 256, 151 * n % 256) for n in range(150)),
        input_size=(512, 512), dataset="ade20k",
    )  # fmt: skip
    save_checkpoint(path, Checkpoint(spec, build_model(spec).state_dict(), {}))


def segment(photo: str, checkpoint: str, words: list[str]) -> int:
    """Run the command in this process and tell of it."""
    start = time.perf_counter()
    target = str(Path(photo).with_suffix(".png"))
    line = ["segment", photo, "--model", checkpoint, "-o", target, "--device", "cpu", "-q"]
    code = cli.run([*line, *words])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} MiB, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return code


def main(size: str) -> None:
    """Print the peak of each way."""
    print(f"torch {torch.__version__}, {size}, {WIDTH}x{HEIGHT}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        photo, checkpoint = Path(folder, "photo.jpg"), Path(folder, "random.safetensors")
        make_photo(photo)
        make_checkpoint(checkpoint, size)
        for name, words in WAYS.items():
            line = [sys.executable, __file__, "--one", str(photo), str(checkpoint), *words]
            ran = subprocess.run(line, check=True, capture_output=True, text=True)
            print(f"  {name}: {ran.stderr.splitlines()[-1]}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.exit(segment(sys.argv[2], sys.argv[3], sys.argv[4:]))
    main(sys.argv[1] if len(sys.argv) > 1 else "tiny")
