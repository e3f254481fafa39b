"""One process on a phone: the line that starts it, and what its end means.

    cd DIR && rm -f OUT && export LD_LIBRARY_PATH=DIR &&
    exec taskset MASK sh -c 'echo "runner pid $$"; grep ...; exec ./runner ...'

adbd sends a hang-up to the process that it started, and to no other, when the link breaks: here
the runner itself. Where the phone has `timeout`, which would not pass it on, a shell waits for it
and ends the runner at a hang-up.
"""

import math
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from topformer_cli.bench.machine.cores import CoreRefusedError
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import CoreUse

GUARD_S: Final = 10.0
"""How much later than this machine the phone itself ends a hanging process."""

SIGNALS: Final = {
    4: "SIGILL: the runner uses instructions that this processor lacks",
    6: "SIGABRT: it gave up by itself, often for lack of memory",
    7: "SIGBUS: it touched memory that is not there",
    9: "SIGKILL: the phone ended it, most often for lack of memory",
    11: "SIGSEGV: it crashed; a TNN older than the model's layers does that",
}
PID_FILE: Final = "runner.pid"
NOT_STARTED: Final = (126, 127)
"""A shell's exit codes for a program that it found but could not start, or did not find."""

APPLETS: Final = ("timeout", "taskset")
"""What is used where the phone has it."""

_CORE_REFUSED: Final = re.compile(r"taskset: .*(affinity|mask)")
_PID: Final = re.compile(r"^runner pid (\d{1,9})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder on a phone and the applets that the phone has."""

    folder: PurePosixPath
    applets: Collection[str] = ()

    def command(
        self, words: Sequence[str], core: CoreUse, output: str, deadline_s: float | None = None
    ) -> str:
        """Return the line that runs a program there; an older `output` file is removed first."""
        folder = shlex.quote(str(self.folder))
        # Pid and cores are told by the very process that then becomes the runner.
        told = f'echo $$ > {PID_FILE}; echo "runner pid $$"'
        seen = "grep Cpus_allowed_list /proc/self/status"
        start = ["sh", "-c", f"{told}; {seen}; exec {shlex.join(words)}"]
        if core.mask and "taskset" in self.applets:
            start = ["taskset", core.mask, *start]
        run = f"exec {shlex.join(start)}"
        if deadline_s is not None and "timeout" in self.applets:
            guard = ["timeout", "-s", "KILL", str(math.ceil(deadline_s + GUARD_S)), *start]
            run = f"{{ trap 'kill -9 $(cat {PID_FILE})' HUP; {shlex.join(guard)} & wait $!; }}"
        parts = [
            f"cd {folder}",
            f"rm -f {shlex.quote(output)} {PID_FILE}",
            f"export LD_LIBRARY_PATH={folder}",
            run,
        ]
        return " && ".join(parts)

    def kill_command(self, pid: int) -> str:
        """Return the line that ends a process of this folder; exit code 1 when it stays.

        A number that another process got since then is left alone.
        """
        ours = f'[ "$(readlink /proc/{pid}/cwd)" = {shlex.quote(str(self.folder))} ]'
        wait = f"for i in 1 2 3 4 5 6 7 8 9 10; do {ours} || exit 0; sleep 0.1; done; exit 1"
        return f"{ours} || exit 0; kill -9 {pid}; {wait}"

    def remove_command(self) -> str:
        """Return the line that ends whatever works in the folder, then removes the folder."""
        folder = shlex.quote(str(self.folder))
        pids = r"sed -n 's#.*/proc/\([0-9]*\)/cwd -> .*#\1#p'"
        here = f"ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -F {folder} | {pids}"
        return f"for p in $({here}); do kill -9 $p 2>/dev/null; done; rm -rf {folder}"


def pid_in(stdout: str) -> int | None:
    """Return the process that a run's output names, None when it did not get so far."""
    match = _PID.search(stdout)
    return int(match[1]) if match else None


def require_started(serial: str, core: CoreUse, done: ShellResult) -> None:
    """Refuse a run that did not begin or that a signal ended; other failures are the runner's.

    Raises:
        DeviceError: it could not be started; `CoreRefusedError` when only not on this core.
        MeasurementError: a signal ended it.
    """
    reason = " ".join(done.stderr.split())
    if _CORE_REFUSED.search(done.stderr) and pid_in(done.stdout) is None:
        message = (
            f"{serial} does not let the runner stay on core {core.asked} ({reason}): the core is "
            "offline or outside the shell's cpuset"
        )
        raise CoreRefusedError(message)
    if done.returncode > 128:
        number = done.returncode - 128
        meaning = SIGNALS.get(number, "unexpected")
        message = f"the runner was ended by signal {number} ({meaning})"
        raise MeasurementError(message)
    if done.returncode in NOT_STARTED or "CANNOT LINK" in done.stderr:
        message = f"{serial} cannot start the runner: {reason}"
        raise DeviceError(message)
    if pid_in(done.stdout) is None and done.returncode != 0:
        message = f"{serial}: the folder of the measurement is not usable: {reason}"
        raise DeviceError(message)
