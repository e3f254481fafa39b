"""Signals end a command with the shell's exit code, and a stopped training goes on."""

import os
import re
import signal
import subprocess
import sys
import time
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
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
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
    run = RunDir(long_road.latest)
    assert err.splitlines()[-1].endswith(f"go on with `topformer train --resume {run.path}`")
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


def started(road: Road, *overrides: str) -> "subprocess.Popen[str]":
    """Start a training with loader processes in a group of its own, like a terminal's."""
    words = [w for text in (*LONG, "schedule.iterations=1000", *overrides) for w in ("-o", text)]
    return subprocess.Popen(
        [
            sys.executable, "-m", "topformer_cli", "train", "little", *words, "--workers", "2",
            "--work-dir", str(road.runs), "--cache-dir", str(road.cache),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def wait_for(training: "subprocess.Popen[str]", words: str) -> None:
    assert training.stdout is not None
    for line in training.stdout:
        if re.search(words, line):
            return
    training.wait()
    pytest.fail(f"the training ended with {training.returncode} before it said {words!r}")


def wait_for_first_state(road: Road) -> None:
    """Return once the run that has just begun has its first state, long before its first step."""
    while not RunDir(road.latest).state.is_file():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "overrides"),
    [
        (", from scratch, on cpu", ()),
        ("evaluating 1/", ("evaluation.every=1", "evaluation.scale=[2048,512]")),
    ],
    ids=["before the first step", "in an evaluation"],
)
def test_ctrl_c_stops_within_whatever_goes_on_and_no_process_complains(
    long_road: Road, words: str, overrides: tuple[str, ...]
) -> None:
    training = started(long_road, *overrides)
    wait_for(training, words)
    wait_for_first_state(long_road)
    os.killpg(training.pid, signal.SIGINT)
    text, _ = training.communicate()  # until the last of its processes has closed the pipe
    assert training.returncode == 130
    assert "Traceback" not in text
    assert "Exception ignored" not in text
    assert text.splitlines()[-1].startswith("topformer: SIGINT: saved step ")
    assert RunDir(long_road.latest).state.is_file()


def test_a_second_signal_ends_at_once(long_road: Road) -> None:
    training = started(long_road, "evaluation.every=1", "evaluation.scale=[2048,512]")
    wait_for(training, "evaluating 1/")
    training.send_signal(signal.SIGTERM)
    training.send_signal(signal.SIGTERM)
    training.communicate()
    assert training.returncode in (-signal.SIGTERM, 143)


def test_a_killed_training_leaves_no_process_behind(long_road: Road) -> None:
    training = started(long_road)
    wait_for(training, "train [1-9][0-9]*/1000")
    training.kill()
    training.communicate()  # ends when its loader processes have
    assert training.returncode == -signal.SIGKILL
