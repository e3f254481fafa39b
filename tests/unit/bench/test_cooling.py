import threading
import time

import pytest

from tests.fakes.adb_device import FakeDevice
from tests.fakes.stations import station_on
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.adb import LinkLostError
from topformer_cli.bench.machine import cooling
from topformer_cli.bench.machine.cooling import cool_down
from topformer_cli.bench.machine.sensors import cpu_zone_paths
from topformer_cli.bench.phone import link_loss
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.protocol import Protocol

QUICK = Protocol(cool_margin_c=3, cool_s=0.6)


@pytest.fixture
def phone(
    start_device: StartDevice, monkeypatch: pytest.MonkeyPatch
) -> tuple[FakeDevice, PhoneStation, tuple[str, ...]]:
    monkeypatch.setattr(cooling, "LOOK_EVERY_S", 0.05)
    device = start_device()
    station = station_on(device)
    return device, station, cpu_zone_paths(station.facts().zones)


Phone = tuple[FakeDevice, PhoneStation, tuple[str, ...]]


@pytest.mark.parametrize(("celsius", "cooled"), [(40.0, True), (43.0, True), (43.1, False)])
def test_margin_above_the_start(phone: Phone, celsius: float, cooled: bool) -> None:
    device, station, paths = phone
    device.root.sysfs.heat(celsius)
    waited, told = cool_down(station, paths, 40.0, QUICK)
    assert told is cooled
    assert (waited >= 0.6) is not cooled


def test_wait_ends_when_it_is_cool(phone: Phone) -> None:
    device, station, paths = phone
    device.root.sysfs.heat(70)
    timer = threading.Timer(0.4, device.root.sysfs.heat, (41.0,))
    timer.start()
    waited, cooled = cool_down(station, paths, 40.0, Protocol(cool_s=20))
    timer.join()
    assert cooled is True
    assert 0.3 < waited < 10


def test_nothing_is_waited_for_where_nothing_is_known(phone: Phone) -> None:
    device, station, paths = phone
    assert cool_down(station, paths, None, QUICK) == (0.0, None)
    assert cool_down(station, (), 40.0, QUICK) == (0.0, None)
    device.root.sysfs.hide_heat()
    began = time.monotonic()
    assert cool_down(station, paths, 40.0, Protocol())[1] is None
    assert time.monotonic() - began < 5


def test_phone_that_goes_meanwhile(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    device, station, paths = phone
    monkeypatch.setattr(link_loss, "BACK_WITHIN_S", 0.3)
    device.root.sysfs.heat(70)
    threading.Timer(0.2, device.vanish).start()
    with pytest.raises(LinkLostError, match=r"^127.* while its clocks and sensors were read$"):
        cool_down(station, paths, 40.0, Protocol(cool_s=20))
