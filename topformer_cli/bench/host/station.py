"""This machine as a place where networks are measured."""

import hashlib
import os
import platform
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from topformer_cli.bench.formats.words import number
from topformer_cli.bench.machine.sensors import FOLDER, parse_celsius
from topformer_cli.bench.station import Lines, ShellResult
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.process import OvertimeError, run, streaming
from topformer_cli.results import CoreUse, CpuFacts, DeviceFacts, ThermalZone

SIGNALS: Final = {
    4: "SIGILL: it uses instructions that this processor lacks",
    6: "SIGABRT: it gave up by itself",
    9: "SIGKILL: it was ended from outside, most often for lack of memory",
    11: "SIGSEGV: it crashed",
}
CPUS: Final = Path("/sys/devices/system/cpu")
CPU_FILES: Final = (
    "cpufreq/cpuinfo_max_freq",
    "cpu_capacity",
    "cpufreq/cpuinfo_min_freq",
    "cpufreq/scaling_governor",
)
NOT_STARTED: Final = "name a program for this machine, or an --emulator such as qemu-aarch64-static"
PACKAGE_ROOT: Final = Path(__file__).resolve().parents[3]


class HostStation:
    """A temporary folder of this machine, and programs that run in it on a chosen core."""

    name = "this host"

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._printed = ""

    @property
    def folder(self) -> Path:
        """Where the files of this measurement lie.

        Raises:
            DeviceError: it was not opened.
        """
        if self._folder is None:
            message = "the working folder on this host was not opened"
            raise DeviceError(message)
        return self._folder

    def facts(self) -> DeviceFacts:
        """Return what this machine says about itself."""
        return DeviceFacts(
            kind="host",
            model=_processor() or platform.processor() or "this host",
            machine=platform.machine(),
            kernel=f"{platform.system()} {platform.release()}",
            page_bytes=os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None,
            free_memory_kb=_free_memory_kb(),
            cpus=tuple(_cpu(index) for index in sorted(_usable_cpus())),
            zones=tuple(_zones()),
            boot_id=_text(Path("/proc/sys/kernel/random/boot_id")),
        )

    def free_bytes(self) -> int | None:
        """Return the space left for temporary files."""
        return shutil.disk_usage(tempfile.gettempdir()).free

    def remains(self) -> Sequence[str]:
        """Return nothing: the system's temporary folder is its own affair."""
        return ()

    def open(self) -> None:
        """Create the folder."""
        self._folder = Path(tempfile.mkdtemp(prefix="topformer-"))

    def put(self, source: Path | bytes, name: str, *, program: bool = False) -> str:
        """Copy a file into the folder and return its SHA-256.

        Raises:
            DeviceError: there is no room for it.
        """
        content = source if isinstance(source, bytes) else source.read_bytes()
        target = self.folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            message = f"{target}: {error.strerror}; make room there, or set TMPDIR"
            raise DeviceError(message) from error
        if program:
            target.chmod(0o755)
        return self.digest(name)

    def run(
        self, words: Sequence[str], core: CoreUse, output: str, deadline_s: float
    ) -> ShellResult:
        """Run a program to its end, on the core where `taskset` is there.

        Raises:
            DeviceError: it cannot be started here.
            MeasurementError: a signal or the deadline ended it.
        """
        (self.folder / output).unlink(missing_ok=True)
        added = {"LD_LIBRARY_PATH": self.folder, "PYTHONPATH": PACKAGE_ROOT}
        environment = {**os.environ, **{name: _before(name, path) for name, path in added.items()}}
        command = _pinned(words, core)
        self._printed = ""
        try:
            done = run(command, timeout_s=deadline_s, cwd=self.folder, env=environment)
        except OvertimeError as error:
            self._printed = error.stdout
            message = f"the runner did not end within {deadline_s:g} s and was killed"
            raise MeasurementError(message) from error
        except OSError as error:
            message = f"{words[0]} cannot be started here ({error.strerror}); {NOT_STARTED}"
            raise DeviceError(message) from error
        self._printed = done.stdout
        if done.returncode < 0 or done.returncode > 128:
            signal = -done.returncode if done.returncode < 0 else done.returncode - 128
            message = (
                f"the runner was ended by signal {signal} ({SIGNALS.get(signal, 'unexpected')})"
            )
            raise MeasurementError(message)
        if done.returncode in (126, 127):
            reason = " ".join(done.stderr.split())
            message = f"{words[0]} cannot be started here ({reason}); {NOT_STARTED}"
            raise DeviceError(message)
        return ShellResult(done.returncode, done.stdout, done.stderr)

    def printed(self) -> str:
        """Return what the last program printed; nothing where Ctrl-C ended this one, too."""
        return self._printed

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file."""
        return hashlib.sha256(self.get(name)).hexdigest()

    def get(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            DeviceError: there is none.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            message = f"{name} is no file on this host ({error.strerror})"
            raise DeviceError(message) from error

    def read(self, paths: Sequence[str]) -> tuple[str | None, ...]:
        """Return small files of the kernel, None for those that cannot be read."""
        return tuple(_text(Path(path)) for path in paths)

    def stream(self, script: str) -> AbstractContextManager[Lines]:
        """Run a shell script in the background inside the block."""
        return streaming([shutil.which("sh") or "sh", "-c", script])

    def cancel(self) -> None:
        """Do nothing: there is one host, and Ctrl-C reaches its programs as well."""

    def thermal_status(self) -> int | None:
        """Return None: only Android has it."""
        return None

    def close(self) -> str | None:
        """Remove the folder; return what to say when that failed."""
        if self._folder is None:
            return None
        shutil.rmtree(self._folder, ignore_errors=True)
        left = f"left on this host: {self._folder}" if self._folder.exists() else None
        self._folder = None
        return left


def _before(variable: str, path: Path) -> str:
    """Return a variable of the environment with a folder before those that it names."""
    return os.pathsep.join([str(path), *filter(None, [os.environ.get(variable)])])


def _pinned(words: Sequence[str], core: CoreUse) -> list[str]:
    """Return the command on its core; the kernel's view is read in the process that runs."""
    taskset, shell = shutil.which("taskset"), shutil.which("sh")
    if sys.platform != "linux" or shell is None:
        return list(words)
    seen = f"grep Cpus_allowed_list /proc/self/status; exec {shlex.join(words)}"
    pin = [taskset, core.mask] if taskset and core.mask else []
    return [*pin, shell, "-c", seen]


def _cpu(index: int) -> CpuFacts:
    folder = CPUS / f"cpu{index}"
    max_khz, capacity, min_khz, governor = (_text(folder / name) for name in CPU_FILES)
    return CpuFacts(
        index=index,
        max_khz=number(max_khz),
        online=True,
        capacity=number(capacity),
        min_khz=number(min_khz),
        governor=governor,
    )


def _zones() -> list[ThermalZone]:
    zones = []
    for folder in sorted(Path(FOLDER).glob("thermal_zone*")):
        name, celsius = _text(folder / "type"), _text(folder / "temp")
        index = number(folder.name.removeprefix("thermal_zone"))
        zones.append(ThermalZone(name or folder.name, parse_celsius(celsius or ""), index))
    return zones


def _usable_cpus() -> set[int]:
    affinity = getattr(os, "sched_getaffinity", None)
    return affinity(0) if affinity else set(range(os.cpu_count() or 1))


def _processor() -> str | None:
    names = re.findall(r"^model name\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")) or "", re.MULTILINE)
    return names[0] if names else None


def _free_memory_kb() -> int | None:
    match = re.search(
        r"^MemAvailable:\s*(\d+) kB", _text(Path("/proc/meminfo")) or "", re.MULTILINE
    )
    return int(match[1]) if match else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
