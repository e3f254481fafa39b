"""Which phone is meant: a serial, a network address, or the only one there is."""

from typing import Final

from adbutils import AdbClient
from adbutils.errors import AdbError, AdbTimeout

from topformer_cli.bench.adb import Link, features, refusal, remedy
from topformer_cli.bench.phone import Phone
from topformer_cli.errors import DeviceError

SOCKET_TIMEOUT_S: Final = 15.0
NONE_CONNECTED: Final = (
    "no phone is connected: plug one in with USB debugging on (Settings, Developer options) and "
    "see `adb devices`; `--device host` measures this machine"
)


def choose_device(serial: str | None) -> Phone:
    """Return the phone with this serial, at this `tcp:HOST:PORT`, or the only one there is.

    Raises:
        DeviceError: none, several, an unknown one, or one that is not ready; says what to do.
    """
    client = AdbClient(socket_timeout=SOCKET_TIMEOUT_S)
    try:
        if serial is not None and serial.startswith("tcp:"):
            serial = _connect(client, serial.removeprefix("tcp:"))
        states = {one.serial: one.state for one in client.list(extended=True)}
        chosen = _choose(states, serial)
    except AdbError as error:
        raise refusal(serial or "adb", error) from error
    except (EOFError, OSError) as error:
        message = f"the adb server does not answer ({error}); run `adb kill-server`, then try again"
        raise DeviceError(message) from error
    link = Link(client, chosen)
    if "shell_v2" not in features(link, SOCKET_TIMEOUT_S):
        message = f"{chosen} has no shell v2 (Android below 7): exit codes and output are not safe"
        raise DeviceError(message)
    return Phone(link)


def _connect(client: AdbClient, address: str) -> str:
    try:
        answer = client.connect(address, timeout=SOCKET_TIMEOUT_S)
    except AdbTimeout as error:
        message = f"tcp:{address} did not answer within {SOCKET_TIMEOUT_S:g} s; is adb over TCP on?"
        raise DeviceError(message) from error
    if "authenticate" in answer:
        raise DeviceError(remedy(address, "unauthorized"))
    if "connected to" not in answer:
        message = f"tcp:{address}: {answer.strip()}; run `adb tcpip 5555` over USB first"
        raise DeviceError(message)
    return address


def _choose(states: dict[str, str], serial: str | None) -> str:
    if serial is None:
        ready = [name for name, state in states.items() if state == "device"]
        if len(ready) > 1:
            message = f"several phones are connected: give one of {', '.join(ready)} with --device"
            raise DeviceError(message)
        if ready:
            return ready[0]
        if not states:
            raise DeviceError(NONE_CONNECTED)
        serial = next(iter(states))
    if serial not in states:
        known = ", ".join(states) or "none"
        message = f"no phone with serial {serial!r} is connected (connected: {known})"
        raise DeviceError(message)
    if states[serial] != "device":
        raise DeviceError(remedy(serial, states[serial]))
    return serial
