"""The files and commands of a fake phone, as a folder on the host."""

import os
import shutil
import signal
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.device_commands import CHMOD, QEMU, STUBS, TASKSET, TOOLS, Taskset
from tests.fakes.device_dumps import battery, power, thermal_service, window
from tests.fakes.device_sysfs import Sysfs

__all__ = ["PROPERTIES", "QEMU", "DeviceRoot"]

REWRITTEN = (
    "/data/local/tmp",
    "/sys/devices",
    "/sys/class",
    "/proc/self/status",
    "/proc/cpuinfo",
    "/proc/uptime",
    "/proc/sys/kernel/random/boot_id",
)
PROPERTIES = {
    "ro.product.manufacturer": "Standin",
    "ro.product.model": "Eight Cores",
    "ro.product.device": "standin",
    "ro.product.board": "kona",
    "ro.soc.model": "SM8250",
    "ro.build.fingerprint": "Standin/standin/standin:13/TQ3A/1:user/release-keys",
    "ro.build.version.release": "13",
    "ro.build.version.sdk": "33",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.boot.qemu": "1",
}


@dataclass
class DeviceRoot:
    """A device's root folder; `path` must exist and hold no blanks.

    missing: tools that this phone lacks, such as `timeout`.
    """

    path: Path
    properties: Mapping[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    taskset: Taskset = "honest"
    free_kb: int = 4_000_000
    clocks_readable: bool = True
    page_bytes: int = 4096
    missing: Collection[str] = ()

    def __post_init__(self) -> None:
        for folder in ("data/local/tmp", "system/bin", "proc/self", "settings", "dumpsys"):
            (self.path / folder).mkdir(parents=True)
        self.sysfs = Sysfs(self.path, self.clocks_readable)
        self._commands()
        self.boot()
        self.set_battery(80, powered=True)
        self.set_screen(on=True, locked=False)
        self.dump("thermalservice", thermal_service(0))
        self.put_setting("stay_on_while_plugged_in", "0")

    def boot(self) -> None:
        """Start again: another boot id, an uptime of zero."""
        random = self.path / "proc/sys/kernel/random"
        first = not random.exists()
        random.mkdir(parents=True, exist_ok=True)
        (random / "boot_id").write_text(f"{uuid.uuid4()}\n")
        uptime = self.path / "proc/uptime"
        if first:
            uptime.symlink_to("/proc/uptime")
        else:
            uptime.unlink()
            uptime.write_text("3.14 2.71\n")

    def processes(self) -> list[int]:
        """What works in the folders of this phone."""
        return [pid for pid, place in working_folders() if place.is_relative_to(self.path)]

    def kill_all(self) -> None:
        """End every process, as a reboot does."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def set_battery(self, percent: int, *, powered: bool, tenths: int = 254) -> None:
        self.dump("battery", battery(percent, tenths, powered=powered))

    def set_screen(self, *, on: bool, locked: bool) -> None:
        self.dump("power", power(on=on))
        self.dump("window", window(locked=locked))

    def set_thermal_status(self, status: int) -> None:
        self.dump("thermalservice", thermal_service(status))

    def dump(self, service: str, text: str) -> None:
        (self.path / "dumpsys" / service).write_text(text)

    def put_setting(self, name: str, value: str) -> None:
        (self.path / "settings" / name).write_text(f"{value}\n")

    def setting(self, name: str) -> str | None:
        """A global setting, None when it was never set or was deleted."""
        path = self.path / "settings" / name
        return path.read_text().strip() if path.exists() else None

    @property
    def work(self) -> Path:
        """Where /data/local/tmp lies on the host."""
        return self.path / "data/local/tmp"

    def remains(self) -> list[str]:
        """What is left in /data/local/tmp."""
        return sorted(entry.name for entry in self.work.iterdir())

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.path}/system/bin", "ROOT": str(self.path)}

    def host_path(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def rewrite(self, command: str) -> str:
        """Return the command with the phone's folders where they lie on the host."""
        if "Cpus_allowed_list" in command and self.taskset != "unreadable":
            # A process starts with every core; only taskset narrows that.
            (self.path / "proc/self/status").write_text("Cpus_allowed_list:\t0-7\n")
        for folder in REWRITTEN:
            command = command.replace(folder, f"{self.path}{folder}")
        return command

    def _commands(self) -> None:
        lines = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        (self.path / "system/props").write_text(lines)
        for tool in TOOLS:
            if tool not in self.missing and (place := shutil.which(tool)):
                (self.path / "system/bin" / tool).symlink_to(place)
        if "taskset" not in self.missing:
            pin = f"mask=$1; shift\n{TASKSET[self.taskset]}\n"
            self._command("taskset", f'[ "$1" = -p ] && exit\n{pin}exec "$@"')
        numbers = f"8000000 4000000 {self.free_kb} 50%"
        self._command("df", f'echo "Filesystem 1K-blocks Used Available Use% Mounted on"\n'
                            f'echo "/dev/block/dm-5 {numbers} /data"')  # fmt: skip
        self._command("getconf", f"echo {self.page_bytes}")
        self._command("chmod", CHMOD)
        for name, script in STUBS.items():
            self._command(name, script)

    def _command(self, name: str, script: str) -> None:
        path = self.path / "system/bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)  # noqa: PTH101


def working_folders() -> Iterator[tuple[int, Path]]:
    """Yield the processes of this machine with where they work, as far as Linux tells."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield int(process.name), Path(os.readlink(process / "cwd"))  # noqa: PTH115
