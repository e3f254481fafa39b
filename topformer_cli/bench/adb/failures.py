"""What can go wrong between this machine and a phone, as one line with its remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from adbutils.errors import AdbError, AdbTimeout

from topformer_cli.errors import DeviceError


class LinkLostError(DeviceError):
    """The connection ended before the answer was whole."""


class DeadlineError(LinkLostError):
    """The answer was not whole when its time was over."""


class CutError(LinkLostError):
    """Another thread hung up."""


NO_SERVER: Final = (
    "the adb server does not run (any more); install Android's platform-tools if need be "
    "(apt install adb, brew install android-platform-tools) and run `adb devices`"
)
UDEV: Final = (
    "this user may not open its USB port; on Linux install the package "
    "android-sdk-platform-tools-common (udev rules), join the group plugdev, replug it"
)
REMEDIES: Final = {
    "unauthorized": "unlock the phone and accept its debugging question",
    "authorizing": "unlock the phone and accept its debugging question",
    "offline": "replug it, or run `adb reconnect`",
    "no": UDEV,
    "no permissions": UDEV,
    "connecting": "wait a moment; if it stays so, replug it",
    "recovery": "it is in recovery mode; restart it",
    "rescue": "it is in rescue mode; restart it",
    "sideload": "it is in sideload mode; restart it",
    "bootloader": "it is in its bootloader; restart it",
}


def remedy(serial: str, state: str) -> str:
    """Return the line for a phone that is listed but cannot be used."""
    return f"{serial} is {state}: {REMEDIES.get(state, 'reconnect it and see `adb devices`')}"


@contextmanager
def named_failures(serial: str, deadline_s: float) -> Iterator[None]:
    """Turn whatever breaks a connection into one line that names the phone."""
    try:
        yield
    except (TimeoutError, AdbTimeout) as error:
        message = f"{serial} did not answer within {deadline_s:g} s"
        raise DeadlineError(message) from error
    except ConnectionRefusedError as error:
        raise LinkLostError(NO_SERVER) from error
    except (EOFError, OSError) as error:
        message = f"the connection to {serial} broke ({error})"
        raise LinkLostError(message) from error
    except AdbError as error:
        raise refusal(serial, error) from error


def refusal(serial: str, error: AdbError) -> DeviceError:
    """Return the one line, with its remedy, for what the adb server said of a phone."""
    text = str(error).splitlines()[0] if str(error) else "the adb server hung up"
    if "unauthorized" in text:
        return DeviceError(remedy(serial, "unauthorized"))
    if "no permissions" in text:
        return DeviceError(remedy(serial, "no permissions"))
    if "offline" in text:
        return LinkLostError(remedy(serial, "offline"))
    if "not found" in text:
        return LinkLostError(f"{serial} is not connected; see `adb devices`")
    if "closed" in text or "hung up" in text:
        return LinkLostError(f"the connection to {serial} broke ({text})")
    if "No adb exe" in text or "connect to adb server" in text:
        return DeviceError(NO_SERVER)
    return DeviceError(f"{serial}: {text}")
