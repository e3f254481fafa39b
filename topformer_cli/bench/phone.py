"""A phone behind adb: commands, files with verified hashes, and what it says about itself."""

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from adbutils.errors import AdbError

from topformer_cli.bench import adb
from topformer_cli.bench.adb import Link, ShellResult
from topformer_cli.errors import DeviceError
from topformer_cli.results import CpuFacts, DeviceFacts

SHORT_S: Final = 20.0
"""How long a command that only asks something may take."""

SLOWEST_BYTES_PER_S: Final = 1_000_000
"""Slower than the worst USB 2 cable or Wi-Fi that is worth waiting for."""

PROPERTIES: Final = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.model",
    "ro.board.platform",
    "ro.build.version.release",
    "ro.build.version.sdk",
    "ro.product.cpu.abilist",
    "ro.product.cpu.abi",
    "ro.kernel.qemu",
    "ro.boot.qemu",
)
CPU_FILES: Final = ("cpufreq/cpuinfo_max_freq", "online", "cpu_capacity")


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone that is connected and answers; `discover.choose_device` returns one."""

    link: Link

    @property
    def serial(self) -> str:
        """The name by which adb knows it."""
        return self.link.serial

    def shell(self, command: str, deadline_s: float = SHORT_S) -> ShellResult:
        """Run a command with the phone's shell.

        Raises:
            adb.LinkLostError: the link broke or the deadline passed; a DeviceError.
        """
        return adb.shell(self.link, command, deadline_s)

    def ask(self, command: str) -> str:
        """Return what a command printed.

        Raises:
            DeviceError: it failed; names command and reason.
        """
        done = self.shell(command)
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            detail = reason[0] if reason else f"exit code {done.returncode}"
            message = f"{self.serial}: `{command}` failed: {detail}"
            raise DeviceError(message)
        return done.stdout

    def state(self) -> str:
        """Return adb's word for the phone: `device`, `offline`, or `absent`."""
        try:
            listed = self.link.client.list()
        except (AdbError, OSError):
            return "absent"
        return next((one.state for one in listed if one.serial == self.serial), "absent")

    def push(self, source: Path | bytes, remote: PurePosixPath, mode: int = 0o644) -> str:
        """Write a file on the phone, verify it there, and return its SHA-256.

        Raises:
            DeviceError: it does not fit, did not arrive in time, or arrived different.
        """
        content = source if isinstance(source, bytes) else source.read_bytes()
        expected = hashlib.sha256(content).hexdigest()
        deadline_s = SHORT_S + len(content) / SLOWEST_BYTES_PER_S
        adb.push(self.link, content, str(remote), mode, deadline_s)
        arrived = self.sha256(remote, deadline_s)
        if arrived != expected:
            message = (
                f"{remote.name} arrived changed on {self.serial}: SHA-256 {arrived[:12]} instead "
                f"of {expected[:12]}; try another cable or port"
            )
            raise DeviceError(message)
        return expected

    def pull(self, remote: PurePosixPath) -> bytes:
        """Return the content of a file on the phone."""
        return adb.pull(self.link, str(remote), SHORT_S + 120.0)

    def sha256(self, remote: PurePosixPath, deadline_s: float = SHORT_S) -> str:
        """Return the hash of a file, computed on the phone where it has the tool."""
        done = self.shell(f"sha256sum {shlex.quote(str(remote))}", deadline_s)
        if done.returncode == 127:  # Android 7 has no sha256sum
            return hashlib.sha256(self.pull(remote)).hexdigest()
        words = done.stdout.split()
        if done.returncode != 0 or not words:
            message = f"{remote.name} cannot be checked on {self.serial}: {done.stderr.strip()}"
            raise DeviceError(message)
        return words[0]

    def free_bytes(self, folder: PurePosixPath) -> int | None:
        """Return the space left where a folder lies, None when the phone does not tell."""
        done = self.shell(f"df -k {shlex.quote(str(folder))}")
        return parse_df(done.stdout)

    def facts(self) -> DeviceFacts:
        """Return what the phone says about itself; None is what it does not tell."""
        asks = [f'echo "{name}=$(getprop {name})"' for name in PROPERTIES]
        asks += ['echo "machine=$(uname -m)"', 'echo "kernel=$(uname -r)"']
        reads = "; ".join(
            f'echo "cpu${{c##*/cpu}}/{file}=$(cat $c/{file} 2>/dev/null)"' for file in CPU_FILES
        )
        asks.append(f"for c in /sys/devices/system/cpu/cpu[0-9]*; do {reads}; done")
        return parse_facts(self.serial, self.shell("; ".join(asks)).stdout)


def parse_df(text: str) -> int | None:
    """Return the available bytes from the output of `df -k`."""
    match = re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%", text)
    return int(match[3]) * 1024 if match else None


def parse_facts(serial: str, text: str) -> DeviceFacts:
    """Return the facts in lines of `name=value`; an empty value is an unknown one."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    told = {name.strip(): value.strip() for name, _, value in pairs if value.strip()}
    abis = told.get("ro.product.cpu.abilist", told.get("ro.product.cpu.abi", ""))
    return DeviceFacts(
        kind="phone",
        serial=serial,
        manufacturer=told.get("ro.product.manufacturer"),
        model=told.get("ro.product.model"),
        soc=told.get("ro.soc.model", told.get("ro.board.platform")),
        release=told.get("ro.build.version.release"),
        sdk=_number(told.get("ro.build.version.sdk")),
        abis=tuple(abi for abi in abis.split(",") if abi),
        machine=told.get("machine"),
        kernel=told.get("kernel"),
        virtual="1" in (told.get("ro.kernel.qemu"), told.get("ro.boot.qemu")),
        cpus=_cpus(told),
    )


def _cpus(told: Mapping[str, str]) -> tuple[CpuFacts, ...]:
    indices = {int(match[1]) for name in told if (match := re.match(r"cpu(\d{1,4})/", name))}
    return tuple(
        CpuFacts(index, *_cpu([told.get(f"cpu{index}/{file}") for file in CPU_FILES]))
        for index in sorted(indices)
    )


def _cpu(values: Sequence[str | None]) -> tuple[int | None, bool | None, int | None]:
    max_khz, online, capacity = (_number(value) for value in values)
    return max_khz, None if online is None else bool(online), capacity


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None
