"""What must hold of a phone before a byte is pushed, and what makes its numbers worse."""

from typing import Final

from topformer_cli.bench.machine.watch import HOT_STATUS
from topformer_cli.errors import DeviceError
from topformer_cli.results import DeviceFacts

LOWEST_PERCENT: Final = 20
HOT_BATTERY_C: Final = 40.0


def preflight(facts: DeviceFacts, needed_bytes: int, free_bytes: int | None) -> tuple[str, ...]:
    """Refuse a phone on which a measurement cannot work; return what may make its numbers worse.

    Raises:
        DeviceError: the first thing that does not fit, with its remedy.
    """
    _require_battery(facts)
    _require_space(facts, needed_bytes, free_bytes)
    return tuple(note for note in (_screen(facts), _charge(facts), _heat(facts)) if note)


def _require_battery(facts: DeviceFacts) -> None:
    """Refuse a low battery that nothing charges; a charged one only gets a note.

    Over a cable adb itself charges, so that a refusal means Wi-Fi or a port without power.
    """
    battery = facts.battery
    if battery is None or battery.percent is None or battery.percent >= LOWEST_PERCENT:
        return
    if battery.charging is False:
        message = (
            f"{facts.serial} has {battery.percent} % of its battery and no charger; phones slow "
            f"down then: charge it to {LOWEST_PERCENT} % or plug it in"
        )
        raise DeviceError(message)


def _require_space(facts: DeviceFacts, needed_bytes: int, free_bytes: int | None) -> None:
    if free_bytes is not None and free_bytes < needed_bytes:
        message = (
            f"{facts.serial} has {free_bytes / 1e6:.1f} MB free in /data/local/tmp, the run needs "
            f"{needed_bytes / 1e6:.1f} MB; make room there"
        )
        raise DeviceError(message)


def _screen(facts: DeviceFacts) -> str | None:
    if facts.awake is False:
        return (
            f"the screen of {facts.serial} is off, which slows some phones down many times; "
            "--keep-awake switches it on for the measurement"
        )
    if facts.locked:
        return f"{facts.serial} is locked, which slows some phones down; unlock it"
    return None


def _charge(facts: DeviceFacts) -> str | None:
    battery = facts.battery
    if battery is None:
        return None
    if battery.percent is not None and battery.percent < LOWEST_PERCENT:
        return f"{facts.serial} has only {battery.percent} % of its battery, if charging"
    if battery.celsius is not None and battery.celsius >= HOT_BATTERY_C:
        return f"the battery of {facts.serial} is at {battery.celsius:.0f} °C; let it cool"
    return None


def _heat(facts: DeviceFacts) -> str | None:
    status = facts.thermal_status
    if status is None or status < HOT_STATUS:
        return None
    return f"{facts.serial} is already slowed down by heat (thermal status {status}); let it cool"
