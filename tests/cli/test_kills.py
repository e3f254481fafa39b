"""kill -9 of a training on the command line, fifty times: the end is that of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import Road, prepared_road
from tests.fakes.phased_cli import PHASES
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import RunDir

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
SETTINGS = (
    "batch=2", "augment.crop=[64,64]", "schedule.iterations=60", "schedule.warmup=2",
    "evaluation.every=2", "ema=0.9", "model.dropout=0.1",
)  # fmt: skip
LONGEST = {"start": 8.0, "wait": 1.0, "step": 0.2, "evaluation": 0.2, "save": 0.2}
"""Seconds after a phase began within which the kill comes."""


class Training:
    """One life of a run."""

    def __init__(self, road: Road, *words: str) -> None:
        self.phases = road.folder / "phase"
        self.phases.write_text("i")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.fakes.phased_cli", str(self.phases), "train", *words,
                "--workers", "1", "--keep", "2",
                "--work-dir", str(road.runs), "--cache-dir", str(road.cache),
            ],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    @property
    def phase(self) -> str:
        return PHASES[self.phases.read_text()]

    def await_phase(self, wanted: str, times: int) -> None:
        """Return when a phase begins for so many times, or the training is over."""
        before = ""
        while times and self.process.poll() is None:
            now = self.phase
            times -= now == wanted != before
            before = now
            time.sleep(0.0005)

    def kill(self) -> str:
        """Kill it; return the phase that this hit, or nothing if it was over before."""
        phase = self.phase
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        return phase if self.process.returncode == -signal.SIGKILL else ""


def kill_at_random(training: Training, chance: random.Random) -> str:
    phase = chance.choice(list(LONGEST))
    training.await_phase(phase, 1 if phase == "start" else chance.randint(1, 3))
    time.sleep(chance.uniform(0, LONGEST[phase]))
    return training.kill()


def begin(road: Road) -> Training:
    return Training(road, "little", *(w for text in SETTINGS for w in ("-o", text)))


def go_on(road: Road) -> Training:
    saved = RunDir(road.latest).state.is_file() if (road.runs / "train").is_dir() else False
    return Training(road, "--resume", "auto") if saved else begin(road)


def to_the_end(training: Training) -> None:
    text, _ = training.process.communicate()
    assert training.process.returncode == 0, text


def metrics(run: RunDir) -> list[dict[str, Any]]:
    """The records, without what a clock or the memory says."""
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    measured = ("images_per_s", "wait_share", "memory_mb", "eta_s")
    return [{k: v for k, v in one.items() if k not in measured} for one in records]


def files(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.state.parent.iterdir())


def assert_same_run(one: RunDir, other: RunDir) -> None:
    assert files(one) == files(other)
    for name in files(one):
        if name == "state.pt":
            continue
        first, second = (load_checkpoint(run.state.parent / name).weights for run in (one, other))
        assert [key for key in first if not torch.equal(first[key], second[key])] == [], name
    assert metrics(one) == metrics(other)
    assert one.result.read_text() == other.result.read_text()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_kills_change_nothing(tmp_path: Path) -> None:
    road = prepared_road(tmp_path)
    to_the_end(begin(road))
    whole = RunDir(road.latest)
    chance = random.Random(int(os.environ.get("TOPFORMER_KILL_SEED", "1")))
    hit: Counter[str] = Counter()
    ended: list[RunDir] = []
    while hit.total() < KILLS:
        training = begin(road) if RunDir(road.latest).finished else go_on(road)
        if phase := kill_at_random(training, chance):
            hit[phase] += 1
            continue
        assert training.process.returncode == 0
        ended.append(RunDir(road.latest))
    sys.stderr.write(f"kills by phase: {dict(hit)}; runs that ended under fire: {len(ended)}\n")
    if not RunDir(road.latest).finished:
        to_the_end(go_on(road))
        ended.append(RunDir(road.latest))
    for run in ended:
        assert_same_run(whole, run)
