"""Our training step of a detector against torchvision's RetinaNet: time by stage, peak memory.

    python scripts/benchmarks/detection_step.py [SET]    # BATCH=2 SCALE=640x384 DEVICE=cpu ROUNDS=7

torchvision's step is written straight, as in its references: images decoded by Pillow, flipped and
made tensors by its transforms (preset `hflip`), its RetinaNet in fp32 with its transform, anchors,
matcher and losses, SGD with momentum. The backbone is this package's TopFormer-tiny under
torchvision's feature pyramid. Further rows give that step what a user can add. Ours is what
`topformer train coco-retinanet` does (without stochastic depth, which theirs has not), in fp32 and
in bf16; images are decoded anew for every batch, as those of a set that memory does not hold.

SET is the folder of a prepared set of boxes; without one pictures are made. Every row takes the
same images in the same batches, without loader processes; decoding is inside the time. Each has a
process of its own; the processes take their steps in turn. On a machine that is busy with other
work, CLOCK=cpu OMP_NUM_THREADS=1 compares the CPU time of one thread.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it

import photos
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.ops import FeaturePyramidNetwork
from torchvision.transforms import v2

from topformer_cli.data import loaders
from topformer_cli.data.prepare import prepare, prepared_path
from topformer_cli.data.sources.boxes import BoxRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import profile
from topformer_cli.engine.feed import Feed, FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.memory import begin_peak, keep_freed_memory, peak_bytes
from topformer_cli.engine.rehearsal import Rehearsal
from topformer_cli.engine.tasks import make_task, model_spec
from topformer_cli.models.detector import FPN_WIDTH, CoarseLevels
from topformer_cli.models.spec import SIZES
from topformer_cli.models.topformer import INJECTED_SCALES, Backbone, initialise
from topformer_cli.recipe import Choices, load_recipe

BATCH = int(os.environ.get("BATCH", "2"))
SCALE = tuple(int(side) for side in os.environ.get("SCALE", "640x384").split("x"))
DEVICE = torch.device(os.environ.get("DEVICE", "cpu"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
CPU_TIME = os.environ.get("CLOCK", "wall") == "cpu"
CUDA = DEVICE.type == "cuda"
WARM_UP, PICTURES = 1, 64
STAGES = {name: name for name in profile.PARTS} | {profile.DATA: "input"}
"""Parts of a step by what they are called here: decoding, transforms, normalisation are input."""
Span = Callable[[str], AbstractContextManager[Any]]


class CpuClock:
    """Reads the CPU time of this process."""

    def mark(self) -> float:
        return time.process_time()

    def between(self, start: float, end: float) -> float:
        return end - start


def spanned(modules: Sequence[nn.Module], enter: Span, name: str) -> None:
    """Book the calls of modules on a stage."""
    opened: list[AbstractContextManager[Any]] = []

    def before(*_values: object) -> None:
        opened.append(enter(name))
        opened[-1].__enter__()

    def after(*_values: object) -> None:
        opened.pop().__exit__(None, None, None)

    for module in modules:
        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)


def booked(function: Callable[..., Any], enter: Span, name: str) -> Callable[..., Any]:
    """Return a function whose calls are booked on a stage."""

    def call(*values: Any) -> Any:  # noqa: ANN401 - whatever it takes
        with enter(name):
            return function(*values)

    return call


def recipe_job(prepared: PreparedSet, amp: str) -> TrainJob:
    """Return COCO's recipe on the set that is there."""
    long, short = SCALE
    given = (
        f"batch={BATCH}", f"augment.scale=[{long},{short}]", f"augment.least_short={short}",
        f"amp={amp}", "model.drop_path=0.0",
    )  # fmt: skip
    recipe = load_recipe("coco-retinanet", Choices("tiny", overrides=given))
    return TrainJob(recipe, prepared, model_spec(recipe, prepared.card), FeedOptions(device=DEVICE))


class Ours:
    """The steps of `topformer train coco-retinanet`."""

    def __init__(self, prepared: PreparedSet, amp: str, span: Span) -> None:
        self.rehearsal = rehearsal = Rehearsal(recipe_job(prepared, amp))
        self.batches, self.span = rehearsal.batches(10**6), span
        rehearsal.step.span = span
        rehearsal.step.feed = _SpannedFeed(rehearsal.feed, span)
        spanned([rehearsal.step.network], span, profile.FORWARD)

    def take(self) -> None:
        """Take a step."""
        with self.span(profile.DATA):
            parts = next(self.batches)
        self.rehearsal.take(parts)

    def loss(self) -> float:
        """Return the mean loss of all steps."""
        return self.rehearsal.state.tally.read().mean_loss


class _SpannedFeed:
    """A feed whose work on the device is booked as input."""

    def __init__(self, feed: Feed, span: Span) -> None:
        self.batches, self.ids = feed.batches, feed.ids
        self._feed, self._span = feed, span

    def on_device(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        with self._span(profile.DATA):
            return self._feed.on_device(tensors)


class Pyramid(nn.Module):
    """TopFormer-tiny under torchvision's feature pyramid, as a backbone of torchvision."""

    out_channels = FPN_WIDTH

    def __init__(self) -> None:
        super().__init__()
        size = SIZES["tiny"]
        self.body = Backbone(size)
        initialise(self.body)
        extra = CoarseLevels(size.width, FPN_WIDTH)
        self.fpn = FeaturePyramidNetwork([size.width] * INJECTED_SCALES, FPN_WIDTH, extra)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        tokens = self.body.features(images).injected
        found: dict[str, Tensor] = self.fpn(
            OrderedDict((str(number), one) for number, one in enumerate(tokens))
        )
        return found


class Theirs:
    """The steps of torchvision's references: transforms, network, losses and loop."""

    def __init__(self, prepared: PreparedSet, words: Sequence[str], span: Span) -> None:
        self.prepared, self.span, self.bf16 = prepared, span, "bf16" in words
        job = recipe_job(prepared, "fp32")
        self.order = make_task(job.recipe, prepared, job.spec).feed(job.options)
        long, short = SCALE
        network = RetinaNet(Pyramid(), len(prepared.card.classes), min_size=short, max_size=long)
        form = torch.channels_last if "channels_last" in words else torch.contiguous_format
        self.network = network.to(DEVICE, memory_format=form).train()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=1e-5, momentum=0.9, weight_decay=1e-4
        )
        self.transforms = v2.Compose(
            [
                v2.RandomHorizontalFlip(0.5),
                v2.PILToTensor(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
        self.losses: list[float] = []
        if "memory kept" in words:
            keep_freed_memory()
        spanned([self.network.transform], span, profile.DATA)
        spanned([self.network.backbone, self.network.head], span, profile.FORWARD)
        spanned([self.network.anchor_generator], span, profile.LOSS)
        self.network.compute_loss = booked(self.network.compute_loss, span, profile.LOSS)

    def take(self) -> None:
        """Take a step."""
        with self.span(profile.DATA):
            pairs = [self._sample(name) for name in self.order.ids(len(self.losses))]
            images = [image.to(DEVICE) for image, _ in pairs]
            targets = [{k: v.to(DEVICE) for k, v in target.items()} for _, target in pairs]
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self.bf16):
            loss = sum(self.network(images, targets).values())
        self.losses.append(float(loss.detach()))  # their loop stops where it is not finite
        self.optimizer.zero_grad()
        with self.span(profile.BACKWARD):
            loss.backward()
        with self.span(profile.OPTIMIZER):
            self.optimizer.step()

    def loss(self) -> float:
        """Return the mean loss of all steps."""
        return statistics.mean(self.losses)

    def _sample(self, name: str) -> tuple[Tensor, dict[str, Tensor]]:
        index = self.prepared.find("train", name)
        sample = self.prepared.boxes("train", index)
        image = Image.open(io.BytesIO(sample.image)).convert("RGB")
        corners = torch.as_tensor(sample.boxes, dtype=torch.float32).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        corners[:, 0::2].clamp_(min=0, max=sample.width)
        corners[:, 1::2].clamp_(min=0, max=sample.height)
        kept = (corners[:, 2:] > corners[:, :2]).all(dim=1) & torch.from_numpy(~sample.crowds)
        size = (sample.height, sample.width)
        boxes = tv_tensors.BoundingBoxes(corners[kept], format="XYXY", canvas_size=size)
        labels = torch.from_numpy(sample.categories)[kept]
        tensor, target = self.transforms(image, {"boxes": boxes, "labels": labels})
        return tensor, {key: value.as_subclass(Tensor) for key, value in target.items()}


def row_names() -> list[str]:
    """Return the rows; the first is torchvision's as it stands. ROWS=a,b chooses."""
    if chosen := os.environ.get("ROWS"):
        return chosen.split(",")
    if CUDA:
        theirs = ["torchvision", "torchvision + bf16", "torchvision + bf16 + channels_last"]
    else:
        theirs = ["torchvision", "torchvision + memory kept", "torchvision + memory kept + bf16"]
    return [*theirs, "ours fp32", "ours bf16"]


def serve(name: str, place: str) -> None:
    """Answer the lines of stdin: `step` by the seconds of each stage, `end` by peak MB and loss."""
    loaders.CACHE_BYTES = 0
    torch.manual_seed(0)
    prepared = PreparedSet.open(Path(place), Path(place))
    ledgers: list[profile.Ledger] = []

    def span(stage: str) -> AbstractContextManager[Any]:
        return ledgers[-1].span(stage)

    if name.startswith("ours"):
        row: Ours | Theirs = Ours(prepared, name[5:], span)
    else:
        row = Theirs(prepared, name.split(" + "), span)
    before = begin_peak(DEVICE)
    for line in map(str.strip, sys.stdin):
        if line == "step":
            ledgers[:] = [profile.Ledger(CpuClock() if CPU_TIME else profile.clock_of(DEVICE))]
            answer: Any = timed(row.take, ledgers[0])
        else:
            answer = (peak_bytes(DEVICE) - before) / 2**20, row.loss()
        print(json.dumps(answer), flush=True)


def timed(take: Callable[[], None], ledger: profile.Ledger) -> dict[str, float]:
    """Return the seconds of each stage of a step."""
    ledger.begin()
    take()
    ledger.begin()
    if CUDA:
        torch.cuda.synchronize()
    return {STAGES[part]: taken for part, taken in ledger.seconds().items()}


class Row:
    """One way of taking steps, in its own process."""

    def __init__(self, name: str, place: str) -> None:
        command = [sys.executable, __file__, "--serve", name, place]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.steps: list[dict[str, float]] = []

    def ask(self, line: str) -> Any:  # noqa: ANN401 - seconds or megabytes
        """Return the answer to a line."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(line + "\n")
        stdin.flush()
        return json.loads(stdout.readline())

    @property
    def seconds(self) -> list[float]:
        """The time of each step."""
        return [sum(step.values()) for step in self.steps]


def main(place: str) -> None:
    """Interleave the rows and print medians, ratios, stages and peaks."""
    names = row_names()
    rows = {name: Row(name, place) for name in names}
    where = torch.cuda.get_device_name() if CUDA else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {where}", end=", ")
    print(f"{'CPU time, ' * CPU_TIME}tiny, batch {BATCH}, {SCALE[0]}x{SCALE[1]}", end=", ")
    print(f"{ROUNDS} rounds, load {load()}", flush=True)
    for number in range(WARM_UP + ROUNDS):
        for row in rows.values():
            step = row.ask("step")
            if number >= WARM_UP:
                row.steps.append(step)
    first = rows[names[0]]
    for name, row in rows.items():
        ratio = statistics.median(a / b for a, b in zip(first.seconds, row.seconds, strict=True))
        middle = statistics.median(row.seconds)
        peak, loss = row.ask("end")
        print(
            f"{name}: {1000 * middle:.0f} ms, {BATCH / middle:.2f} images/s, ratio {ratio:.2f}; "
            f"ms an image: {stages(row)}; peak memory +{peak:.0f} MB; mean loss {loss:.2f}"
        )
    print(f"load {load()}")
    for row in rows.values():
        row.process.communicate()


def stages(row: Row) -> str:
    """Return the median milliseconds of each stage, an image."""
    middle = {name: statistics.median(step[name] for step in row.steps) for name in row.steps[0]}
    return ", ".join(f"{name} {1000 * value / BATCH:.0f}" for name, value in middle.items())


def load() -> str:
    """Return how busy the machine is."""
    return f"{os.getloadavg()[0]:.1f}"


def made_set(folder: Path) -> Path:
    """Make pictures, prepare them, and return the folder of the set."""
    photos.write_boxes(folder, PICTURES)
    request = BoxRequest(
        name="pictures",
        images=folder / "images",
        train=folder / "train.json",
        val=folder / "val.json",
        cache_dir=folder / "cache",
    )
    prepare(request)
    return prepared_path(request.cache_dir, request.name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:4])
    elif len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as made:
            main(str(made_set(Path(made))))
