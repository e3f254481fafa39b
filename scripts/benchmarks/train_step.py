"""Our training step against the authors', written straight: time, peak memory, agreement.

    python scripts/benchmarks/train_step.py        # BATCH=4 SIZE=512 DEVICE=cpu ROUNDS=9

The authors' step: network in fp32 and NCHW, bilinear resize of the logits to the label's size,
cross-entropy of every pixel and its mean, AdamW, and the accuracy over the full-resolution logits
that their head logs at every step; a row leaves that out. Ours is the package's network in
channels_last, tiled loss, fused AdamW; on the CPU freed memory is kept, which one row gives the
authors' step, too. On CUDA further rows give the authors' step what a user can add to it, each on
top of the row before. Each row has a process of its own, with the same weights; the processes take
their steps in turn.
"""

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
from topformer_cli.engine.memory import keep_freed_memory
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import ModelSpec

BATCH = int(os.environ.get("BATCH", "4"))
SIZE = int(os.environ.get("SIZE", "512"))
DEVICE = torch.device(os.environ.get("DEVICE", "cpu"))
ROUNDS = int(os.environ.get("ROUNDS", "9"))
CLASSES, WARM_UP = 150, 2
CUDA = DEVICE.type == "cuda"


class Step:
    """One way of taking a training step."""

    def __init__(self, name: str, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).to(DEVICE)
        self.ours = name.startswith("ours")
        self.logs = name != "without logging" and not self.ours
        words = name.split(" + ")
        if DEVICE.type == "cpu" and (self.ours or "memory kept" in words):
            keep_freed_memory()
        if self.ours or "channels_last" in words:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.autocast = "bf16" in words
        fused = True if self.ours else None
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=1e-4, weight_decay=0.01, fused=fused
        )
        self.score: Callable[[Tensor, Tensor], Tensor] = self._ours if self.ours else self._authors
        if "compile" in words:
            self.score = torch.compile(self.score)

    def take(self, images: Tensor, labels: Tensor) -> Tensor:
        """Take a step and return its loss."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.ours:
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE.type, torch.bfloat16, self.autocast):
            loss = self.score(images, labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _ours(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.network(images)
        return upsampled_cross_entropy(logits, labels, pixel_count(labels, "all_pixels"))

    def _authors(self, images: Tensor, labels: Tensor) -> Tensor:
        logits = self.network(images)
        wide = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
        target = labels.long()
        loss = F.cross_entropy(wide, target, ignore_index=255, reduction="none").mean()
        if self.logs:
            self.accuracy = top_1(wide, target)
        return loss

    def gradients(self) -> Tensor:
        """Return all gradients of the last step in one vector."""
        parts = [p.grad.float().flatten() for p in self.network.parameters() if p.grad is not None]
        return torch.cat(parts)


def top_1(wide: Tensor, target: Tensor) -> Tensor:
    """Return the share of pixels whose best class is the label, as the authors' head logs it."""
    _, best = wide.topk(1, dim=1)
    return (best.transpose(0, 1) == target[None]).float().sum() * (100.0 / target.numel())


def row_names() -> list[str]:
    """Return the rows; the first is the authors' step."""
    rows = ["authors", "without logging"]
    if CUDA:
        given = ["authors", "channels_last", "bf16", "compile"]
        rows += [" + ".join(given[: count + 1]) for count in range(1, len(given))]
        rows.append("ours + bf16")
    else:
        rows.append("authors + memory kept")
    return [*rows, "ours"]


def problem() -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network of the released tiny form, random images, and labels in patches of 16."""
    torch.manual_seed(0)
    spec = ModelSpec(
        size="tiny", fuse="depthwise", classes=tuple(map(str, range(CLASSES))),
        palette=((0, 0, 0),) * CLASSES, input_size=(SIZE, SIZE), dataset="random",
    )  # fmt: skip
    network = build_model(spec)  # no dropout: the rows must agree
    images = torch.randn(BATCH, 3, SIZE, SIZE)
    patches = torch.randint(0, CLASSES, (BATCH, SIZE // 16, SIZE // 16), dtype=torch.uint8)
    labels = patches.repeat_interleave(16, 1).repeat_interleave(16, 2)
    labels = labels.masked_fill(torch.rand(labels.shape) < 0.1, 255)
    return network, images.to(DEVICE), labels.to(DEVICE)


def timed(step: Step, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return seconds and loss of one step."""
    synchronise()
    start = time.perf_counter()
    loss = step.take(images, labels)
    synchronise()
    return time.perf_counter() - start, float(loss)


def synchronise() -> None:
    """Wait for the device."""
    if CUDA:
        torch.cuda.synchronize()


def high_water_mb() -> float:
    """Return the peak of allocated device memory, or of this process's resident memory."""
    if CUDA:
        return torch.cuda.max_memory_allocated() / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(one for one in lines if one.startswith("VmHWM")).split()[1]) / 1024


def serve(name: str) -> None:
    """Answer the lines of stdin: `step`, `peak`, or a path that the gradients are written to."""
    network, images, labels = problem()
    step = Step(name, network)
    del network
    before = high_water_mb()
    for line in map(str.strip, sys.stdin):
        if line == "step":
            answer = timed(step, images, labels)
        elif line == "peak":
            answer = (high_water_mb() - before,)
        else:
            torch.save(step.gradients().cpu(), line)
            answer = ()
        print(json.dumps(answer), flush=True)


class Row:
    """One way of taking steps, in its own process."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, __file__, "--serve", name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.seconds: list[float] = []

    def ask(self, line: str) -> list[float]:
        """Return the answer to a line."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(line + "\n")
        stdin.flush()
        answer: list[float] = json.loads(stdout.readline())
        return answer


def agreement(rows: dict[str, Row]) -> None:
    """Print how far each row's loss and gradients lie from the authors' at the same weights.

    In single precision batch statistics of random images alone move gradients by a hundredth; how
    exact the objective is, tests/unit/engine/test_losses.py says.
    """
    losses = {name: row.ask("step")[1] for name, row in rows.items()}
    gradients = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, row in rows.items():
            path = Path(folder) / "gradients.pt"
            row.ask(str(path))
            gradients[name] = torch.load(path)
    reference = gradients["authors"]
    for name, found in gradients.items():
        apart = float((found - reference).norm() / reference.norm())
        print(f"{name}: loss {losses[name]:.6f}, gradients apart by {apart:.1e} of their norm")


def main() -> None:
    """Interleave the rows and print medians, ratios and peaks."""
    rows = {name: Row(name) for name in row_names()}
    where = torch.cuda.get_device_name() if CUDA else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {where}, tiny, batch {BATCH}, {SIZE}x{SIZE}, load", end=" ")
    print(f"{os.getloadavg()[0]:.1f}")
    agreement(rows)
    for number in range(WARM_UP + ROUNDS):
        for row in rows.values():
            seconds, _ = row.ask("step")
            if number >= WARM_UP:
                row.seconds.append(seconds)
    authors = rows["authors"]
    (most,) = authors.ask("peak")
    for name, row in rows.items():
        ratio = median_ratio(authors, row)
        (peak,) = row.ask("peak")
        print(
            f"{name}: {statistics.median(row.seconds) * 1000:.1f} ms, ratio {ratio:.2f}; peak "
            f"memory +{peak:.0f} MB, {peak / most:.0%}"
        )
    share = 1 - 1 / median_ratio(authors, rows["without logging"])
    print(f"share of logging in the authors' step: {share:.0%}; load {os.getloadavg()[0]:.1f}")
    for row in rows.values():
        row.process.communicate()


def median_ratio(first: Row, second: Row) -> float:
    """Return the median of the rounds' ratios of time."""
    pairs = zip(first.seconds, second.seconds, strict=True)
    return statistics.median(a / b for a, b in pairs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
