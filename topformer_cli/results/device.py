"""What a measured machine says about itself; None is what it does not tell, never a zero."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """One core.

    max_khz, min_khz: its clock's limits. online: whether it runs. capacity: the kernel's measure
    of its strength (1024 = largest). governor: who chooses its clock. part: the CPU part id of
    /proc/cpuinfo, such as `0xd0d`.
    """

    index: int
    max_khz: int | None = None
    online: bool | None = None
    capacity: int | None = None
    min_khz: int | None = None
    governor: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class ThermalZone:
    """One thermal sensor, by the name that the maker gave it.

    index: its number in /sys/class/thermal, None for one that only Android's service tells of.
    """

    name: str
    celsius: float | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Battery:
    """State of a phone's battery; percent of its charge, temperature in degrees Celsius."""

    percent: int | None = None
    celsius: float | None = None
    charging: bool | None = None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """The machine that a number comes from, as it was before the first inference.

    kind is `host` or `phone`. machine is the kernel's own word (`uname -m`). virtual says that
    the device presents itself as an emulator. page_bytes: size of a memory page. thermal_status:
    Android's 0 (none) to 6 (shutdown). awake: whether the screen is on. locked: whether the lock
    screen shows. transport: `usb` or `tcp`. boot_id: the kernel's name of this boot. adb: versions
    of server and adbutils.
    """

    kind: Literal["host", "phone"]
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    device: str | None = None
    board: str | None = None
    soc: str | None = None
    fingerprint: str | None = None
    release: str | None = None
    sdk: int | None = None
    abis: tuple[str, ...] = ()
    machine: str | None = None
    kernel: str | None = None
    virtual: bool = False
    page_bytes: int | None = None
    free_memory_kb: int | None = None
    cpus: tuple[CpuFacts, ...] = ()
    zones: tuple[ThermalZone, ...] = ()
    thermal_status: int | None = None
    battery: Battery | None = None
    awake: bool | None = None
    locked: bool | None = None
    boot_id: str | None = None
    transport: Literal["usb", "tcp"] | None = None
    adb: str | None = None

    @property
    def name(self) -> str:
        """The words by which a person knows the machine."""
        words = [word for word in (self.manufacturer, self.model) if word]
        return " ".join(words) or self.serial or self.kind
