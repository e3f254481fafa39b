"""Training by several processes, as a user starts it: `--nproc`, and torchrun."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli.conftest import SHORT, Road, prepared_road
from topformer_cli.rundir import RunDir

ROOT = Path(__file__).resolve().parents[2]
LONG = ("batch=4", "augment.crop=[64,64]", "evaluation.every=100000")


@pytest.fixture(scope="module")
def pair_road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return prepared_road(tmp_path_factory.mktemp("pair"))


def start(road: Road, launcher: tuple[str, ...], *words: str) -> "subprocess.Popen[str]":
    """Start a command line of two processes."""
    return subprocess.Popen(
        [
            sys.executable, "-m", *launcher, "train", *words, "--device", "cpu",
            "--work-dir", str(road.runs), "--cache-dir", str(road.cache),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def options(*overrides: str) -> list[str]:
    return [word for text in overrides for word in ("-o", text)]


def wait_for_state(road: Road, step: int) -> RunDir:
    """Return the run once it has done some steps."""
    for _ in range(2400):
        if (road.runs / "train" / "latest").exists():
            run = RunDir(road.latest)
            if run.metrics.is_file() and f'"step": {step},' in run.metrics.read_text():
                return run
        time.sleep(0.1)
    pytest.fail("the training did not come to its steps")


def rank_of(launcher: int, rank: int) -> int:
    """Return the process id of a rank of a launcher."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == launcher and f"RANK={rank}".encode() in environment:
                return int(folder.name)
    pytest.fail(f"no rank {rank}")


@pytest.mark.slow
def test_a_signal_to_the_launcher_stops_all_and_saves_once(pair_road: Road) -> None:
    words = options(*LONG, "schedule.iterations=100000")
    training = start(pair_road, ("topformer_cli",), "little", *words, "--nproc", "2")
    watch = threading.Thread(target=wait_for_state, args=(pair_road, 20))
    watch.start()
    watch.join()
    training.send_signal(signal.SIGTERM)
    out, err = training.communicate()
    assert training.returncode == 143, err
    assert out == ""
    assert err.count("SIGTERM: saved step ") == 1
    assert "(2 processes x 1 part x 2 images)" in err
    assert RunDir(pair_road.latest).state.is_file()


def test_a_wrong_batch_is_told_once(pair_road: Road) -> None:
    training = start(
        pair_road, ("topformer_cli",), "little", *options(*SHORT, "batch=3"), "--nproc=2"
    )
    _, err = training.communicate()
    assert training.returncode == 2
    assert err.count("batch 3 cannot be shared out evenly among 2 processes") == 1
    assert "Traceback" not in err


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.slow
def test_a_restarted_job_goes_on_with_its_own_run(pair_road: Road) -> None:
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    launcher = (*launcher, "--max-restarts", "1", "-m", "topformer_cli")
    words = options(*LONG, "schedule.iterations=40")
    before = {path.name for path in (pair_road.runs / "train").glob("*-[0-9]*")}
    training = start(pair_road, launcher, "little", *words)
    run: list[RunDir] = []

    def kill() -> None:
        while (latest := pair_road.runs / "train" / "latest").resolve().name in {
            *before,
            latest.name,
        }:
            time.sleep(0.1)
        run.append(wait_for_state(pair_road, 20))
        os.kill(rank_of(training.pid, 1), signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    out, err = training.communicate()
    killer.join(5)
    assert training.returncode == 0, err
    new = {path.name for path in (pair_road.runs / "train").glob("*-[0-9]*")} - before
    assert new == {run[0].path.name}
    assert run[0].finished
    assert "resumed at step " in err or err.count("from scratch") == 2
    assert "mIoU" in out
