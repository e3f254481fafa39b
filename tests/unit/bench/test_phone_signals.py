"""Signals to a process that measures: what is left on the phone, and that nothing runs on there."""

import signal
from pathlib import Path

import pytest

from tests.fakes.runners import script_runner
from tests.fakes.stations import end_while_it_runs
from tests.unit.bench.conftest import StartDevice, measured, on_phone
from topformer_cli.bench.plan import BenchPlan

MEASURE = """
import sys
from pathlib import Path
import numpy as np
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.runner import Runner

folder, serial = Path(sys.argv[1]), sys.argv[2]
zeros = np.zeros((1, 3, 4, 4), np.float32)
plan = BenchPlan("affine", {}, folder / "net.tnnproto", zeros, zeros)
runner = Runner("TNNTest", folder / "TNNTest", "arm64-v8a", "static", "0" * 64)
station = PhoneStation(choose_device("tcp:" + serial))
Measurement(station, [Entrant(plan, runner)], Protocol()).run()
"""


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
    end_while_it_runs(device, [MEASURE, str(tmp_path), device.serial], number)
    assert len(device.root.remains()) == left
    result = measured(on_phone(device, phone_plan, script_runner(tmp_path, "well")))
    assert len(result.rounds) == 3
    assert any("of other measurements" in note for note in result.notes) == bool(left)
