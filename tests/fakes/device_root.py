"""The files and commands of a fake phone, as a folder on the host."""

import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

REWRITTEN = ("/data/local/tmp", "/sys/devices", "/proc/self/status")
PROPERTIES = {
    "ro.product.manufacturer": "Standin",
    "ro.product.model": "Eight Cores",
    "ro.soc.model": "SM8250",
    "ro.build.version.release": "13",
    "ro.build.version.sdk": "33",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.boot.qemu": "1",
}
MAX_KHZ = (1804800,) * 4 + (2419200,) * 3 + (2841600,)
"""Four little cores, three big ones, one prime: the clocks of a Snapdragon 865."""

TASKSET = {
    "honest": 'shown=""; bit=0; number=$((0x$mask))\n'
    "while [ $number -gt 0 ]; do\n"
    '  [ $((number & 1)) -eq 1 ] && shown="$shown,$bit"\n'
    "  bit=$((bit + 1)); number=$((number >> 1))\n"
    'done\nprintf "Cpus_allowed_list:\\t%s\\n" "${shown#,}" > "$ROOT/proc/self/status"',
    "ignored": 'printf "Cpus_allowed_list:\\t0-7\\n" > "$ROOT/proc/self/status"',
    "unreadable": 'rm -f "$ROOT/proc/self/status"',
    "refused": 'echo "taskset: failed to set pid affinity: Invalid argument" >&2; exit 1',
}
QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")

# The kernel of a phone starts its programs itself; here an emulator has to be named, so the file
# that becomes executable turns into a script that names it.
CHMOD = f"""/bin/chmod "$@" || exit
for file; do :; done
head -c 20 "$file" | od -An -tx1 | tr -d ' \\n' | grep -q '^7f454c46.*b700$' || exit 0
[ -n "{QEMU or ""}" ] || exit 0
mv "$file" "$file.elf"
printf '#!/bin/sh\\nexec {QEMU} "%s" "$@"\\n' "$file.elf" > "$file"
/bin/chmod 755 "$file"
"""


@dataclass
class DeviceRoot:
    """A device's root folder; `path` must exist and hold no blanks."""

    path: Path
    properties: Mapping[str, str] = field(default_factory=lambda: dict(PROPERTIES))
    taskset: Literal["honest", "ignored", "unreadable", "refused"] = "honest"
    free_kb: int = 4_000_000
    clocks_readable: bool = True

    def __post_init__(self) -> None:
        for folder in ("data/local/tmp", "system/bin", "proc/self"):
            (self.path / folder).mkdir(parents=True)
        lines = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        (self.path / "system/props").write_text(lines)
        self._command("getprop", 'sed -n "s/^$1=//p" "$ROOT/system/props"')
        self._command("taskset", f'mask=$1; shift\n{TASKSET[self.taskset]}\nexec "$@"')
        numbers = f"8000000 4000000 {self.free_kb} 50%"
        self._command("df", f'echo "Filesystem 1K-blocks Used Available Use% Mounted on"\n'
                            f'echo "/dev/block/dm-5 {numbers} /data"')  # fmt: skip
        self._command("chmod", CHMOD)
        for index, khz in enumerate(MAX_KHZ):
            core = self.path / f"sys/devices/system/cpu/cpu{index}"
            (core / "cpufreq").mkdir(parents=True)
            if self.clocks_readable:
                (core / "cpufreq/cpuinfo_max_freq").write_text(f"{khz}\n")
            if index:  # the first core cannot be switched off and has no such file
                (core / "online").write_text("1\n")

    @property
    def work(self) -> Path:
        """Where /data/local/tmp lies on the host."""
        return self.path / "data/local/tmp"

    def remains(self) -> list[str]:
        """What is left in /data/local/tmp."""
        return sorted(entry.name for entry in self.work.iterdir())

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.path}/system/bin:/usr/bin:/bin", "ROOT": str(self.path)}

    def host_path(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def rewrite(self, command: str) -> str:
        for folder in REWRITTEN:
            command = command.replace(folder, f"{self.path}{folder}")
        return command

    def _command(self, name: str, script: str) -> None:
        path = self.path / "system/bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        os.chmod(path, path.stat().st_mode | stat.S_IXUSR)  # noqa: PTH101
