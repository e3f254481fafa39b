"""Signals end a command with the shell's exit code, and a stopped training goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Road, prepared_road
from topformer_cli.rundir import RunDir

ROOT = Path(__file__).resolve().parents[2]
LONG = ("batch=2", "augment.crop=[64,64]", "evaluation.every=100000")


@pytest.fixture(scope="module")
def long_road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return prepared_road(tmp_path_factory.mktemp("long"))


def start(road: Road, *overrides: str) -> "subprocess.Popen[str]":
    """Start a training as a user would, in a process of its own."""
    words = [w for text in (*LONG, *overrides) for w in ("-o", text)]
    return subprocess.Popen(
        [
            sys.executable, "-m", "topformer_cli", "train", "little", *words, "-v",
            "--work-dir", str(road.runs), "--cache-dir", str(road.cache),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def wait_for_steps(training: "subprocess.Popen[str]") -> None:
    """Return once the training has told of its first steps."""
    assert training.stderr is not None
    for line in training.stderr:
        if line.startswith("step 20:"):
            return
    pytest.fail("the training ended before its steps")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_stopped_training_saves_and_says_how_to_go_on(
    long_road: Road, number: int, code: int
) -> None:
    training = start(long_road, "schedule.iterations=100000")
    wait_for_steps(training)
    training.send_signal(number)
    out, err = training.communicate()
    assert training.returncode == code
    assert out == ""
    name = signal.Signals(number).name
    assert f"topformer: {name}: saved step " in err
    assert err.splitlines()[-1].endswith("go on with `topformer train --resume auto`")
    run = RunDir(long_road.latest)
    assert run.state.is_file()
    assert not run.finished
    shown = long_road.run("export", "--input", "64x64", "--format", "onnx")
    assert shown.code == 0, shown.err
    assert ", an unfinished run" in shown.err


def test_resume_auto_goes_on_to_the_end(long_road: Road) -> None:
    training = start(long_road, "schedule.iterations=60")
    wait_for_steps(training)
    training.send_signal(signal.SIGINT)
    training.communicate()
    done = long_road.run("train", "--resume", "auto")
    if training.returncode == 0:  # it was done before the signal came
        assert "is finished" in done.err
        return
    assert done.code == 0, done.err
    assert "resumed at step " in done.err
    assert "mIoU" in done.out
    assert RunDir(long_road.latest).finished
