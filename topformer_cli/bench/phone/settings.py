"""Settings of a phone that a measurement may change, each with the line that undoes it."""

import re
from typing import Final

from topformer_cli.bench.formats.words import number
from topformer_cli.bench.phone.device import Phone
from topformer_cli.errors import DeviceError

STAY_ON: Final = "stay_on_while_plugged_in"
FIXED: Final = "fixed performance mode"
FIXED_SINCE_SDK: Final = 30


class PhoneSettings:
    """What was changed on a phone so far."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._undo: list[tuple[str, str]] = []

    def keep_awake(self) -> None:
        """Switch the screen on and keep it so while the phone is plugged in.

        Raises:
            DeviceError: the phone refused.
        """
        before = self._phone.ask(f"settings get global {STAY_ON}").strip()
        back = f"put global {STAY_ON} {before}" if re.fullmatch(r"[0-9]{1,2}", before) else None
        # What undoes it is noted first: an interruption may come right after the change.
        self._undo.append((STAY_ON, f"settings {back or f'delete global {STAY_ON}'}"))
        self._phone.ask("svc power stayon true")

    def fixed_performance(self) -> None:
        """Have the phone keep clocks that it can hold for long (Android 11 and later).

        Raises:
            DeviceError: the phone is older, or its maker left this out.
        """
        sdk = number(self._phone.ask("getprop ro.build.version.sdk").strip())
        if sdk is not None and sdk < FIXED_SINCE_SDK:
            message = (
                f"{self._phone.serial} has API level {sdk}; the fixed performance mode needs "
                f"{FIXED_SINCE_SDK} (Android 11); leave --fixed-performance out"
            )
            raise DeviceError(message)
        change = "cmd power set-fixed-performance-mode-enabled"
        self._undo.append((FIXED, f"{change} false"))
        try:
            self._phone.ask(f"{change} true")
        except DeviceError as error:
            message = f"{error}; leave --fixed-performance out"
            raise DeviceError(message) from error

    def restore(self) -> list[str]:
        """Undo every change, the last first; return what could not be undone, with its line."""
        failed = []
        while self._undo:
            what, line = self._undo[-1]  # stays there when an interruption comes
            try:
                self._phone.ask(line)
            except DeviceError:
                failed.append(f"{what} is still changed: adb -s {self._phone.serial} shell {line}")
            self._undo.pop()
        return failed
