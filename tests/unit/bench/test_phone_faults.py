"""One fault a measurement: what the user is told, what is kept, and what is left on the phone."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.fakes.adb_device import Faults
from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import QUICK, StartDevice, on_phone
from topformer_cli.bench.phone import link_loss
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.errors import (
    DeviceError,
    MeasurementError,
    ParityError,
    TopformerError,
    exit_code_of,
)


@dataclass(frozen=True)
class Fault:
    """A device or runner that misbehaves, and the outcome of bench."""

    error: type[TopformerError]
    words: str
    ending: str = "well"
    rounds_kept: int = 0
    folder_left: bool = False


RUNNER_FAULTS = {
    "exit 0 without its line": Fault(
        MeasurementError, r"before the rounds: .*without its time line.*read proto_file failed!"
    ),
    "unsupported device": Fault(MeasurementError, r"TNNTest failed: .*create instance.*0x9000"),
    "nan times": Fault(MeasurementError, r"times that are none: .* nan, nan, nan ms"),
    "no output file": Fault(
        MeasurementError, r"its output could not be read .*0/output is no file"
    ),
    "output cut off": Fault(MeasurementError, r"holds 7 values of 48; it is cut off"),
    "segfault": Fault(MeasurementError, r"signal 11 \(SIGSEGV: it crashed"),
    "out of memory": Fault(MeasurementError, r"signal 9 \(SIGKILL: .*lack of memory"),
    "abort": Fault(MeasurementError, r"signal 6 \(SIGABRT"),
    "hangs": Fault(MeasurementError, r"did not end within 1 s; it was killed"),
    "not linked": Fault(DeviceError, r"cannot start the runner: CANNOT LINK .*libomp.so"),
    "wrong output": Fault(ParityError, r"net.tnnproto in TNN on 127.*max difference.*above 5e-04"),
}


@pytest.mark.parametrize("ending", RUNNER_FAULTS)
def test_runner_fault(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path, ending: str
) -> None:
    fault = RUNNER_FAULTS[ending]
    protocol = replace(QUICK, deadline_s=1.0) if ending == "hangs" else QUICK
    device = start_device()
    measurement = on_phone(device, phone_plan, script_runner(tmp_path, ending), protocol)
    with pytest.raises(fault.error, match=fault.words) as caught:
        measurement.run()
    assert type(caught.value) is fault.error
    assert "\n" not in str(caught.value)
    assert device.root.remains() == []


LINK_FAULTS = {
    "drop mid-run": (
        Faults(drop_run=True, skip_runs=2),
        Fault(
            MeasurementError,
            r"round 2: .*was unplugged, switched off, or is rebooting while.*1 complete before it; "
            r"left on .*: /data/local/tmp/topformer-",
            rounds_kept=1,
            folder_left=True,
        ),
    ),
    "exit frame lost": (
        Faults(lose_exit=True, skip_runs=3),
        Fault(
            MeasurementError,
            r"round 3: .*this connection broke while the runner ran",
            rounds_kept=2,
        ),
    ),
    "garbage": (
        Faults(garbage=True),
        Fault(MeasurementError, r"before the rounds: .*without its time line; it printed: .*\[31m"),
    ),
    "no space": (
        Faults(full_after=100),
        Fault(DeviceError, r"could not be written: .*No space left on device"),
    ),
    "drop mid-push": (
        Faults(drop_push_after=100),
        Fault(DeviceError, r"left on .*: /data/local/tmp/topformer-", folder_left=True),
    ),
    "changed in transfer": (
        Faults(corrupt_push=True),
        Fault(DeviceError, r"TNNTest arrived changed on .*SHA-256 .* instead of .*cable"),
    ),
}


@pytest.mark.parametrize("name", LINK_FAULTS)
def test_link_fault(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(link_loss, "BACK_WITHIN_S", 0.5)
    faults, fault = LINK_FAULTS[name]
    device = start_device(replace(faults))
    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "well"))
    with pytest.raises(fault.error, match=fault.words) as caught:
        measurement.run()
    assert "\n" not in str(caught.value)
    assert bool(device.root.remains()) == fault.folder_left
    [partial] = measurement.session().results
    assert len(partial.rounds) == fault.rounds_kept
    assert partial.verdict == "incomplete"
    assert exit_code_of(caught.value) == (6 if fault.error is MeasurementError else 5)
