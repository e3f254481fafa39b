"""What the kernel of a fake phone tells of its cores and its heat; a test may change it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

LITTLE, BIG, PRIME = 0, 4, 7
"""The first core of each cluster: four little cores, three big ones, one prime."""

MAX_KHZ = (1804800,) * 4 + (2419200,) * 3 + (2841600,)
MIN_KHZ = (300000,) * 4 + (710400,) * 3 + (844800,)
"""The clocks of a Snapdragon 865."""

PARTS = ("0xd05",) * 4 + ("0xd0d",) * 4
CAPACITIES = (250,) * 4 + (860,) * 3 + (1024,)
ZONES = {
    "aoss0-usr": 31000,
    "cpu-0-0-usr": 33000,
    "cpu-1-7-usr": 34500,
    "gpuss-0-usr": 32000,
    "battery": 254,
}
"""Sensor -> what its file holds: thousandths of a degree, but tenths for the battery."""

COOLING = ("thermal-cpufreq-0", "thermal-cpufreq-7", "thermal-devfreq-0")


class Sysfs:
    """The tree below `root`/sys, and /proc/cpuinfo."""

    def __init__(self, root: Path, clocks_readable: bool) -> None:
        self._cpus = root / "sys/devices/system/cpu"
        self._thermal = root / "sys/class/thermal"
        for index in range(len(MAX_KHZ)):
            self._write_core(index, clocks_readable)
        for index, (name, raw) in enumerate(ZONES.items()):
            self._write(self._thermal / f"thermal_zone{index}/type", name)
            self._write(self._thermal / f"thermal_zone{index}/temp", raw)
        for index, name in enumerate(COOLING):
            self._write(self._thermal / f"cooling_device{index}/type", name)
            self._write(self._thermal / f"cooling_device{index}/cur_state", 0)
        blocks = [
            f"processor\t: {index}\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41\n"
            f"CPU part\t: {part}\nCPU revision\t: 0\n"
            for index, part in enumerate(PARTS)
        ]
        self._write(root / "proc/cpuinfo", "\n".join([*blocks, "Hardware\t: Standin"]))

    def heat(self, celsius: float) -> None:
        """Bring the sensors of the cores to this temperature."""
        for index, name in enumerate(ZONES):
            if name.startswith("cpu"):
                self._write(self._thermal / f"thermal_zone{index}/temp", round(celsius * 1000))

    def throttle(self, core: int, khz: int, state: int = 1) -> None:
        """Lower the highest clock that a core may take, as a hot kernel does."""
        self._write(self._cpus / f"cpu{core}/cpufreq/scaling_max_freq", khz)
        self._write(self._cpus / f"cpu{core}/cpufreq/scaling_cur_freq", khz)
        self._write(self._thermal / "cooling_device1/cur_state", state)

    def spend(self, core: int, ticks: Mapping[int, int]) -> None:
        """Set the hundredths of a second that a core has stood at each clock since boot."""
        lines = "\n".join(f"{khz} {count}" for khz, count in ticks.items())
        self._write(self._cpus / f"cpu{core}/cpufreq/stats/time_in_state", lines)

    def hide_heat(self) -> None:
        """Make every temperature unreadable; a folder cannot be read even by root."""
        for path in self._thermal.glob("thermal_zone*/temp"):
            path.unlink()
            path.mkdir()

    def hide_thermal(self) -> None:
        """Leave no sensor and no cooling device, as where the shell may not look into sysfs."""
        shutil.rmtree(self._thermal)

    def _write_core(self, index: int, clocks_readable: bool) -> None:
        core = self._cpus / f"cpu{index}"
        self._write(core / "cpu_capacity", CAPACITIES[index])
        if index:  # the first core cannot be switched off and has no such file
            self._write(core / "online", 1)
        if not clocks_readable:
            return
        clocks = {
            "cpuinfo_max_freq": MAX_KHZ[index],
            "cpuinfo_min_freq": MIN_KHZ[index],
            "scaling_max_freq": MAX_KHZ[index],
            "scaling_cur_freq": MIN_KHZ[index],
            "scaling_governor": "schedutil",
        }
        for name, value in clocks.items():
            self._write(core / "cpufreq" / name, value)
        self.spend(index, {MIN_KHZ[index]: 1000, MAX_KHZ[index]: 2000})

    @staticmethod
    def _write(path: Path, value: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A reader must never see the moment between emptying and writing.
        temporary = path.with_name(f".{path.name}")
        temporary.write_text(f"{value}\n")
        temporary.replace(path)
