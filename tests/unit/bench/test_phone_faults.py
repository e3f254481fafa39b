"""One fault a test: what the user is told, what is kept, and what is left on the phone."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from tests.fakes.adb_device import Faults
from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench import phone as phone_module
from topformer_cli.bench.discover import choose_device
from topformer_cli.bench.measure import measure_phone
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.errors import (
    DeviceError,
    MeasurementError,
    ParityError,
    TopformerError,
    exit_code_of,
)
from topformer_cli.results import BenchResult


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
        MeasurementError, r"round 1 of 3: .*without its time line.*read proto_file failed!"
    ),
    "unsupported device": Fault(MeasurementError, r"TNNTest failed: .*create instance.*0x9000"),
    "nan times": Fault(MeasurementError, r"times that are none: .* nan, nan, nan ms"),
    "no output file": Fault(MeasurementError, r"wrote no output .*output.txt is no file"),
    "output cut off": Fault(MeasurementError, r"holds 7 values of 48; it is cut off"),
    "segfault": Fault(MeasurementError, r"signal 11 \(SIGSEGV: it crashed"),
    "out of memory": Fault(MeasurementError, r"signal 9 \(SIGKILL: .*lack of memory"),
    "abort": Fault(MeasurementError, r"signal 6 \(SIGABRT"),
    "hangs": Fault(MeasurementError, r"did not end within 1 s and was killed"),
    "not linked": Fault(DeviceError, r"cannot start the runner: CANNOT LINK .*libomp.so"),
    "wrong output": Fault(ParityError, r"net.tnnproto in TNN on 127.*max difference.*above 5e-04"),
}


@pytest.mark.parametrize("ending", RUNNER_FAULTS)
def test_runner_fault(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path, ending: str
) -> None:
    fault = RUNNER_FAULTS[ending]
    plan = phone_plan
    if ending == "hangs":
        plan = replace(plan, protocol=replace(plan.protocol, deadline_s=1.0))
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")
    with pytest.raises(fault.error, match=fault.words) as caught:
        measure_phone(plan, phone, script_runner(tmp_path, ending))
    assert type(caught.value) is fault.error
    assert "\n" not in str(caught.value)
    assert device.root.remains() == []


LINK_FAULTS = {
    "drop mid-run": (
        Faults(drop_run=True, skip_runs=1),
        Fault(
            MeasurementError,
            r"round 2 of 3: .*went away while the runner ran.*1 complete before it; "
            r"left on .*: /data/local/tmp/topformer-",
            rounds_kept=1,
            folder_left=True,
        ),
    ),
    "exit frame lost": (
        Faults(lose_exit=True, skip_runs=2),
        Fault(
            MeasurementError,
            r"round 3 of 3: the connection broke before the runner's exit code",
            rounds_kept=2,
        ),
    ),
    "garbage": (
        Faults(garbage=True),
        Fault(MeasurementError, r"round 1 of 3: .*without its time line; it printed: .*\[31m"),
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
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path, name: str
) -> None:
    faults, fault = LINK_FAULTS[name]
    device = start_device(replace(faults))
    phone = choose_device(f"tcp:{device.serial}")
    with pytest.raises(fault.error, match=fault.words) as caught:
        measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert "\n" not in str(caught.value)
    assert bool(device.root.remains()) == fault.folder_left
    if isinstance(caught.value, MeasurementError):
        assert exit_code_of(caught.value) == 6
        assert caught.value.partial is not None
        partial = BenchResult.from_json(caught.value.partial)
        assert len(partial.rounds) == fault.rounds_kept
        assert partial.verdict == "incomplete"
    else:
        assert exit_code_of(caught.value) == 5


def test_stalled_push_ends_at_the_deadline(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = start_device(Faults(stall_push_after=100))
    phone = choose_device(f"tcp:{device.serial}")
    monkeypatch.setattr(phone_module, "SHORT_S", 1.0)
    with pytest.raises(DeviceError, match=r"did not answer within 1\.?\d* s") as caught:
        measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert exit_code_of(caught.value) == 5


def test_slow_answers_are_waited_for(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device(Faults(answer_delay_s=0.2))
    phone = choose_device(f"tcp:{device.serial}")
    plan = replace(phone_plan, protocol=replace(phone_plan.protocol, rounds=1))
    result = measure_phone(plan, phone, script_runner(tmp_path, "well"))
    assert len(result.rounds) == 1
    assert device.root.remains() == []


def test_trickling_output_does_not_stretch_the_deadline(start_device: StartDevice) -> None:
    phone = choose_device(f"tcp:{start_device().serial}")
    trickle = "echo begun; while :; do sleep 0.1; echo more; done"
    with pytest.raises(DeviceError, match=r"did not answer within 0\.8 s") as caught:
        phone.shell(trickle, deadline_s=0.8)
    assert caught.value.stdout.startswith("begun\nmore\n")  # type: ignore[attr-defined]


def test_files_travel_whole_and_missing_ones_are_refused(start_device: StartDevice) -> None:
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")
    content = bytes(range(256)) * 4096
    target = PurePosixPath("/data/local/tmp/some file")
    phone.push(content, target)
    assert phone.pull(target) == content
    with pytest.raises(DeviceError, match="/data/local/tmp/none is no file"):
        phone.pull(target.with_name("none"))
    with pytest.raises(DeviceError, match=r"`ls /data/local/tmp/none` failed: .*No such file"):
        phone.ask("ls /data/local/tmp/none")
