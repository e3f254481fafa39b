"""What a page is made from: the records of a run, as plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topformer_cli.draw import Legend, Picture
from topformer_cli.results import BenchResult, EvalResult

Points = tuple[tuple[int, float], ...]
"""(step, value), steps rising."""


@dataclass(frozen=True, slots=True)
class Curves:
    """The training loss, the validation headline in percent, and the learning rate, by step."""

    loss: Points = ()
    headline: Points = ()
    rate: Points = ()

    @property
    def best(self) -> tuple[int, float] | None:
        """The step of the best headline, the last of equals, and its value; None without any."""
        return max(reversed(self.headline), key=lambda point: point[1], default=None)


def read_curves(metrics: Path, key: str = "miou") -> Curves:
    """Read the curves of a metrics.jsonl; a missing file or a line cut off gives no point.

    key is the headline's name in the records of evaluations. Where a resumed run wrote a step
    twice, the later line counts.
    """
    loss: dict[int, float] = {}
    headline: dict[int, float] = {}
    rate: dict[int, float] = {}
    lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.is_file() else []
    for line in lines:
        try:
            record = json.loads(line)
            step, kind = int(record["step"]), record["kind"]
            if kind == "step":
                loss[step] = float(record["loss"])
                rate[step] = float(record["lr"])
            elif kind == "eval":
                headline[step] = float(record[key])
        except (ValueError, KeyError, TypeError):
            continue
    return Curves(*(tuple(sorted(one.items())) for one in (loss, headline, rate)))


@dataclass(frozen=True, slots=True)
class Example:
    """One picture [H, W, 3] with the labels it should have and those it got, both [H, W].

    agreement is the share of labelled pixels, 0..1, that got their label.
    """

    name: str
    image: Picture
    truth: Picture
    predicted: Picture
    agreement: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the road: what was done, how long it took, and what came of it."""

    title: str
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How the network was trained; crop is (height, width) in pixels, best_step of the weights."""

    train_images: int
    val_images: int
    iterations: int
    best_step: int
    batch: int
    crop: tuple[int, int]
    seed: int
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything on the page of one run.

    parameters and multiply_adds are the network's, the latter for one image of the exported
    input. val_shares: each class's share, 0..1, of the labelled validation pixels. manifest is the
    plain form of the export's. least_miou is what the mIoU is expected to reach at least.
    """

    created: str
    version: str
    run: str
    seconds: float
    parameters: int
    multiply_adds: int
    training: TrainingFacts
    evaluation: EvalResult
    curves: Curves
    legend: Legend
    val_shares: tuple[float, ...]
    examples: tuple[Example, ...]
    manifest: Mapping[str, Any]
    bench: BenchResult
    stages: tuple[Stage, ...]
    least_miou: float

    @property
    def good_enough(self) -> bool:
        """Whether the mIoU is what a working installation reaches."""
        return self.evaluation.headline.value >= self.least_miou

    @property
    def parities(self) -> Mapping[str, Mapping[str, float]]:
        """The parity record of each exported format."""
        parities: Mapping[str, Mapping[str, float]] = self.manifest["parity"]
        return parities

    def megabytes(self, *suffixes: str) -> float:
        """Return the size of the exported files with these suffixes, in MB (10^6 bytes)."""
        files: Sequence[Mapping[str, Any]] = self.manifest["files"]
        fitting = (file for file in files if Path(file["name"]).suffix in suffixes)
        return sum(int(file["bytes"]) for file in fitting) / 1e6

    @property
    def worst_parity(self) -> float:
        """The largest relative difference of any exported format."""
        return max((parity["relative"] for parity in self.parities.values()), default=0.0)
