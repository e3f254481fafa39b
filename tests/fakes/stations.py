"""Measurements in miniature on a fake phone: one program, one run, one end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fakes.adb_device import FakeDevice
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.station import ShellResult
from topformer_cli.results import CoreUse

WELL = "echo done; echo result > output"
HANGS = "echo $$ > pid; exec sleep 600"
PRIME = CoreUse("7, prime", "80")
TALKS_AND_WAITS = "echo begun; exec sleep 3"


def station_on(
    device: FakeDevice, *, keep_awake: bool = False, fixed_performance: bool = False
) -> PhoneStation:
    phone = choose_device(f"tcp:{device.serial}")
    return PhoneStation(phone, keep_awake=keep_awake, fixed_performance=fixed_performance)


def opened(device: FakeDevice, script: str = WELL) -> PhoneStation:
    """Return a station whose folder holds the program `runner`."""
    station = station_on(device)
    station.open()
    station.put(f"#!/bin/sh\n{script}\n".encode(), "runner", program=True)
    return station


def run(station: PhoneStation, core: CoreUse = PRIME, deadline_s: float = 20) -> ShellResult:
    return station.run(["./runner"], core, "output", deadline_s)


def pid_of_runner(work: Path) -> int:
    """Return what a hanging runner wrote about itself, 0 before that."""
    return int("".join(path.read_text() for path in work.glob("*/pid")) or 0)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def end_while_it_runs(device: FakeDevice, program: Sequence[str], number: int) -> None:
    """Start a Python program, send it a signal while its runner runs, and see the runner end.

    program: the source and its arguments.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", *program]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as measuring:
        assert wait_until(lambda: pid_of_runner(device.root.work) > 0)
        runner = pid_of_runner(device.root.work)
        assert runs(runner)
        measuring.send_signal(number)
        measuring.communicate()
    assert wait_until(lambda: not runs(runner))
