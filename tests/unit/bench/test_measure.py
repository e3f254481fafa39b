import platform
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.device_root import DeviceRoot
from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.discover import choose_device
from topformer_cli.bench.measure import measure_phone
from topformer_cli.bench.plan import BenchPlan, file_sha256
from topformer_cli.errors import DataError, DeviceError, UsageError


def test_whole_run_leaves_a_result_and_nothing_else(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")
    seen: list[int] = []
    result = measure_phone(
        phone_plan, phone, script_runner(tmp_path, "well"), lambda done, _: seen.append(done)
    )
    assert seen == [1, 2, 3]
    assert device.root.remains() == []
    assert [one.mean_ms for one in result.rounds] == [1.5] * 3
    assert all(one.samples_ms == () and one.iterations == 5 for one in result.rounds)
    assert result.summary is not None
    assert (result.summary.median_ms, result.summary.p90_ms) == (1.5, None)
    assert (result.core.mask, result.core.allowed, result.core.verified) == ("80", "7", True)
    assert (result.engine, result.precision) == ("TNN", "fp32")
    assert result.device.name == "Standin Eight Cores"
    assert (result.device.sdk, result.device.soc) == (33, "SM8250")
    assert result.device.cpus[7].max_khz == 2841600
    assert result.parity is not None
    assert result.parity["relative"] < 1e-6
    pair = [phone_plan.artifact, phone_plan.artifact.with_suffix(".tnnmodel")]
    assert result.files == {path.name: file_sha256(path) for path in pair}


def test_stand_in_is_labelled_emulated(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    phone = choose_device(f"tcp:{start_device().serial}")
    result = measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert result.emulated
    assert result.verdict == "emulated"
    assert result.latency_statement().startswith("emulated, not a latency")
    if platform.machine() == "x86_64":
        assert "the runner is arm64-v8a, the kernel x86_64" in result.notes[0]


def test_runner_is_called_with_labelled_precision_and_one_thread(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")
    runner = script_runner(tmp_path, "well")
    measure_phone(phone_plan, phone, runner)
    half = measure_phone(replace(phone_plan, precision="auto", core="any"), phone, runner)
    runs = [command for command in device.commands if "runner pid" in command]
    assert half.precision == "auto"
    assert half.core.mask is None
    assert all("-th 1 -wc 2 -ic 5" in command for command in runs)
    assert ["-pr HIGH" in command and "taskset 80" in command for command in runs] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert all("-pr AUTO" in command and "taskset" not in command for command in runs[3:])


@pytest.mark.parametrize(
    ("taskset", "verified", "allowed"), [("ignored", False, "0-7"), ("unreadable", None, None)]
)
def test_core_that_was_not_kept_is_told(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    taskset: str,
    verified: bool | None,
    allowed: str | None,
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    root = DeviceRoot(folder, taskset=taskset)  # type: ignore[arg-type]
    phone = choose_device(f"tcp:{start_device(root=root).serial}")
    result = measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert (result.core.verified, result.core.allowed) == (verified, allowed)
    assert "verified)" not in result.latency_statement().replace("not verified)", "")


def test_refused_core_names_the_way_out(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    device = start_device(root=DeviceRoot(folder, taskset="refused"))
    phone = choose_device(f"tcp:{device.serial}")
    with pytest.raises(DeviceError, match=r"core 7, prime.*Invalid argument.*another core"):
        measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert device.root.remains() == []


def test_unreadable_clocks_stay_unknown(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    root = DeviceRoot(folder, clocks_readable=False)
    phone = choose_device(f"tcp:{start_device(root=root).serial}")
    result = measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert {cpu.max_khz for cpu in result.device.cpus} == {None}
    assert result.core.mask == "80"


def test_nothing_is_pushed_when_the_run_cannot_be(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    device = start_device(root=DeviceRoot(folder, free_kb=1))
    phone = choose_device(f"tcp:{device.serial}")
    runner = script_runner(tmp_path, "well")
    with pytest.raises(DeviceError, match=r"0.0 MB free in /data/local/tmp, the run needs 0.\d MB"):
        measure_phone(phone_plan, phone, runner)
    with pytest.raises(DeviceError, match=r"built for x86_64, .* runs arm64-v8a, armeabi-v7a"):
        measure_phone(phone_plan, phone, replace(runner, abi="x86_64"))
    with pytest.raises(UsageError, match=r"core 9 is not there.*0, 1, 2, 3, 4, 5, 6, 7 online"):
        measure_phone(replace(phone_plan, core="9"), phone, runner)
    phone_plan.artifact.with_suffix(".tnnmodel").unlink()
    with pytest.raises(DataError, match=r"net.tnnmodel does not exist"):
        measure_phone(phone_plan, phone, runner)
    assert device.root.remains() == []


def test_interrupt_removes_the_folder(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")

    def interrupt(_done: int, _total: int) -> None:
        assert len(device.root.remains()) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_phone(phone_plan, phone, script_runner(tmp_path, "well"), interrupt)
    assert device.root.remains() == []


def test_folders_of_dead_runs_are_told_and_left_alone(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    (device.root.work / "topformer-dead").mkdir()
    phone = choose_device(f"tcp:{device.serial}")
    result = measure_phone(phone_plan, phone, script_runner(tmp_path, "well"))
    assert "1 folder(s) of other runs on" in result.notes[-1]
    assert device.root.remains() == ["topformer-dead"]
