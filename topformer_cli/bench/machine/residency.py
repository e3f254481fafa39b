"""How long the clock of a core stood at each frequency, from the kernel's own count."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from topformer_cli.results import Residency

CPU_FOLDER: Final = "/sys/devices/system/cpu"

MS_PER_TICK: Final = 10
"""time_in_state counts in units of 10 ms. Source: the kernel's cpufreq-stats document."""

_LINE: Final = re.compile(r"([0-9]{1,12})[ \t]+([0-9]{1,18})")


def residency_path(core: int) -> str:
    """Return the file in which the kernel counts a core's time at each clock."""
    return f"{CPU_FOLDER}/cpu{core}/cpufreq/stats/time_in_state"


def parse_time_in_state(text: str) -> Mapping[int, int] | None:
    """Return kHz -> ms since the kernel began to count, None when the text is not of its form."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_LINE.fullmatch(line) for line in lines]
    if not matches or None in matches:
        return None
    return {int(match[1]): int(match[2]) * MS_PER_TICK for match in matches if match}


def residency(
    before: str | None, after: str | None, covers: Literal["timed", "process"]
) -> Residency | None:
    """Return the time at each frequency between two readings of time_in_state.

    None when one of them could not be read, or the count was reset between them.
    """
    first, last = (parse_time_in_state(text) if text else None for text in (before, after))
    if first is None or last is None or first.keys() != last.keys():
        return None
    times = tuple((khz, last[khz] - first[khz]) for khz in sorted(last))
    return Residency(times, covers) if all(ms >= 0 for _, ms in times) else None
