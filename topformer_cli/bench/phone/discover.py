"""Which phone is meant: a serial, a network address, several of them, or the only one there is."""

import os
from collections.abc import Sequence
from typing import Final

from adbutils import AdbClient
from adbutils.errors import AdbTimeout

from topformer_cli.bench.adb import Link, connect, features, remedy
from topformer_cli.bench.adb.failures import named_failures
from topformer_cli.bench.phone.device import Phone
from topformer_cli.errors import DeviceError

SOCKET_TIMEOUT_S: Final = 15.0
NONE_CONNECTED: Final = (
    "no phone is connected: plug one in with USB debugging on (Settings, Developer options) and "
    "see `adb devices`; `--device host` measures this machine"
)
PAIRING: Final = (
    "with Android 11 or later switch on Wireless debugging (Developer options), once "
    "`adb pair HOST:PORT` with port and code of `Pair device with pairing code`, then "
    "--device tcp:HOST:PORT with the port that Wireless debugging shows; "
    "before Android 11 `adb tcpip 5555` over USB first"
)
"""How a phone in the network is reached; the two ports differ."""


def choose_device(asked: str | None) -> Phone:
    """Return the phone with this serial, at this `tcp:HOST:PORT`, or the only one there is.

    Without a serial ANDROID_SERIAL counts, as it does for adb.

    Raises:
        DeviceError: none, several, an unknown one, or one that is not ready; says what to do.
    """
    [phone] = _phones([asked or os.environ.get("ANDROID_SERIAL") or None])
    return phone


def choose_devices(asked: Sequence[str]) -> tuple[Phone, ...]:
    """Return the phones of `all`, of several serials and addresses, or the only one there is.

    `all` takes every phone that is ready.

    Raises:
        DeviceError: as for `choose_device`, or one is named twice; none is left out silently.
    """
    if not asked:
        return (choose_device(None),)
    if tuple(asked) == ("all",):
        return _phones(_ready())
    serials = [name.removeprefix("tcp:") for name in asked]
    if doubled := sorted({name for name in serials if serials.count(name) > 1}):
        message = f"--device names {', '.join(doubled)} more than once"
        raise DeviceError(message)
    return _phones(asked)


def _ready() -> list[str]:
    states = _states(_client())
    if not states:
        raise DeviceError(NONE_CONNECTED)
    ready = [serial for serial, state in states.items() if state == "device"]
    if not ready:
        raise DeviceError(remedy(*next(iter(states.items()))))
    return ready


def _phones(asked: Sequence[str | None]) -> tuple[Phone, ...]:
    """Return a phone for each; every one has a link, and so can be cancelled, by itself."""
    return tuple(_phone(_client(), serial) for serial in asked)


def _client() -> AdbClient:
    return AdbClient(socket_timeout=SOCKET_TIMEOUT_S)


def _phone(client: AdbClient, asked: str | None) -> Phone:
    if asked is not None and asked.startswith("tcp:"):
        asked = _connect(client, asked.removeprefix("tcp:"))
    link = Link(client, _choose(_states(client), asked))
    if "shell_v2" not in features(link, SOCKET_TIMEOUT_S):
        message = (
            f"{link.serial} has no shell v2 (Android below 7): exit codes and output are not safe"
        )
        raise DeviceError(message)
    return Phone(link)


def _states(client: AdbClient) -> dict[str, str]:
    with named_failures("the adb server", SOCKET_TIMEOUT_S):
        return {one.serial: one.state for one in client.list(extended=True)}


def _connect(client: AdbClient, address: str) -> str:
    try:
        with named_failures(f"tcp:{address}", SOCKET_TIMEOUT_S):
            answer = connect(client, address, SOCKET_TIMEOUT_S)
    except DeviceError as error:
        if not isinstance(error.__cause__, AdbTimeout | TimeoutError):
            raise
        message = f"{error}; is adb over TCP on? {PAIRING}"
        raise DeviceError(message) from error
    if "authenticate" in answer:
        raise DeviceError(remedy(address, "unauthorized"))
    if "connected to" not in answer:
        message = f"tcp:{address}: {answer.strip()}; {PAIRING}"
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
