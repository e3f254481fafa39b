"""A phone as a station: a folder of its own, runs on one core, and no trace at the end."""

import re
import shlex
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath

from topformer_cli.bench.adb import CutError, DeadlineError, LinkLostError, Streams
from topformer_cli.bench.machine.cores import CoreRefusedError, next_core
from topformer_cli.bench.phone.device import Phone
from topformer_cli.bench.phone.dumpsys import parse_thermal_status
from topformer_cli.bench.phone.execution import APPLETS, Workplace, pid_in, require_started
from topformer_cli.bench.phone.link_loss import Boot, parse_boot, what_happened
from topformer_cli.bench.phone.remains import PREFIX, WORK, find_remains, remove_remains
from topformer_cli.bench.phone.settings import PhoneSettings
from topformer_cli.bench.phone.stream import phone_stream
from topformer_cli.bench.station import Lines, ShellResult
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import CoreUse, CpuFacts, DeviceFacts


class PhoneStation:
    """A phone behind adb, as `station.Station` describes it.

    keep_awake: the screen stays on meanwhile. fixed_performance: so do clocks that can be held.
    """

    def __init__(
        self, phone: Phone, *, keep_awake: bool = False, fixed_performance: bool = False
    ) -> None:
        self.phone = phone
        self._awake = keep_awake
        self._fixed = fixed_performance
        self.folder = WORK / f"{PREFIX}{uuid.uuid4()}"
        self._workplace = Workplace(self.folder)
        self._settings = PhoneSettings(phone)
        self._boot: Boot | None = None
        self._cpus: tuple[CpuFacts, ...] = ()
        self._created = False
        self._running = Streams()
        self._printed = Streams()

    @property
    def name(self) -> str:
        """The phone's serial."""
        return self.phone.serial

    def facts(self) -> DeviceFacts:
        """Return what the phone says about itself now."""
        facts = self.phone.facts()
        self._cpus = facts.cpus
        return facts

    def free_bytes(self) -> int | None:
        """Return the space left where the folder will lie, None when it does not tell."""
        return self.phone.free_bytes(WORK)

    def remains(self) -> Sequence[str]:
        """Return the folders that earlier measurements have left."""
        return find_remains(self.phone, self.folder)

    def remove_remains(self) -> Sequence[str]:
        """Remove them, but for those in which a process still runs; return what was removed."""
        return remove_remains(self.phone, self.folder)

    def open(self) -> None:
        """Create the folder, ask once for what runs will need, change the settings asked for.

        Raises:
            DeviceError: it cannot be created, or the phone refuses a setting.
        """
        has = f"for a in {' '.join(APPLETS)}; do command -v $a >/dev/null && echo has $a; done"
        self._created = True
        with self._naming_loss("while its folder was created"):
            told = self.phone.ask(
                f"mkdir {self.folder} || exit; {has}; "
                "cat /proc/sys/kernel/random/boot_id /proc/uptime 2>/dev/null; true"
            )
        self._workplace = Workplace(self.folder, frozenset(re.findall(r"^has (\w+)$", told, re.M)))
        self._boot = parse_boot(told)
        if self._awake:
            self._settings.keep_awake()
        if self._fixed:
            self._settings.fixed_performance()

    def put(self, source: Path | bytes, name: str, *, program: bool = False) -> str:
        """Write a file, verify it on the phone, and return its SHA-256.

        Raises:
            DeviceError: it does not fit, or did not arrive as it was; nothing has run.
        """
        remote = self._path(name)
        quoted = shlex.quote(str(remote))
        with self._naming_loss(f"while {name} was pushed"):
            if remote.parent != self.folder:
                self.phone.ask(f"mkdir -p {shlex.quote(str(remote.parent))}")
            digest = self.phone.push(source, remote, 0o755 if program else 0o644)
            if program:
                self.phone.ask(f"chmod 755 {quoted}")
        return digest

    def run(
        self, words: Sequence[str], core: CoreUse, output: str, deadline_s: float
    ) -> ShellResult:
        """Run a program of the folder to its end; the exit code of a runner is its own affair.

        Raises:
            DeviceError: it could not be started; `CoreRefusedError` when not on this core.
            MeasurementError: a signal or the deadline ended it, or the phone went away.
        """
        command = self._workplace.command(words, core, output, deadline_s)
        self._running = self._printed = Streams()
        try:
            done = self.phone.shell(command, deadline_s, self._running)
        except DeadlineError as error:
            message = f"the runner did not end within {deadline_s:g} s; {self._end_run()}"
            raise MeasurementError(message) from error
        except LinkLostError as error:
            raise MeasurementError(self._loss("while the runner ran", error)) from error
        self._running = Streams()
        try:
            require_started(self.name, core, done)
        except CoreRefusedError as error:
            raise self._with_offer(error, core) from error
        return done

    def printed(self) -> str:
        """Return what the last program printed before it was cut off."""
        return self._printed.stdout

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file; DeviceError when there is none."""
        with self._naming_loss(f"while {name} was checked"):
            return self.phone.sha256(self._path(name))

    def get(self, name: str) -> bytes:
        """Return the content of a file; DeviceError when there is none."""
        with self._naming_loss(f"while {name} was pulled"):
            return self.phone.pull(self._path(name))

    def read(self, paths: Sequence[str]) -> tuple[str | None, ...]:
        """Return small files of the kernel, None for those that cannot be read."""
        if not paths:
            return ()
        mark = f"@{uuid.uuid4().hex}"
        names = " ".join(shlex.quote(path) for path in paths)
        line = (
            f'for f in {names}; do if t=$(cat "$f" 2>/dev/null); then echo {mark}1; '
            f"printf '%s\\n' \"$t\"; else echo {mark}0; fi; done"
        )
        with self._naming_loss("while its clocks and sensors were read"):
            told = self.phone.shell(line).stdout.split(mark)[1:]
        texts = [one[2:] if one.startswith("1") else None for one in told]
        return tuple(texts) + (None,) * (len(paths) - len(texts))

    def stream(self, script: str) -> AbstractContextManager[Lines]:
        """Run a script in the background inside the block; when it cannot be, nothing comes."""
        return phone_stream(self.phone, self._workplace, script)

    def thermal_status(self) -> int | None:
        """Return Android's thermal status, 0 to 6; None before Android 10."""
        with self._naming_loss("while its thermal status was read"):
            return parse_thermal_status(self.phone.shell("dumpsys thermalservice").stdout)

    def cancel(self) -> None:
        """End what is under way, from another thread; only `close` works after it."""
        self.phone.link.cutter.cut()

    def close(self) -> str | None:
        """End what runs, remove the folder, undo settings; return what is left, in words."""
        self.phone.link.cutter.mend()
        left = self._remove() if self._created else []
        left += self._settings.restore()
        return "; ".join(left) or None

    def _remove(self) -> list[str]:
        """End whatever runs in the folder, then remove it."""
        try:
            self.phone.ask(self._workplace.remove_command())
        except DeviceError:
            pid = pid_in(self._running.stdout)
            running = f", where process {pid} may still run" if pid else ""
            asked = f"tcp:{self.name}" if ":" in self.name else self.name
            remedy = f"`topformer bench --clean --device {asked}` removes it"
            return [f"left on {self.name}: {self.folder}{running} ({remedy})"]
        self._created = False
        return []

    def _end_run(self) -> str:
        """End a run that did not end by itself; say what became of it."""
        pid = pid_in(self._running.stdout)
        if pid is None:
            return "its process is unknown"
        try:
            done = self.phone.shell(self._workplace.kill_command(pid))
        except DeviceError:
            return f"process {pid} may still run"
        if done.returncode != 0:
            return f"process {pid} could not be killed"
        self._running = Streams()
        return "it was killed"

    @contextmanager
    def _naming_loss(self, doing: str) -> Iterator[None]:
        try:
            yield
        except LinkLostError as error:
            raise type(error)(self._loss(doing, error)) from error

    def _loss(self, doing: str, error: LinkLostError) -> str:
        """Say what happened to the link while something was done."""
        told = isinstance(error, CutError | DeadlineError)
        return f"{error if told else what_happened(self.phone, self._boot)} {doing}"

    def _with_offer(self, error: CoreRefusedError, core: CoreUse) -> CoreRefusedError:
        other = next_core(self._cpus, core)
        offer = f"try --core {other.asked.split(',')[0]}, or any" if other else "try --core any"
        return CoreRefusedError(f"{error}; {offer}")

    def _path(self, name: str) -> PurePosixPath:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            message = f"{name!r} is no name inside {self.folder}"
            raise DeviceError(message)
        return self.folder / path
