"""Temperatures: what a sensor's file says, and which sensors are the processor's."""

import re
from collections.abc import Sequence
from typing import Final

from topformer_cli.results import ThermalZone

FOLDER: Final = "/sys/class/thermal"
CPU_NAMES: Final = re.compile(r"cpu|^(big|mid|little|apc)|x86_pkg|coretemp|k10temp", re.IGNORECASE)
"""cpu-0-0-usr (Qualcomm), mtktscpu (MediaTek), BIG and LITTLE (Exynos, Tensor), cpu-thermal."""

CHIP_NAMES: Final = re.compile(r"soc|tsens|^ap$|acpitz", re.IGNORECASE)
"""The chip as a whole, where no sensor is named after its cores."""


def parse_celsius(text: str) -> float | None:
    """Return a sensor's degrees; sensors give thousandths, tenths or whole degrees.

    1000 and more are thousandths (1 degree and up), 101 to 999 tenths (10.1 to 99.9 degrees), up
    to 100 whole degrees. 0 and what lies outside -40 to 150 is the value of a sensor that is off.
    """
    match = re.fullmatch(r"\s*(-?[0-9]{1,9})(?:\.[0-9]*)?\s*", text)
    if match is None:
        return None
    raw = float(text)
    size = abs(raw)
    degrees = raw / 1000 if size >= 1000 else raw / 10 if size > 100 else raw
    return degrees if degrees and -40 < degrees <= 150 else None


def cpu_zones(zones: Sequence[ThermalZone]) -> tuple[ThermalZone, ...]:
    """Return the sensors of the cores, or of the chip where none is named so."""
    cores = tuple(zone for zone in zones if CPU_NAMES.search(zone.name))
    return cores or tuple(zone for zone in zones if CHIP_NAMES.search(zone.name))


def cpu_zone_paths(zones: Sequence[ThermalZone]) -> tuple[str, ...]:
    """Return the files of the processor's sensors."""
    return tuple(
        f"{FOLDER}/thermal_zone{zone.index}/temp"
        for zone in cpu_zones(zones)
        if zone.index is not None
    )


def hottest(texts: Sequence[str | None]) -> float | None:
    """Return the highest temperature in the texts of sensor files."""
    degrees = [parse_celsius(text) for text in texts if text is not None]
    return max((one for one in degrees if one is not None), default=None)
