"""Training steps with OpenMP's default spinning against the short spin that the CLI sets.

    python scripts/benchmarks/threads.py

Each figure is a process of its own; with and without a busy process beside it, interleaved.
"""

import os
import statistics
import subprocess
import sys
import time

ROUNDS, STEPS = 3, 12
SETTINGS = {"default": {}, "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"}}
BUSY = [sys.executable, "-c", "while True: pass"]


def step_ms() -> float:
    """Return the median time of a training step of tiny, batch 16 at 128x128."""
    import torch

    from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
    from topformer_cli.models.build import build_model
    from topformer_cli.models.spec import ModelSpec

    classes = tuple("abcdefg")
    spec = ModelSpec(
        size="tiny", fuse="depthwise", classes=classes, palette=((0, 0, 0),) * 7,
        input_size=(128, 128), dataset="random",
    )  # fmt: skip
    network = build_model(spec)
    optimizer = torch.optim.AdamW(network.parameters())
    images, labels = torch.randn(16, 3, 128, 128), torch.zeros(16, 128, 128, dtype=torch.uint8)
    samples = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        divisor = pixel_count(labels, "valid")
        upsampled_cross_entropy(network(images), labels, divisor).backward()
        optimizer.step()
        samples.append((time.perf_counter() - start) * 1000)
    return statistics.median(samples[2:])


def measured(setting: str) -> float:
    """Run `step_ms` in a process with a setting."""
    kept = {
        key: v for key, v in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    command = [sys.executable, __file__, "--step"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=kept | SETTINGS[setting]
    )
    return float(done.stdout)


def main() -> None:
    """Interleave the settings, alone and beside a busy process."""
    for beside in (0, 1):
        busy = [subprocess.Popen(BUSY) for _ in range(beside)]
        try:
            samples = {name: [] for name in SETTINGS}
            for _ in range(ROUNDS):
                for name, values in samples.items():
                    values.append(measured(name))
        finally:
            for process in busy:
                process.kill()
        ratios = [a / b for a, b in zip(*samples.values(), strict=True)]
        medians = ", ".join(f"{n} {statistics.median(v):.0f} ms" for n, v in samples.items())
        ratio = statistics.median(ratios)
        print(f"{beside} busy beside: {medians}; ratio default / short spin: {ratio:.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--step"]:
        print(step_ms())
    else:
        main()
