"""Signals to a process that measures: what is left on the phone, and that nothing runs on there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.discover import choose_device
from topformer_cli.bench.measure import measure_phone
from topformer_cli.bench.plan import BenchPlan

MEASURE = """
import sys
from pathlib import Path
import numpy as np
from topformer_cli.bench.discover import choose_device
from topformer_cli.bench.measure import measure_phone
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.runner import Runner

folder, serial = Path(sys.argv[1]), sys.argv[2]
zeros = np.zeros((1, 3, 4, 4), np.float32)
plan = BenchPlan("affine", {}, folder / "net.tnnproto", zeros, zeros)
runner = Runner("TNNTest", folder / "TNNTest", "arm64-v8a", "static", "0" * 64)
measure_phone(plan, choose_device("tcp:" + serial), runner)
"""


def wait_until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def pid_of_runner(work: Path) -> int:
    """Return what the hanging runner wrote about itself, 0 before that."""
    return int("".join(path.read_text() for path in work.glob("*/pid")) or 0)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into Linux's /proc")
@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_signal(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    number: signal.Signals,
    left: int,
) -> None:
    device = start_device()
    script_runner(tmp_path, "hangs")
    command = [sys.executable, "-c", MEASURE, str(tmp_path), device.serial]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as measuring:
        assert wait_until(lambda: pid_of_runner(device.root.work) > 0)
        runner = pid_of_runner(device.root.work)
        assert runs(runner)
        measuring.send_signal(number)
        measuring.communicate()
    assert wait_until(lambda: not runs(runner))
    assert len(device.root.remains()) == left
    result = measure_phone(
        phone_plan, choose_device(device.serial), script_runner(tmp_path, "well")
    )
    assert len(result.rounds) == 3
    assert any("of other runs" in note for note in result.notes) == bool(left)
