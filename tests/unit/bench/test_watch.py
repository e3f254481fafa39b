"""The sampler on a fake phone, what it makes of bad lines, and when a round counts as slowed."""

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.device_root import DeviceRoot
from tests.fakes.stations import PRIME, opened, run, wait_until
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.machine.residency import residency, residency_path
from topformer_cli.bench.machine.watch import (
    measured_core,
    parse_reading,
    parse_readings,
    slowed_by_times_alone,
    watch_script,
    watching,
    why_throttled,
)
from topformer_cli.results import CoreUse, CpuFacts, DeviceFacts, Reading, Residency, Round

PRIME_CORE = CpuFacts(7, 2841600, True, 1024)


def a_round(
    samples: tuple[float, ...] = (),
    residency: Residency | None = None,
    readings: tuple[Reading, ...] = (),
) -> Round:
    return Round(50, 1.0, 2.0, 1.5, samples, residency=residency, readings=readings)


def test_sampler_sees_heat_and_limits_while_something_runs(start_device: StartDevice) -> None:
    device = start_device()
    hot = 'echo 1200000 > "$ROOT/sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq"'
    station = opened(device, f"sleep 0.5; {hot}; sleep 0.5; echo result > output")
    with watching(station, station.facts(), PRIME) as watch:
        run(station)
        readings = watch.take()
    assert watch.cpu is not None
    assert watch.cpu.index == 7
    assert len(readings) >= 3
    gaps = [b.at_s - a.at_s for a, b in pairwise(readings)]
    assert all(0.15 < gap < 2 for gap in gaps)
    first, last = readings[0], readings[-1]
    assert first == Reading(first.at_s, 844800, 2841600, 34.5, 0)
    assert (last.limit_khz, last.celsius) == (1200000, 34.5)
    device.root.sysfs.heat(71)
    device.root.sysfs.throttle(7, 900000, state=3)
    with watching(station, station.facts(), PRIME) as watch:
        assert wait_until(lambda: watch.take()[-1:] != ())
        time.sleep(0.3)
        [*_, reading] = watch.take()
    assert (reading.khz, reading.celsius, reading.cooling) == (900000, 71.0, 3)
    assert wait_until(lambda: device.root.processes() == [])
    station.close()


def test_what_cannot_be_read_is_none_and_never_zero(
    start_device: StartDevice, tmp_path: Path
) -> None:
    (tmp_path / "root").mkdir()
    root = DeviceRoot(tmp_path / "root", clocks_readable=False, missing={"taskset"})
    root.sysfs.hide_heat()
    station = opened(start_device(root=root))
    with watching(station, station.facts(), PRIME) as watch:
        readings = [*watch.take()]
        assert wait_until(lambda: bool(readings.extend(watch.take()) or readings))
    assert {(one.khz, one.limit_khz, one.celsius) for one in readings} == {(None, None, None)}
    root.sysfs.hide_thermal()
    with watching(station, station.facts(), CoreUse("any")) as watch:
        readings = [*watch.take()]
        assert wait_until(lambda: bool(readings.extend(watch.take()) or readings))
    assert {(one.khz, one.celsius, one.cooling) for one in readings} == {(None, None, None)}
    assert watch.cpu is None
    station.close()


def test_sampler_outlives_a_sleep_without_fractions(start_device: StartDevice) -> None:
    device = start_device()
    sleep = device.root.path / "system/bin/sleep"
    real = sleep.resolve()
    sleep.unlink()
    sleep.write_text(f'#!/bin/sh\ncase $1 in *.*) exit 1;; esac\nexec {real} "$1"\n')
    sleep.chmod(0o755)
    station = opened(device)
    with watching(station, station.facts(), PRIME) as watch:
        time.sleep(1.6)
        readings = watch.take()
    assert len(readings) == 2
    station.close()


def test_sampler_keeps_off_the_measured_core() -> None:
    cpus = (CpuFacts(0, 1, True), CpuFacts(1, 1, True), CpuFacts(2, 2, True))
    facts = DeviceFacts(kind="phone", cpus=cpus)
    assert "taskset -p 2 $$" in watch_script(facts, CoreUse("2", "4"))
    assert "taskset" not in watch_script(facts, CoreUse("1", "2"))
    assert "taskset" not in watch_script(DeviceFacts(kind="phone"), CoreUse("any"))


def test_measured_core_is_the_strongest_of_a_mask() -> None:
    cpus = [CpuFacts(0, 1, True), CpuFacts(1, 3, True), CpuFacts(2, 2, True)]
    assert measured_core(cpus, CoreUse("mask 7", "7")) == 1
    assert measured_core(cpus, CoreUse("mask 5", "5")) == 2
    assert measured_core((), CoreUse("mask 5", "5")) == 2
    assert measured_core(cpus, CoreUse("any")) is None


@given(st.text(max_size=80))
def test_any_line_is_a_reading_or_none(text: str) -> None:
    for line in (
        text,
        f"at=1.5 khz={text} limit= heat= cooling=",
        f"at=1.5 khz= limit= heat={text}",
    ):
        reading = parse_reading(line)
        assert reading is None or (reading.khz != 0 and reading.limit_khz != 0)


def test_cut_line_is_left_out() -> None:
    whole = "at=12.5 khz=900000 limit=1000000 heat=,41000,39000 cooling=,0,2"
    assert parse_readings([whole, whole[:-12], "", "odd"]) == (
        Reading(12.5, 900000, 1000000, 41.0, 2),
    )


TICKS = st.dictionaries(st.integers(1, 10**7), st.integers(0, 10**9), min_size=1, max_size=8)


@given(TICKS, st.integers(0, 1000))
def test_time_between_two_readings(before: dict[int, int], more: int) -> None:
    def text(ticks: dict[int, int]) -> str:
        return "".join(f"{khz} {count}\n" for khz, count in ticks.items())

    top = max(before)
    after = {**before, top: before[top] + more}
    found = residency(text(before), text(after), "process")
    assert found is not None
    assert found.covers == "process"
    assert dict(found.times)[top] == more * 10
    assert found.share_at(top) == (1.0 if more else None)
    if more:
        assert residency(text(after), text(before), "process") is None
    assert residency(None, text(after), "process") is None
    assert residency(text(before), text({**after, 10**8: 1}), "process") is None


def test_residency_of_a_fake_core(start_device: StartDevice) -> None:
    device = start_device()
    station = opened(device)
    path = residency_path(7)
    [before] = station.read([path])
    device.root.sysfs.spend(7, {844800: 1010, 2841600: 2290})
    [after] = station.read([path])
    found = residency(before, after, "process")
    assert found is not None
    assert found.times == ((844800, 100), (2841600, 2900))
    station.close()


LIMITED = tuple(Reading(at, 2841600, limit) for at, limit in ((1.0, 2841600), (2.0, 1804800)))


@pytest.mark.parametrize(
    ("done", "status", "words"),
    [
        (a_round(), None, None),
        (a_round(), 1, None),
        (a_round(), 2, "thermal status 2 (moderate)"),
        (a_round(readings=LIMITED[:1]), 0, None),
        (a_round(readings=LIMITED), 0, "the clock was held to 1805 of 2842 MHz"),
        (a_round(readings=(Reading(1.0),)), 0, None),
        (a_round(residency=Residency(((1, 50), (2841600, 950)), "timed")), 0, None),
        (
            a_round(residency=Residency(((1, 51), (2841600, 949)), "timed")),
            0,
            "at its top clock for 94.9 % of the time",
        ),
        (a_round(residency=Residency(((1, 900), (2841600, 100)), "process")), 0, None),
        (a_round(residency=Residency(((1, 10), (2700000, 990)), "timed")), 0, None),
        (a_round(residency=Residency(((1, 0), (2841600, 0)), "timed")), 0, None),
        (a_round((1.0,) * 20 + (1.04,) * 10), 0, None),
        (a_round((1.0,) * 20 + (1.06,) * 10), 0, "its last third took 6 % longer than its first"),
        (a_round((1.0,) * 20 + (1.5,) * 9), 0, None),
        (a_round((1.06,) * 10 + (1.0,) * 20), 0, None),
    ],
)
def test_when_a_round_counts_as_slowed(done: Round, status: int | None, words: str | None) -> None:
    assert why_throttled(done, PRIME_CORE, status) == words


def test_times_say_nothing_where_other_programs_had_the_core() -> None:
    slower = a_round((1.0,) * 20 + (1.5,) * 10)
    assert why_throttled(slower, PRIME_CORE, 0, loaded=True) is None
    alone = replace(slower, throttled=why_throttled(slower, PRIME_CORE, 0))
    hot = replace(slower, throttled=why_throttled(slower, PRIME_CORE, 2))
    assert [slowed_by_times_alone(one) for one in (slower, alone, hot)] == [False, True, False]
    why = why_throttled(replace(slower, readings=LIMITED), PRIME_CORE, 2, loaded=True)
    assert why is not None
    assert why.count("; ") == 1


def test_reasons_are_told_together() -> None:
    done = a_round((1.0,) * 20 + (2.0,) * 10, readings=LIMITED)
    why = why_throttled(done, PRIME_CORE, 3)
    assert why is not None
    assert why.count("; ") == 2
    assert why_throttled(a_round(readings=LIMITED), None, None) is None
