"""Evaluation of a prepared set, against the authors' way restated, interleaved.

    python scripts/benchmarks/photos.py FOLDER 160
    topformer data prepare bench --images FOLDER/images --masks FOLDER/masks \\
        --classes FOLDER/classes.txt
    python scripts/benchmarks/evaluation.py SET [tiny,base] [COUNT]

SET is the prepared set's folder; COUNT of its training pictures, those of 512x683, are evaluated by
networks with random weights. The authors' way: load, resize, network, two resizes, softmax, argmax,
three histograms (tools/test.py of hustvl/TopFormer, mmsegmentation 0.19). Peak memory is that of a
process of its own, above what it has when the network is there, of a quarter of the pictures, of
all, and of four times as many.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line sets it

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.protocol import EvalSettings, eval_input
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.evaluate import evaluate
from topformer_cli.engine.predict import Segmenter, TorchPredictor, normalised
from topformer_cli.engine.processes.world import ALONE
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import SIZES, ModelSpec

ROUNDS = 5
SIDES = (512, 683)
SETTINGS = EvalSettings()


class Chosen:
    """A split of those pictures of a set that have the size."""

    world = ALONE
    name = "train"
    notes = ()

    def __init__(self, folder: Path, count: int) -> None:
        self.prepared = PreparedSet.open(folder, folder)
        sizes = (
            (index, cv2.imdecode(np.frombuffer(self.prepared.encoded("train", index), np.uint8), 1))
            for index in range(self.prepared.length("train"))
        )
        right = (index for index, image in sizes if image.shape[:2] == SIDES)
        self.indices = [index for index, _ in zip(right, range(count), strict=False)]

    def __len__(self) -> int:
        return len(self.indices)


def network_of(size: str, classes: int) -> tuple[nn.Module, ModelSpec]:
    """Return a network with random weights and statistics, and its card."""
    torch.manual_seed(0)
    spec = ModelSpec(
        size=size, fuse=SIZES[size].fuse, classes=tuple(f"class {n}" for n in range(classes)),
        palette=((0, 0, 0),) * classes, input_size=(512, 512), dataset="bench",
    )  # fmt: skip
    network = build_model(spec).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network, spec


@torch.inference_mode()
def authors_counts(network: nn.Module, spec: ModelSpec, split: Chosen) -> tuple[Tensor, Tensor]:
    """Return areas of intersection and union by class, summed over the pictures."""
    classes = len(spec.classes)
    totals = torch.zeros(2, classes)
    for index in split.indices:
        sample = split.prepared.sample(split.name, index)
        image = decode_image(sample.image)
        wide = network(torch.from_numpy(normalised(eval_input(image, SETTINGS), spec)))
        for size in (wide.shape[2] * 8, wide.shape[3] * 8), image.shape[:2]:
            wide = F.interpolate(wide, size=size, mode="bilinear", align_corners=False)
        predicted = wide.softmax(1).argmax(1)[0]
        truth = torch.from_numpy(decode_mask(sample.mask, split.prepared.card.id_map)).long()
        predicted, truth = predicted[truth != 255], truth[truth != 255]
        histogram = [
            torch.histc(one.float(), bins=classes, min=0, max=classes - 1)
            for one in (predicted[predicted == truth], predicted, truth)
        ]
        totals += torch.stack([histogram[0], histogram[1] + histogram[2] - histogram[0]])
    return totals[0], totals[1]


def ours(network: nn.Module, spec: ModelSpec, split: Chosen) -> np.ndarray:
    """Return the IoU by class in percent, as `topformer eval` has it."""
    predictor = TorchPredictor(network, "random weights", torch.device("cpu"))
    segmenter = Segmenter(predictor, spec, SETTINGS)
    result = evaluate(segmenter, split, "random weights", lambda _done, _total: None)
    return np.array([np.nan if one is None else one for one in result.found.iou])


def timed(size: str, split: Chosen) -> None:
    """Interleave both ways and print the ratio, and how far the scores lie apart."""
    network, spec = network_of(size, len(split.prepared.card.classes))
    seconds: dict[str, list[float]] = {"authors": [], "ours": []}
    found = {}
    for _ in range(ROUNDS):
        for name, function in (("authors", authors_counts), ("ours", ours)):
            start = time.perf_counter()
            found[name] = function(network, spec, split)
            seconds[name].append((time.perf_counter() - start) / len(split) * 1000)
    ratios = [a / b for a, b in zip(seconds["authors"], seconds["ours"], strict=True)]
    medians = ", ".join(f"{n} {statistics.median(v):.1f} ms" for n, v in seconds.items())
    hits, union = found["authors"]
    apart = np.nanmax(np.abs((100 * hits / union).numpy() - found["ours"]))
    print(f"{size}: {medians} an image; ratio {statistics.median(ratios):.2f}")
    print(f"  largest difference of a class's IoU: {apart:.4f} of 100")


def peak_mb(way: str, size: str, folder: Path, count: int) -> float:
    """Return how much memory one evaluation takes at most, above the network's."""
    split = Chosen(folder, count)
    network, spec = network_of(size, len(split.prepared.card.classes))
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = memory_kb("VmRSS")
    {"authors": authors_counts, "ours": ours}[way](network, spec, split)
    return (memory_kb("VmHWM") - before) / 1024


def memory_kb(key: str) -> int:
    """Return a figure of Linux's record of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def main(folder: Path, sizes: list[str], count: int) -> None:
    """Print time and memory of each size."""
    split = Chosen(folder, count)
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(split)} pictures of "
        f"{SIDES[0]}x{SIDES[1]}, load {os.getloadavg()[0]:.1f}"
    )
    for size in sizes:
        timed(size, split)
        for way in ("authors", "ours"):
            counts = [max(count // 4, 1), count, 4 * count]
            peaks = [
                subprocess.run(
                    [sys.executable, __file__, "--peak", way, size, str(folder), str(number)],
                    check=True, capture_output=True, text=True,
                ).stdout.strip()
                for number in counts
            ]  # fmt: skip
            told = ", ".join(
                f"+{peak} MB of {number}" for peak, number in zip(peaks, counts, strict=True)
            )
            print(f"  {way}: peak memory {told} pictures")


if __name__ == "__main__":
    if sys.argv[1] == "--peak":
        print(f"{peak_mb(sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5])):.0f}")
    else:
        chosen = sys.argv[2].split(",") if len(sys.argv) > 2 else ["tiny", "base"]
        main(Path(sys.argv[1]), chosen, int(sys.argv[3]) if len(sys.argv) > 3 else 16)
