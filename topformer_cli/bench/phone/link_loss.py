"""Why a phone does not answer any more: told apart by what adb and the phone itself say."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from adbutils.errors import AdbError

from topformer_cli.bench import adb
from topformer_cli.bench.phone.device import Phone
from topformer_cli.errors import DeviceError

BACK_WITHIN_S: Final = 6.0
"""How long a phone may take to come back before it counts as gone."""

LOOK_EVERY_S: Final = 0.25
LOOK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Boot:
    """Which start of a phone this is; id is the kernel's name of it, uptime_s its age."""

    id: str | None
    uptime_s: float | None

    def is_over(self, now: "Boot") -> bool:
        """Whether the phone was started again since then."""
        if self.id and now.id:
            return self.id != now.id
        if self.uptime_s is None or now.uptime_s is None:
            return False
        return now.uptime_s < self.uptime_s


def boot_of(phone: Phone) -> Boot:
    """Ask a phone which start this is."""
    done = phone.shell("cat /proc/sys/kernel/random/boot_id; cat /proc/uptime", LOOK_S)
    return parse_boot(done.stdout)


def parse_boot(text: str) -> Boot:
    """Return the boot in the texts of boot_id and uptime."""
    lines = text.split("\n")
    identity = next((line.strip() for line in lines if line.count("-") == 4), None)
    uptime = None
    for line in lines:
        with suppress(ValueError):
            uptime = float(line.split()[0]) if line.split() else uptime
    return Boot(identity, uptime)


def what_happened(phone: Phone, before: Boot | None) -> str:
    """Say why the connection broke, in words that begin with the phone or the adb server.

    Waits a few seconds for the phone to come back, as after a loose cable.
    """
    if not adb.server_answers(phone.link):
        return "the adb server died (`adb devices` starts it)"
    state, away = _await_return(phone)
    if state == "absent":
        return f"{phone.serial} was unplugged, switched off, or is rebooting"
    if state != "device":
        return f"{phone.serial} went away ({adb.remedy(phone.serial, state)})"
    try:
        now = boot_of(phone)
    except DeviceError:
        return f"{phone.serial} came back but does not answer (replug it)"
    if before is not None and before.is_over(now):
        return f"{phone.serial} rebooted (as phones do when too hot or short of power)"
    if away:
        return f"{phone.serial} was away for a moment (a loose cable, or weak Wi-Fi)"
    return f"{phone.serial} is still connected, but this connection broke"


def _await_return(phone: Phone) -> tuple[str, bool]:
    """Return the phone's state, and whether it was away before."""
    end = time.monotonic() + BACK_WITHIN_S
    away = False
    while (state := phone.state()) != "device" and time.monotonic() < end:
        away = True
        if not adb.server_answers(phone.link):
            break
        _reconnect(phone)
        time.sleep(LOOK_EVERY_S)
    return state, away


def _reconnect(phone: Phone) -> None:
    """Connect anew to a phone in the network; adb itself waits ten seconds before it does."""
    if ":" in phone.serial:
        with suppress(AdbError, OSError, EOFError):
            adb.connect(phone.link.client, phone.serial, LOOK_S)
