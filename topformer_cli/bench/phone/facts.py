"""What a phone tells of itself: one script for its shell, and the record of what that printed."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final, Literal

from topformer_cli.bench import adb
from topformer_cli.bench.adb import Link
from topformer_cli.bench.formats.words import number
from topformer_cli.bench.machine.sensors import parse_celsius
from topformer_cli.bench.phone.dumpsys import (
    parse_awake,
    parse_battery,
    parse_locked,
    parse_service_zones,
    parse_thermal_status,
)
from topformer_cli.results import CpuFacts, DeviceFacts, ThermalZone

Transport = Literal["usb", "tcp"]

PROPERTIES: Final = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.product.device",
    "ro.product.board",
    "ro.board.platform",
    "ro.soc.model",
    "ro.build.fingerprint",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abilist",
    "ro.product.cpu.abi",
    "ro.kernel.qemu",
    "ro.boot.qemu",
)
COMMANDS: Final = {
    "machine": "uname -m",
    "kernel": "uname -r",
    "page": "getconf PAGE_SIZE",
    "boot_id": "cat /proc/sys/kernel/random/boot_id",
    "memory": "grep MemAvailable: /proc/meminfo",
}
CPU_FILES: Final = {
    "max_khz": "cpufreq/cpuinfo_max_freq",
    "min_khz": "cpufreq/cpuinfo_min_freq",
    "governor": "cpufreq/scaling_governor",
    "capacity": "cpu_capacity",
    "online": "online",
}
SECTIONS: Final = {
    "cpuinfo": "grep -E '^processor|^CPU part' /proc/cpuinfo",
    "thermal": "dumpsys thermalservice",
    "battery": "dumpsys battery",
    "power": "dumpsys power | grep -E 'mWakefulness=|Display Power'",
    "window": "dumpsys window policy | grep -E 'showing=|mShowingLockscreen='",
}


def facts_script() -> str:
    """Return the commands; single values come as `name=value`, longer texts after `[[name]]`."""
    asks = [f'echo "{name}=$(getprop {name} 2>/dev/null)"' for name in PROPERTIES]
    asks += [f'echo "{name}=$({line} 2>/dev/null)"' for name, line in COMMANDS.items()]
    reads = "; ".join(
        f'echo "cpu${{c##*/cpu}}/{name}=$(cat $c/{file} 2>/dev/null)"'
        for name, file in CPU_FILES.items()
    )
    asks.append(f"for c in /sys/devices/system/cpu/cpu[0-9]*; do {reads}; done")
    asks.append(
        "for z in /sys/class/thermal/thermal_zone[0-9]*; do n=zone${z##*/thermal_zone}; "
        'echo "$n/type=$(cat $z/type 2>/dev/null)"; echo "$n/temp=$(cat $z/temp 2>/dev/null)"; done'
    )
    asks += [f'echo "[[{name}]]"; {line} 2>/dev/null' for name, line in SECTIONS.items()]
    return "; ".join(asks)


FACTS_SCRIPT: Final = facts_script()
_ZONE_TYPE: Final = re.compile(r"zone([0-9]{1,4})/type")


def parse_facts(
    serial: str, text: str, transport: Transport | None = None, versions: str | None = None
) -> DeviceFacts:
    """Return the facts in what the script printed; an empty value is an unknown one."""
    head, *sections = re.split(r"^\[\[(\w+)\]\]$", text, flags=re.MULTILINE)
    long = dict(zip(sections[::2], sections[1::2], strict=True))
    pairs = (line.partition("=") for line in head.splitlines() if "=" in line)
    told = {name.strip(): value.strip() for name, _, value in pairs if value.strip()}
    abis = told.get("ro.product.cpu.abilist", told.get("ro.product.cpu.abi", ""))
    return DeviceFacts(
        kind="phone",
        serial=serial,
        manufacturer=told.get("ro.product.manufacturer"),
        model=told.get("ro.product.model"),
        device=told.get("ro.product.device"),
        board=told.get("ro.product.board", told.get("ro.board.platform")),
        soc=told.get("ro.soc.model", told.get("ro.board.platform")),
        fingerprint=told.get("ro.build.fingerprint"),
        release=told.get("ro.build.version.release"),
        sdk=number(told.get("ro.build.version.sdk")),
        abis=tuple(abi for abi in abis.split(",") if abi),
        machine=told.get("machine"),
        kernel=told.get("kernel"),
        virtual="1" in (told.get("ro.kernel.qemu"), told.get("ro.boot.qemu")),
        page_bytes=number(told.get("page")) or None,
        free_memory_kb=_kilobytes(told.get("memory", "")),
        cpus=_cpus(told, parse_parts(long.get("cpuinfo", ""))),
        zones=_zones(told, long.get("thermal", "")),
        thermal_status=parse_thermal_status(long.get("thermal", "")),
        battery=parse_battery(long.get("battery", "")),
        awake=parse_awake(long.get("power", "")),
        locked=parse_locked(long.get("window", "")),
        boot_id=told.get("boot_id"),
        transport=transport,
        adb=versions,
    )


def parse_parts(text: str) -> dict[int, str]:
    """Return the part id of each core in /proc/cpuinfo, such as 0xd0d."""
    parts: dict[int, str] = {}
    index = None
    for line in text.splitlines():
        name, _, value = (word.strip() for word in line.partition(":"))
        if name == "processor":
            index = number(value)
        elif name == "CPU part" and index is not None and re.fullmatch("0x[0-9a-f]{1,4}", value):
            parts[index] = value
    return parts


def transport_of(listed: str) -> Transport | None:
    """Return how the phone is connected, by its line of `adb devices -l`."""
    words = listed.split()
    if not words:
        return None
    if any(word.startswith("usb:") for word in words[1:]):
        return "usb"
    over_network = ":" in words[0] or "._tcp" in words[0] or words[0].startswith("emulator-")
    return "tcp" if over_network else "usb"


def adb_versions(link: Link) -> str:
    """Return the versions of server and client library in words."""
    return f"server 1.0.{adb.server_version(link)}, adbutils {version('adbutils')}"


def _kilobytes(line: str) -> int | None:
    match = re.search(r"([0-9]{1,15}) kB", line)
    return int(match[1]) if match else None


def _cpus(told: Mapping[str, str], parts: Mapping[int, str]) -> tuple[CpuFacts, ...]:
    indices = {int(match[1]) for name in told if (match := re.match(r"cpu([0-9]{1,4})/", name))}
    return tuple(_cpu(told, index, parts.get(index)) for index in sorted(indices))


def _cpu(told: Mapping[str, str], index: int, part: str | None) -> CpuFacts:
    online = number(told.get(f"cpu{index}/online"))
    return CpuFacts(
        index=index,
        max_khz=number(told.get(f"cpu{index}/max_khz")),
        online=None if online is None else bool(online),
        capacity=number(told.get(f"cpu{index}/capacity")),
        min_khz=number(told.get(f"cpu{index}/min_khz")),
        governor=told.get(f"cpu{index}/governor"),
        part=part,
    )


def _zones(told: Mapping[str, str], service: str) -> tuple[ThermalZone, ...]:
    """Return the kernel's sensors, or those of Android's service where none of them is readable."""
    keys = {key: int(match[1]) for key in told if (match := _ZONE_TYPE.fullmatch(key))}
    zones = tuple(
        ThermalZone(told[key], parse_celsius(told.get(f"zone{index}/temp", "")), index)
        for key, index in sorted(keys.items(), key=lambda pair: pair[1])
    )
    if any(zone.celsius is not None for zone in zones):
        return zones
    return parse_service_zones(service) or zones
