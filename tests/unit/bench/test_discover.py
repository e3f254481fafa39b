from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.adb_device import Faults
from tests.fakes.adb_server import free_port, real_adb_server
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench import discover
from topformer_cli.bench.discover import NONE_CONNECTED, choose_device
from topformer_cli.bench.phone import Phone
from topformer_cli.errors import DeviceError, exit_code_of


@pytest.fixture(autouse=True)
def adb_server(tmp_path: Path) -> Iterator[int]:
    """A server of the test's own: a shared one keeps trying the phones of earlier tests."""
    with real_adb_server(tmp_path) as port:
        yield port


def check_refused(serial: str | None, words: str) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        choose_device(serial)
    assert exit_code_of(caught.value) == 5
    assert "\n" not in str(caught.value)


def test_only_phone_is_taken(start_device: StartDevice) -> None:
    device = start_device()
    choose_device(f"tcp:{device.serial}")
    phone = choose_device(None)
    assert isinstance(phone, Phone)
    assert phone.serial == device.serial
    assert phone.state() == "device"
    assert phone.ask("echo here") == "here\n"


def test_no_phone(adb_server: int) -> None:
    assert adb_server
    check_refused(None, NONE_CONNECTED[:40])


def test_unknown_serial_names_the_known_ones(start_device: StartDevice) -> None:
    device = start_device()
    choose_device(f"tcp:{device.serial}")
    check_refused("nope", rf"no phone with serial 'nope'.*connected: {device.serial}")


def test_several_phones_need_a_choice(start_device: StartDevice) -> None:
    first, second = start_device(), start_device()
    choose_device(f"tcp:{first.serial}")
    assert choose_device(f"tcp:{second.serial}").serial == second.serial
    check_refused(None, r"several phones are connected: give one of .*, .* with --device")
    assert choose_device(first.serial).serial == first.serial


def test_unauthorized_phone(start_device: StartDevice) -> None:
    device = start_device(Faults(auth=True))
    check_refused(f"tcp:{device.serial}", r"unauthorized: unlock the phone and accept")
    check_refused(device.serial, r"unauthorized: unlock the phone and accept")


def test_silent_phone(start_device: StartDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    device = start_device(Faults(silent=True))
    monkeypatch.setattr(discover, "SOCKET_TIMEOUT_S", 1.0)
    check_refused(f"tcp:{device.serial}", r"tcp:127.*did not answer within 1 s; is adb over TCP on")


def test_nobody_at_the_address(adb_server: int) -> None:
    assert adb_server
    check_refused(f"tcp:127.0.0.1:{free_port()}", r"tcp:127.*Connection refused.*adb tcpip 5555")


def test_phone_without_shell_v2(start_device: StartDevice) -> None:
    device = start_device(Faults(no_shell_v2=True))
    check_refused(f"tcp:{device.serial}", r"no shell v2 \(Android below 7\)")


def test_phone_that_went_is_offline_or_gone(start_device: StartDevice) -> None:
    device = start_device()
    phone = choose_device(f"tcp:{device.serial}")
    device.vanish()
    with pytest.raises(DeviceError, match=device.serial):
        phone.ask("echo here")
    assert phone.state() != "device"
