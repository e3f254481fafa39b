"""What Android's services print of themselves; None is what they do not tell.

Source of the forms: AOSP ThermalManagerService, BatteryService, PowerManagerService and
KeyguardServiceDelegate, method `dump`.
"""

import re

from topformer_cli.results import Battery, ThermalZone


def parse_thermal_status(text: str) -> int | None:
    """Return the status of `dumpsys thermalservice` (Android 10 and later), 0 to 6."""
    match = re.search(r"^\s*Thermal Status:\s*([0-6])\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None


def parse_service_zones(text: str) -> tuple[ThermalZone, ...]:
    """Return the current temperatures of `dumpsys thermalservice`; 0 is a sensor that is off."""
    current = text.partition("Current temperatures from HAL:")[2]
    current = current.partition("Current cooling devices")[0]
    found = re.findall(r"mValue=(-?[0-9.]{1,9}), mType=-?[0-9]+, mName=([^,}]+)", current)
    return tuple(ThermalZone(name, float(value)) for value, name in found if _is_heat(value))


def _is_heat(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}(\.[0-9]*)?", value) is not None and 0 < float(value) <= 150


def parse_battery(text: str) -> Battery | None:
    """Return the battery of `dumpsys battery`; charging means that a charger is plugged in.

    Its `status` would say whether current flows: at 100 % it does not, though power is there.
    """
    percent, tenths = _value(text, "level"), _value(text, "temperature")
    powered = re.findall(r"^\s*\w+ powered:\s*(true|false)\s*$", text, re.MULTILINE)
    if percent is None and tenths is None and not powered:
        return None
    return Battery(
        percent=percent,
        celsius=None if tenths is None else tenths / 10,
        charging="true" in powered if powered else None,
    )


def parse_awake(text: str) -> bool | None:
    """Return whether the screen is on by `dumpsys power`."""
    if match := re.search(r"mWakefulness=(\w+)", text):
        return match[1] == "Awake"
    if match := re.search(r"Display Power: state=(\w+)", text):
        return match[1] == "ON"
    return None


def parse_locked(text: str) -> bool | None:
    """Return whether the lock screen shows by `dumpsys window policy`."""
    match = re.search(r"(?:\bshowing|mShowingLockscreen)=(true|false)", text)
    return match[1] == "true" if match else None


def _value(text: str, name: str) -> int | None:
    match = re.search(rf"^\s*{name}:\s*(-?[0-9]{{1,6}})\s*$", text, re.MULTILINE)
    return int(match[1]) if match else None
