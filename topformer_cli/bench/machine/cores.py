"""Which core of a machine runs the network, and whether it did."""

import re
from collections.abc import Sequence
from typing import Final

from topformer_cli.errors import DeviceError, UsageError
from topformer_cli.results import CoreUse, CpuFacts

_ALLOWED: Final = re.compile(r"Cpus_allowed_list:\s*(\S+)")


class CoreRefusedError(DeviceError):
    """The kernel does not let a process stay on the core that was asked for."""


def choose_core(
    cpus: Sequence[CpuFacts], asked: str, mask: str | None = None, threads: int = 1
) -> CoreUse:
    """Return the core to pin to: `prime`, `big`, `little`, `any`, or a number.

    The cores that are online form clusters of equal strength: by capacity, then by highest clock.
    Prime is the strongest, little the weakest; big is the one below prime, or prime itself where
    nothing but little lies below. Of equals the last is taken, which on a Snapdragon 865 is core
    7, mask 80. With several threads prime stands for as many of the strongest cores, big and
    little for their whole cluster. A mask, bare hexadecimal, takes the place of all this.

    Raises:
        UsageError: the machine has no such core, or it is switched off.
    """
    if mask is not None:
        _require_online(cpus, sorted(cores_of(mask)), f"mask {mask}")
        return CoreUse(asked=f"mask {mask}", mask=mask)
    if asked == "any" or not cpus:
        return CoreUse(asked=asked)
    if asked.isdecimal():
        _require_online(cpus, [int(asked)], f"core {asked}")
        return CoreUse(asked=asked, mask=_mask(int(asked)))
    named = _named(clusters(cpus), asked)
    chosen = sorted(cpu.index for cpu in named[-threads:])
    words = ",".join(str(index) for index in chosen)
    return CoreUse(asked=f"{words}, {asked}", mask=_mask(*chosen))


def clusters(cpus: Sequence[CpuFacts]) -> list[list[CpuFacts]]:
    """Return the online cores in groups of equal strength, the weakest first."""
    usable = [cpu for cpu in cpus if cpu.online is not False] or list(cpus)
    groups: dict[tuple[int, int], list[CpuFacts]] = {}
    for cpu in sorted(usable, key=lambda cpu: (*_strength(cpu), cpu.index)):
        groups.setdefault(_strength(cpu), []).append(cpu)
    return list(groups.values())


def next_core(cpus: Sequence[CpuFacts], refused: CoreUse) -> CoreUse | None:
    """Return the strongest core that is not stronger than a refused one; None when there is none.

    Cores that come before it in that order have been refused already.
    """
    if refused.mask is None:
        return None
    taken = cores_of(refused.mask)
    ordered = [cpu for group in reversed(clusters(cpus)) for cpu in reversed(group)]
    places = [place for place, cpu in enumerate(ordered) if cpu.index in taken]
    rest = ordered[max(places) + 1 :] if places else ordered
    return CoreUse(asked=str(rest[0].index), mask=_mask(rest[0].index)) if rest else None


def _named(groups: Sequence[Sequence[CpuFacts]], asked: str) -> Sequence[CpuFacts]:
    """Return the cores that a word stands for, the last one first of all."""
    if asked == "prime":
        return [cpu for group in groups for cpu in group]
    if asked == "little":
        return groups[0]
    if asked == "big" and len(groups) > 2:
        return groups[-2]
    if asked == "big":
        return groups[-1]
    message = f"core {asked!r}: give prime, big, little, any or a core's number"
    raise UsageError(message)


def _strength(cpu: CpuFacts) -> tuple[int, int]:
    return cpu.capacity or 0, cpu.max_khz or 0


def _require_online(cpus: Sequence[CpuFacts], wanted: Sequence[int], what: str) -> None:
    usable = [cpu.index for cpu in cpus if cpu.online is not False]
    if missing := [index for index in wanted if index not in usable]:
        if not cpus:
            return
        known = ", ".join(str(index) for index in usable)
        plural = len(wanted) > 1 or what.startswith("mask")
        which = f" (core {', '.join(str(index) for index in missing)})" if plural else ""
        message = f"{what} is not there or switched off{which}; this machine has {known} online"
        raise UsageError(message)


def _mask(*cores: int) -> str:
    return format(sum(1 << core for core in cores), "x")  # toybox's taskset refuses a leading 0x


def cores_of(mask: str) -> set[int]:
    """Return the cores of a hexadecimal mask."""
    return {bit for bit in range(len(mask) * 4) if int(mask, 16) >> bit & 1}


def verify_core(core: CoreUse, stdout: str) -> CoreUse:
    """Return the core with what the kernel said of the runner's process, when it said so.

    One process that may have left its core is never made good by a later one that stayed there.
    """
    match = _ALLOWED.search(stdout)
    if core.mask is None or match is None or core.verified is False:
        return core
    allowed = expand_cpu_list(match[1])
    verified = None if allowed is None else allowed == cores_of(core.mask)
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
