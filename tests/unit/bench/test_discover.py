import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from adbutils import AdbClient

from tests.fakes.adb_device import Faults
from tests.fakes.adb_server import free_port, real_adb_server
from tests.unit.bench.conftest import StartDevice
from topformer_cli.bench.adb import remedy
from topformer_cli.bench.phone import discover
from topformer_cli.bench.phone.device import Phone
from topformer_cli.bench.phone.discover import NONE_CONNECTED, choose_device, choose_devices
from topformer_cli.errors import DeviceError, exit_code_of


@pytest.fixture(scope="module", autouse=True)
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of this module's own, which knows no phones of other tests."""
    with real_adb_server(tmp_path_factory.mktemp("adb-home")) as port:
        yield port


@pytest.fixture(autouse=True)
def forget_phones(adb_server: int) -> Iterator[None]:
    """Have the server forget the phones of a test, which it would try to reach again."""
    yield
    client = AdbClient(port=adb_server)
    for one in client.list():
        client.disconnect(one.serial)


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


def test_serial_of_the_environment_counts(
    start_device: StartDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start_device(), start_device()
    choose_devices([f"tcp:{first.serial}", f"tcp:{second.serial}"])
    monkeypatch.setenv("ANDROID_SERIAL", second.serial)
    assert choose_device(None).serial == second.serial
    assert choose_device(first.serial).serial == first.serial


def test_several_phones_at_once(start_device: StartDevice) -> None:
    first, second = start_device(), start_device()
    named = choose_devices([f"tcp:{second.serial}", f"tcp:{first.serial}"])
    assert [phone.serial for phone in named] == [second.serial, first.serial]
    assert {phone.serial for phone in choose_devices(["all"])} == {first.serial, second.serial}
    named[0].link.cutter.cut()
    assert named[1].ask("echo here") == "here\n"
    with pytest.raises(DeviceError, match=rf"--device names {first.serial} more than once"):
        choose_devices([first.serial, f"tcp:{first.serial}"])
    with pytest.raises(DeviceError, match="no phone with serial 'nope'"):
        choose_devices([first.serial, "nope"])


def test_all_leaves_out_phones_that_are_not_ready(start_device: StartDevice) -> None:
    ready, locked = start_device(), start_device(Faults(auth=True))
    with pytest.raises(DeviceError, match="unauthorized"):
        choose_device(f"tcp:{locked.serial}")
    with pytest.raises(DeviceError, match=rf"{locked.serial} is unauthorized"):
        choose_devices(["all"])
    choose_device(f"tcp:{ready.serial}")
    assert [phone.serial for phone in choose_devices(["all"])] == [ready.serial]


def test_all_of_none() -> None:
    with pytest.raises(DeviceError, match=NONE_CONNECTED[:40]):
        choose_devices(["all"])


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("no permissions", "udev rules.*plugdev"),
        ("no", "udev rules"),
        ("offline", "replug it, or run `adb reconnect`"),
        ("recovery", "restart it"),
        ("sideload", "restart it"),
        ("bootloader", "restart it"),
        ("authorizing", "accept its debugging question"),
        ("host", "reconnect it and see `adb devices`"),
    ],
)
def test_every_state_has_a_remedy(state: str, words: str) -> None:
    line = remedy("S1", state)
    assert line.startswith(f"S1 is {state}: ")
    assert re.search(words, line)
    assert "\n" not in line


# adbutils does not close the socket with which it found no server.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_adb_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free_port()))
    dead = tmp_path / "adb"
    dead.write_text("#!/bin/sh\nexit 1\n")
    dead.chmod(0o755)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(dead))
    check_refused("S1", r"adb server does not run.*platform-tools.*run `adb devices`")
    gc.collect()  # here, where the warning is expected


def test_unauthorized_phone(start_device: StartDevice) -> None:
    device = start_device(Faults(auth=True))
    check_refused(f"tcp:{device.serial}", r"unauthorized: unlock the phone and accept")
    check_refused(device.serial, r"unauthorized: unlock the phone and accept")


def test_silent_phone(start_device: StartDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    device = start_device(Faults(silent=True))
    monkeypatch.setattr(discover, "SOCKET_TIMEOUT_S", 1.0)
    words = r"tcp:127.*did not answer within 1 s; is adb over TCP on\?.*adb pair HOST:PORT"
    check_refused(f"tcp:{device.serial}", words)


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
