"""One process on the phone: started on its core, ended by itself or for a reason that is told."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from topformer_cli.bench.adb import DeadlineError, LinkLostError, ShellResult
from topformer_cli.bench.phone import Phone
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import CoreUse

SIGNALS: Final = {
    4: "SIGILL: the runner uses instructions that this processor lacks",
    6: "SIGABRT: it gave up by itself, often for lack of memory",
    7: "SIGBUS: it touched memory that is not there",
    9: "SIGKILL: the phone ended it, most often for lack of memory",
    11: "SIGSEGV: it crashed; a TNN older than the model's layers does that",
}
NOT_STARTED: Final = (126, 127)
"""A shell's exit codes for a program that it found but could not start, or did not find."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder on a phone, and the core on which programs run there."""

    phone: Phone
    folder: PurePosixPath
    core: CoreUse

    def execute(self, words: Sequence[str], output: str, deadline_s: float) -> ShellResult:
        """Run a program of the folder to its end; an older `output` file is removed first.

        What is returned may still be a failed run: the exit code of a runner is its own affair.

        Raises:
            DeviceError: it could not be started, or not on this core.
            MeasurementError: a signal or the deadline ended it, or the phone went away.
        """
        command = self._command(words, output)
        try:
            done = self.phone.shell(command, deadline_s)
        except DeadlineError as error:
            message = f"the runner did not end within {deadline_s:g} s {self._kill(error.stdout)}"
            raise MeasurementError(message) from error
        except LinkLostError as error:
            raise MeasurementError(self._what_broke(error)) from error
        self._require_started(done)
        return done

    def _command(self, words: Sequence[str], output: str) -> str:
        program = shlex.join(words)
        # The kernel's view is read in the very process that then becomes the runner.
        seen = f"grep Cpus_allowed_list /proc/self/status; exec {program}"
        pinned = f"taskset {self.core.mask} sh -c {shlex.quote(seen)}"
        parts = [
            f"cd {self.folder}",
            f"rm -f {output}",
            f"export LD_LIBRARY_PATH={self.folder}",
            'echo "runner pid $$"',
            f"exec {pinned if self.core.mask else program}",
        ]
        return " && ".join(parts)

    def _kill(self, stdout: str) -> str:
        """End a hanging runner; adbd does so itself when the shell's connection closes."""
        match = re.search(r"^runner pid (\d+)$", stdout, re.MULTILINE)
        if match is None:
            return "and its process is unknown"
        try:
            self.phone.shell(f"kill -9 {match[1]}")
        except DeviceError:
            return f"and process {match[1]} may still run there"
        return "and was killed"

    def _what_broke(self, error: LinkLostError) -> str:
        state = self.phone.state()
        if state != "device":
            return f"{self.phone.serial} went away while the runner ran (it is {state} now)"
        return f"the connection broke before the runner's exit code came ({error})"

    def _require_started(self, done: ShellResult) -> None:
        reason = " ".join(done.stderr.split())
        if "taskset:" in done.stderr and "Cpus_allowed_list" not in done.stdout:
            message = (
                f"{self.phone.serial} does not let the runner stay on core {self.core.asked}: "
                f"{reason}; it may be outside the shell's cpuset, try another core or any"
            )
            raise DeviceError(message)
        if done.returncode > 128:
            number = done.returncode - 128
            meaning = SIGNALS.get(number, "unexpected")
            message = f"the runner was ended by signal {number} ({meaning})"
            raise MeasurementError(message)
        if done.returncode in NOT_STARTED or "CANNOT LINK" in done.stderr:
            message = f"{self.phone.serial} cannot start the runner: {reason}"
            raise DeviceError(message)
