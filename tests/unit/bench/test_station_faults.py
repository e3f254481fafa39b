"""One fault a row: what a run on a phone raises, and what is left there after `close`."""

import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from adbutils import AdbClient

from tests.fakes.adb_device import FakeDevice, Faults, served
from tests.fakes.adb_server import real_adb_server
from tests.fakes.device_root import DeviceRoot
from tests.fakes.runners import ENDINGS
from tests.fakes.stations import (
    HANGS,
    TALKS_AND_WAITS,
    WELL,
    opened,
    run,
    station_on,
    wait_until,
)
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.adb import Streams
from topformer_cli.bench.machine.cores import CoreRefusedError
from topformer_cli.bench.phone import device as phone_module
from topformer_cli.bench.phone import link_loss
from topformer_cli.errors import DeviceError, MeasurementError, TopformerError, exit_code_of


@dataclass(frozen=True)
class Fault:
    """A phone or a runner that misbehaves, and the outcome of one run.

    left: what `close` says, None when nothing is left. away_s: how long a phone may be away.
    """

    error: type[TopformerError]
    words: str
    script: str = WELL
    faults: Faults = field(default_factory=Faults)
    root: dict[str, Any] = field(default_factory=dict)
    deadline_s: float = 20.0
    left: str | None = None
    away_s: float = 0.5


def reboot(device: FakeDevice) -> None:
    device.reboot()


def replug(device: FakeDevice) -> None:
    device.vanish()
    device.come_back()


def kill_server(_device: FakeDevice) -> None:
    AdbClient().server_kill()


FOLDER_LEFT = (
    r"^left on 127.*: /data/local/tmp/topformer-[0-9a-f-]{36}(, where process \d+ may still run)?"
    r" \(`topformer bench --clean --device tcp:127.*` removes it\)$"
)
RUN_FAULTS = {
    "segfault": Fault(
        MeasurementError, r"ended by signal 11 \(SIGSEGV: it crashed", ENDINGS["segfault"]
    ),
    "out of memory": Fault(
        MeasurementError, r"signal 9 \(SIGKILL: .*lack of memory", ENDINGS["out of memory"]
    ),
    "abort": Fault(MeasurementError, r"signal 6 \(SIGABRT", ENDINGS["abort"]),
    "illegal instruction": Fault(MeasurementError, r"signal 4 \(SIGILL: .*lacks", "kill -4 $$"),
    "hangs": Fault(
        MeasurementError, r"did not end within 0.6 s; it was killed$", HANGS, deadline_s=0.6
    ),
    "hangs without timeout applet": Fault(
        MeasurementError,
        r"did not end within 0.6 s; it was killed$",
        HANGS,
        root={"missing": {"timeout"}},
        deadline_s=0.6,
    ),
    "prints without end": Fault(
        MeasurementError,
        r"did not end within 0.6 s; it was killed$",
        "while :; do echo more; sleep 0.05; done",
        deadline_s=0.6,
    ),
    "not linked": Fault(
        DeviceError, r"cannot start the runner: CANNOT LINK .*libomp.so", ENDINGS["not linked"]
    ),
    "no such interpreter": Fault(
        DeviceError, r"cannot start the runner: .*not found", "exec ./nothing-of-this-name"
    ),
    "exit frame lost": Fault(
        MeasurementError,
        r"^127.* is still connected, but this connection broke while the runner ran$",
        faults=Faults(lose_exit=True),
    ),
    "unplugged mid-run": Fault(
        MeasurementError,
        r"^127.* (was unplugged, switched off, or is rebooting|went away .*offline.*) while the r",
        TALKS_AND_WAITS,
        Faults(drop_run=True),
        left=FOLDER_LEFT,
    ),
    "replugged mid-run": Fault(
        MeasurementError,
        r"^127.* was away for a moment \(a loose cable, or weak Wi-Fi\) while the runner ran$",
        TALKS_AND_WAITS,
        Faults(during_run=replug),
        away_s=15,
    ),
    "rebooted mid-run": Fault(
        MeasurementError,
        r"^127.* rebooted \(as phones do when too hot or short of power\) while the runner ran$",
        TALKS_AND_WAITS,
        Faults(during_run=reboot),
        away_s=15,
    ),
}


@pytest.mark.parametrize("name", RUN_FAULTS)
def test_fault_of_a_run(
    start_device: StartDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault = RUN_FAULTS[name]
    monkeypatch.setattr(link_loss, "BACK_WITHIN_S", fault.away_s)
    (tmp_path / "root").mkdir()
    root = DeviceRoot(tmp_path / "root", **fault.root)
    device = start_device(replace(fault.faults), root)
    station = opened(device, fault.script)
    with pytest.raises(fault.error, match=fault.words) as caught:
        run(station, deadline_s=fault.deadline_s)
    assert type(caught.value) is fault.error
    assert exit_code_of(caught.value) == (6 if fault.error is MeasurementError else 5)
    check_end(station.close(), fault.left, root)


def check_end(told: str | None, expected: str | None, root: DeviceRoot) -> None:
    """Hold what `close` says against what is there; nothing may still run."""
    if expected is None:
        assert told is None
        assert root.remains() == []
    else:
        assert told is not None
        assert re.search(expected, told)
        assert len(root.remains()) == 1
    assert wait_until(lambda: root.processes() == [])


def test_refused_core_offers_the_next_one(start_device: StartDevice, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root = DeviceRoot(tmp_path / "root", taskset="refused")
    station = opened(start_device(root=root))
    with pytest.raises(CoreRefusedError, match=r"core 7, prime \(taskset: .*Invalid.*core any$"):
        run(station)
    station.facts()
    words = r"offline or outside the shell's cpuset; try --core 6, or any$"
    with pytest.raises(CoreRefusedError, match=words) as caught:
        run(station)
    assert exit_code_of(caught.value) == 5
    check_end(station.close(), None, root)


def test_adb_server_that_dies_mid_run(tmp_path: Path) -> None:
    """Has a server of its own, which is not started again behind the user's back."""
    for name in ("home", "root"):
        (tmp_path / name).mkdir()
    root = DeviceRoot(tmp_path / "root")
    device = FakeDevice(root, Faults(during_run=kill_server))
    with real_adb_server(tmp_path / "home"), served(device):
        station = opened(device, TALKS_AND_WAITS)
        with pytest.raises(MeasurementError, match=r"^the adb server died \(.*\) while the runner"):
            run(station)
        check_end(station.close(), FOLDER_LEFT, root)


PUSH_FAULTS = {
    "no space": (
        Faults(full_after=100),
        r"could not be written: .*No space left on device$",
        None,
    ),
    "changed in transfer": (
        Faults(corrupt_push=True),
        r"runner arrived changed on .*SHA-256 .* instead of .*try another cable or port$",
        None,
    ),
    "stalled": (
        Faults(stall_push_after=100),
        r"^127.* did not answer within 1\.?\d* s while runner was pushed$",
        None,
    ),
    "unplugged": (
        Faults(drop_push_after=100),
        r"^127.* (was unplugged|went away).* while runner was pushed$",
        FOLDER_LEFT,
    ),
}


@pytest.mark.parametrize("name", PUSH_FAULTS)
def test_fault_of_a_push(
    start_device: StartDevice, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    faults, words, left = PUSH_FAULTS[name]
    monkeypatch.setattr(link_loss, "BACK_WITHIN_S", 0.5)
    device = start_device(replace(faults))
    station = station_on(device)
    station.open()
    monkeypatch.setattr(phone_module, "SHORT_S", 1.0)
    with pytest.raises(DeviceError, match=words) as caught:
        station.put(b"x" * 5000, "runner", program=True)
    assert exit_code_of(caught.value) == 5
    assert "\n" not in str(caught.value)
    check_end(station.close(), left, device.root)


def test_phone_that_goes_before_the_end_is_told_with_all_that_is_left(
    start_device: StartDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_loss, "BACK_WITHIN_S", 0.5)
    device = start_device()
    station = station_on(device, keep_awake=True)
    station.open()
    device.vanish()
    told = station.close()
    assert told is not None
    assert f"left on {device.serial}: {station.folder}" in told
    assert "stay_on_while_plugged_in is still changed: adb -s" in told
    assert told.endswith("shell settings put global stay_on_while_plugged_in 0")
    assert device.root.remains() == [station.folder.name]


def test_phone_that_came_back_is_cleaned_by_the_next_measurement(start_device: StartDevice) -> None:
    device = start_device()
    lost = opened(device, HANGS)
    device.vanish()
    assert wait_until(lambda: lost.phone.state() != "device")
    device.come_back()
    station = station_on(device)
    assert station.remains() == (str(lost.folder),)
    assert station.remove_remains() == (str(lost.folder),)
    assert device.root.remains() == []


def test_folder_that_vanishes_between_runs(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device)
    shutil.rmtree(device.root.work / station.folder.name)
    with pytest.raises(DeviceError, match=r"folder of the measurement is not usable: .*cd"):
        run(station)
    assert station.close() is None


def test_large_pages_are_told(start_device: StartDevice, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    device = start_device(root=DeviceRoot(tmp_path / "root", page_bytes=16384))
    assert station_on(device).facts().page_bytes == 16384


def test_slow_answers_are_waited_for(start_device: StartDevice) -> None:
    device = start_device(Faults(answer_delay_s=0.2))
    station = opened(device)
    assert run(station).returncode == 0
    assert station.get("output") == b"result\n"
    check_end(station.close(), None, device.root)


def test_garbage_is_handed_on_as_text(start_device: StartDevice) -> None:
    """Judging it is up to the runner module: here nothing may break."""
    device = start_device(Faults(garbage=True))
    station = opened(device)
    done = run(station)
    assert "�" in done.stdout
    assert "Cpus_allowed_list" not in done.stdout
    check_end(station.close(), None, device.root)


def test_trickling_output_does_not_stretch_the_deadline(start_device: StartDevice) -> None:
    phone = station_on(start_device()).phone
    heard = Streams()
    with pytest.raises(DeviceError, match=r"did not answer within 0\.8 s"):
        phone.shell("echo begun; while :; do sleep 0.1; echo more; done", 0.8, heard)
    assert heard.stdout.startswith("begun\nmore\n")


@pytest.mark.parametrize(
    ("taskset", "missing", "allowed"),
    [("honest", (), "7"), ("ignored", (), "0-7"), ("honest", {"taskset"}, "0-7")],
)
def test_kernel_tells_where_a_run_was(
    start_device: StartDevice, tmp_path: Path, taskset: Any, missing: Any, allowed: str
) -> None:
    (tmp_path / "root").mkdir()
    device = start_device(root=DeviceRoot(tmp_path / "root", taskset=taskset, missing=missing))
    station = opened(device)
    assert f"Cpus_allowed_list:\t{allowed}\n" in run(station).stdout
    station.close()


def test_unreadable_status_is_no_failure(start_device: StartDevice, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    station = opened(start_device(root=DeviceRoot(tmp_path / "root", taskset="unreadable")))
    done = run(station)
    assert "Cpus_allowed_list" not in done.stdout
    assert done.returncode == 0
    station.close()


def test_old_output_is_gone_before_a_run(start_device: StartDevice) -> None:
    station = opened(start_device(), "[ -e once ] || echo result > output; touch once")
    run(station)
    assert station.get("output") == b"result\n"
    run(station)
    with pytest.raises(DeviceError, match=r"output is no file on 127"):
        station.get("output")
    station.close()


def test_phone_without_sha256sum_sends_files_back(
    start_device: StartDevice, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    device = start_device(root=DeviceRoot(tmp_path / "root", missing={"sha256sum"}))
    station = opened(device)
    assert station.put(b"abc", "file").startswith("ba7816bf8f01cfea")
    assert station.digest("file").startswith("ba7816bf8f01cfea")
    station.close()
