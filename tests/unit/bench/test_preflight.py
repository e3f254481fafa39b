import re
from dataclasses import replace

import pytest

from tests.fakes.stations import station_on
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.machine.preflight import preflight
from topformer_cli.errors import DeviceError
from topformer_cli.results import Battery, DeviceFacts

GOOD = DeviceFacts(
    kind="phone",
    serial="S1",
    battery=Battery(80, 25.0, charging=True),
    thermal_status=0,
    awake=True,
    locked=False,
)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (GOOD, None),
        (DeviceFacts(kind="phone", serial="S1"), None),
        (replace(GOOD, battery=Battery(19, 25.0, charging=True)), "only 19 % of its battery"),
        (replace(GOOD, battery=Battery(80, 40.0, charging=True)), "battery of S1 is at 40 °C"),
        (replace(GOOD, thermal_status=2), r"slowed down by heat \(thermal status 2\)"),
        (replace(GOOD, thermal_status=1), None),
        (replace(GOOD, awake=False), "screen of S1 is off.*--keep-awake"),
        (replace(GOOD, locked=True), "S1 is locked.*unlock it"),
    ],
)  # fmt: skip
def test_what_a_reader_should_know(facts: DeviceFacts, words: str | None) -> None:
    notes = preflight(facts, 1000, 1000)
    assert len(notes) == (words is not None)
    if words is not None:
        assert re.search(words, notes[0])


def test_low_battery_is_refused_without_a_charger() -> None:
    low = replace(GOOD, battery=Battery(19, 25.0, charging=False))
    with pytest.raises(DeviceError, match=r"S1 has 19 % of its battery and no charger.*plug it in"):
        preflight(low, 1000, 1000)
    assert preflight(replace(GOOD, battery=Battery(20, 25.0, charging=False)), 1, 1) == ()
    assert len(preflight(replace(GOOD, battery=Battery(5, 25.0, charging=None)), 1, 1)) == 1


def test_space_must_be_there_where_it_is_told() -> None:
    with pytest.raises(DeviceError, match=r"S1 has 1.5 MB free in /data/local/tmp.*needs 2.0 MB"):
        preflight(GOOD, 2_000_000, 1_500_000)
    assert preflight(GOOD, 2_000_000, None) == ()


def test_real_state_of_a_phone_reaches_the_notes(start_device: StartDevice) -> None:
    device = start_device()
    station = station_on(device)
    assert preflight(station.facts(), 1, station.free_bytes()) == ()
    device.root.set_screen(on=False, locked=True)
    device.root.set_thermal_status(4)
    device.root.set_battery(15, powered=True)
    notes = preflight(station.facts(), 1, station.free_bytes())
    assert [word in note for word, note in zip(["off", "15 %", "heat"], notes, strict=True)] == [
        True, True, True,
    ]  # fmt: skip
    device.root.set_battery(15, powered=False)
    with pytest.raises(DeviceError, match="no charger"):
        preflight(station.facts(), 1, station.free_bytes())
