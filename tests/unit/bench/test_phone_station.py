"""What a measurement does on a phone besides running: folder, files, settings, and their end."""

import signal
import subprocess
import threading
import time
from pathlib import Path, PurePosixPath

import pytest

from tests.fakes.adb_device import Faults
from tests.fakes.device_root import PROPERTIES, DeviceRoot
from tests.fakes.stations import (
    HANGS,
    end_while_it_runs,
    opened,
    pid_of_runner,
    run,
    runs,
    station_on,
    wait_until,
)
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.adb import CutError
from topformer_cli.bench.phone.execution import GUARD_S, Workplace
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import CoreUse


def test_files_travel_whole_into_folders(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device)
    content = bytes(range(256)) * 4096
    digest = station.put(content, "0/model file'$HOME.bin")
    assert station.get("0/model file'$HOME.bin") == content
    assert station.digest("0/model file'$HOME.bin") == digest
    with pytest.raises(DeviceError, match=r"0/none is no file on 127"):
        station.get("0/none")
    with pytest.raises(DeviceError, match=r"none cannot be checked on 127.*No such file"):
        station.digest("0/none")
    assert station.close() is None
    assert device.root.remains() == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../other", "a/../../b", ""])
def test_name_outside_the_folder_is_refused(start_device: StartDevice, name: str) -> None:
    station = station_on(start_device())
    with pytest.raises(DeviceError, match="is no name inside /data/local/tmp/topformer-"):
        station.put(b"", name)


def test_strange_name_arrives_as_it_is(start_device: StartDevice, tmp_path: Path) -> None:
    source = tmp_path / "top 'former' $(ü).tnnproto"
    source.write_bytes(b"proto")
    device = start_device()
    station = opened(device)
    station.put(source, f"0/{source.name}")
    [folder] = device.root.work.glob("*/0")
    assert [path.name for path in folder.iterdir()] == [source.name]
    station.close()


def test_command_line_of_a_run() -> None:
    place = Workplace(PurePosixPath("/data/local/tmp/topformer-1"), {"taskset"})
    core = CoreUse("7, prime", "80")
    head = (
        "cd /data/local/tmp/topformer-1 && rm -f output runner.pid && "
        "export LD_LIBRARY_PATH=/data/local/tmp/topformer-1 && "
    )
    body = (
        'sh -c \'echo $$ > runner.pid; echo "runner pid $$"; '
        "grep Cpus_allowed_list /proc/self/status; exec ./runner '\"'\"'a b'\"'\"''"
    )
    words = ["./runner", "a b"]
    assert place.command(words, core, "output", 29.5) == f"{head}exec taskset 80 {body}"
    assert Workplace(place.folder).command(words, core, "output", 29.5) == f"{head}exec {body}"
    guarded = Workplace(place.folder, {"timeout"}).command(words, core, "output", 29.5)
    assert guarded == (
        f"{head}{{ trap 'kill -9 $(cat runner.pid)' HUP; timeout -s KILL 40 {body} & wait $!; }}"
    )


def test_kernel_files_are_read_and_missing_ones_are_none(start_device: StartDevice) -> None:
    device = start_device()
    station = station_on(device)
    zones = "/sys/class/thermal/thermal_zone1"
    device.root.sysfs.spend(7, {1000: 5, 2000: 7})
    times = "/sys/devices/system/cpu/cpu7/cpufreq/stats/time_in_state"
    assert station.read([f"{zones}/temp", "/sys/class/none", times]) == (
        "33000\n",
        None,
        "1000 5\n2000 7\n",
    )
    device.root.sysfs.hide_heat()
    assert station.read([f"{zones}/temp"]) == (None,)
    assert station.read([]) == ()


def test_thermal_status(start_device: StartDevice) -> None:
    device = start_device()
    station = station_on(device)
    assert station.thermal_status() == 0
    device.root.set_thermal_status(3)
    assert station.thermal_status() == 3
    device.root.dump("thermalservice", "")
    assert station.thermal_status() is None


@pytest.mark.parametrize("before", ["0", "3", None])
def test_screen_is_kept_on_and_let_go(start_device: StartDevice, before: str | None) -> None:
    device = start_device()
    name = "stay_on_while_plugged_in"
    (device.root.path / "settings" / name).unlink()
    if before is not None:
        device.root.put_setting(name, before)
    station = station_on(device, keep_awake=True)
    station.open()
    assert device.root.setting(name) == "7"
    assert station.close() is None
    assert device.root.setting(name) == before


def test_fixed_performance_is_undone(start_device: StartDevice) -> None:
    device = start_device()
    station = station_on(device, fixed_performance=True)
    station.open()
    assert device.root.setting("fixed_performance") == "true"
    assert station.close() is None
    assert device.root.setting("fixed_performance") == "false"


def test_fixed_performance_needs_android_11(start_device: StartDevice, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    properties = {**PROPERTIES, "ro.build.version.sdk": "29"}
    device = start_device(root=DeviceRoot(tmp_path / "root", properties))
    station = station_on(device, keep_awake=True, fixed_performance=True)
    with pytest.raises(DeviceError, match=r"API level 29; .* needs 30 \(Android 11\); leave"):
        station.open()
    assert station.close() is None
    assert device.root.setting("fixed_performance") is None
    assert device.root.setting("stay_on_while_plugged_in") == "0"
    assert device.root.remains() == []


def run_until_cancelled(station: PhoneStation) -> None:
    with pytest.raises(MeasurementError, match="cancelled"):
        run(station)


def test_stale_folders_are_removed_but_not_one_at_work(start_device: StartDevice) -> None:
    device = start_device()
    (device.root.work / "topformer-dead").mkdir()
    (device.root.work / "of another program").mkdir()
    busy = opened(device, HANGS)
    working = threading.Thread(target=run_until_cancelled, args=(busy,))
    working.start()
    assert wait_until(lambda: pid_of_runner(device.root.work) > 0)
    station = opened(device)
    assert set(station.remains()) == {"/data/local/tmp/topformer-dead", str(busy.folder)}
    assert station.remove_remains() == ("/data/local/tmp/topformer-dead",)
    busy.cancel()
    working.join()
    assert busy.close() is None
    assert station.close() is None
    assert device.root.remains() == ["of another program"]


def test_cancel_from_another_thread_ends_a_run(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device, HANGS)
    threading.Timer(0.3, station.cancel).start()
    began = time.monotonic()
    with pytest.raises(MeasurementError, match="measurement was cancelled while the runner ran"):
        run(station, deadline_s=60)
    assert time.monotonic() - began < 5
    with pytest.raises(CutError, match="cancelled while late was pushed"):
        station.put(b"", "late")
    assert station.close() is None
    assert device.root.remains() == []
    assert wait_until(lambda: device.root.processes() == [])


@pytest.mark.parametrize("missing", [(), {"timeout"}])
def test_broken_link_ends_the_run_without_help(
    start_device: StartDevice, tmp_path: Path, missing: set[str]
) -> None:
    """The hang-up alone, before any cleaning: a phone in a bag must not go on computing."""
    (tmp_path / "root").mkdir()
    device = start_device(root=DeviceRoot(tmp_path / "root", missing=missing))
    station = opened(device, HANGS)
    threading.Timer(0.3, station.cancel).start()
    run_until_cancelled(station)
    runner = pid_of_runner(device.root.work)
    assert runner > 0
    assert wait_until(lambda: not runs(runner), 5)
    assert wait_until(lambda: device.root.processes() == [], 5)
    assert station.close() is None


def test_child_of_a_runner_ends_with_the_folder(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device, "sleep 600 > /dev/null 2>&1 & echo result > output")
    assert run(station).returncode == 0
    assert len(device.root.processes()) == 1
    assert station.close() is None
    assert wait_until(lambda: device.root.processes() == [], 5)


def test_two_phones_at_once_and_one_cancelled(start_device: StartDevice) -> None:
    stations = [opened(start_device(), "sleep 0.5; echo result > output") for _ in range(2)]
    told: dict[str, str] = {}

    def measure(name: str, index: int) -> None:
        try:
            told[name] = run(stations[index], CoreUse("6, big", "40")).stdout
        except MeasurementError as error:
            told[name] = str(error)

    threads = [threading.Thread(target=measure, args=pair) for pair in (("a", 0), ("b", 1))]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    stations[0].cancel()
    for thread in threads:
        thread.join()
    assert "cancelled" in told["a"]
    assert "Cpus_allowed_list:\t6" in told["b"]
    assert [one.close() for one in stations] == [None, None]


def test_stream_brings_lines_while_something_runs(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device, "sleep 0.4; echo result > output")
    seen: list[str] = []
    script = 'i=0; while [ -d "$PWD" ]; do echo "line $i"; i=$((i + 1)); sleep 0.05; done'
    with station.stream(script) as lines:
        run(station)
        seen += lines()
        assert wait_until(lambda: bool(seen.extend(lines()) or len(seen) > 8))
    assert seen == [f"line {number}" for number in range(len(seen))]
    assert wait_until(lambda: device.root.processes() == [])
    station.close()


def test_stream_on_a_lost_phone_brings_nothing(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device)
    device.vanish()
    with station.stream("echo line") as lines:
        assert lines() == []


MEASURE = """
import sys
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.results import CoreUse

station = PhoneStation(choose_device("tcp:" + sys.argv[1]))
station.open()
station.put(b"#!/bin/sh\\necho $$ > pid; exec sleep 600\\n", "runner", program=True)
try:
    station.run(["./runner"], CoreUse("7, prime", "80"), "output", 300)
finally:
    station.close()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into Linux's /proc")
@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_signal_to_this_machine_ends_the_run_there(
    start_device: StartDevice, number: signal.Signals, left: int
) -> None:
    device = start_device()
    end_while_it_runs(device, [MEASURE, device.serial], number)
    assert len(device.root.remains()) == left
    station = station_on(device)
    assert len(station.remains()) == left
    assert len(station.remove_remains()) == left


def test_timeout_on_the_phone_ends_what_nobody_waits_for(start_device: StartDevice) -> None:
    """The second guard, taken alone: its own process is killed and the runner goes with it."""
    device = start_device(Faults())
    station = opened(device, HANGS)
    place = Workplace(station.folder, {"timeout"})
    line = place.command(["./runner"], CoreUse("any"), "output", -GUARD_S + 1)
    done = station.phone.shell(line, 20)
    assert done.returncode == 137
    assert wait_until(lambda: device.root.processes() == [])
    station.close()


def test_pid_that_another_process_got_is_left_alone(start_device: StartDevice) -> None:
    station = opened(start_device())
    with subprocess.Popen(["sleep", "30"]) as other:
        line = Workplace(station.folder).kill_command(other.pid)
        assert station.phone.shell(line).returncode == 0
        assert other.poll() is None
        other.kill()
    station.close()
