"""Which core of a phone runs the network, and whether it did."""

import re
from collections.abc import Sequence
from typing import Final

from topformer_cli.errors import UsageError
from topformer_cli.results import CoreUse, CpuFacts

_ALLOWED: Final = re.compile(r"Cpus_allowed_list:\s*(\S+)")


def choose_core(cpus: Sequence[CpuFacts], asked: str) -> CoreUse:
    """Return the core to pin to: `prime`, `any`, or a number.

    Prime is the one of highest capacity, else of highest clock, among those that are online; of
    equals the last, which on a Snapdragon 865 is core 7, mask 80.

    Raises:
        UsageError: the phone has no such core, or it is switched off.
    """
    usable = [cpu for cpu in cpus if cpu.online is not False]
    if asked == "any" or not cpus:
        return CoreUse(asked=asked)
    if asked == "prime":
        best = max(usable or cpus, key=lambda cpu: (cpu.capacity or 0, cpu.max_khz or 0, cpu.index))
        return CoreUse(asked=f"{best.index}, prime", mask=_mask(best.index))
    index = int(asked)
    if index not in {cpu.index for cpu in usable}:
        known = ", ".join(str(cpu.index) for cpu in usable)
        message = f"core {asked} is not there or switched off; this phone has {known} online"
        raise UsageError(message)
    return CoreUse(asked=asked, mask=_mask(index))


def _mask(index: int) -> str:
    return format(1 << index, "x")  # toybox's taskset refuses a leading 0x


def verify_core(core: CoreUse, stdout: str) -> CoreUse:
    """Return the core with what the kernel said of the runner's process, when it said so."""
    match = _ALLOWED.search(stdout)
    if core.mask is None or match is None:
        return core
    allowed = expand_cpu_list(match[1])
    asked = {bit for bit in range(len(core.mask) * 4) if int(core.mask, 16) >> bit & 1}
    verified = None if allowed is None else allowed == asked
    return CoreUse(asked=core.asked, mask=core.mask, allowed=match[1], verified=verified)


def expand_cpu_list(text: str) -> set[int] | None:
    """Return the cores of a kernel list such as `0-3,7`, None when it is none."""
    cores: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if match is None:
            return None
        cores |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return cores
