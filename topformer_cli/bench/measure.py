"""One measurement on a phone, from an empty folder there to no folder there.

    preflight -> push, hash on the phone -> round, output against reference (x rounds) -> remove

A round is one process of the runner. Whatever ends the run, its folder on the phone is removed;
when the link is gone the message says which folder is left.
"""

import re
import shlex
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from topformer_cli.bench.adb import DeadlineError, LinkLostError, ShellResult
from topformer_cli.bench.cores import choose_core, verify_core
from topformer_cli.bench.phone import Phone
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.runner import Runner
from topformer_cli.bench.stats import judge, summarise
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.parity import Parity, compare, require
from topformer_cli.predictor import FloatArray
from topformer_cli.results import BenchResult, CoreUse, DeviceFacts, Round

WORK: Final = PurePosixPath("/data/local/tmp")
"""The only folder of a phone that its shell may both write to and execute from."""

PREFIX: Final = "topformer-"
OUTPUT_BYTES_PER_VALUE: Final = 24
"""A float as text, generously."""

SIGNALS: Final = {
    4: "SIGILL: the runner uses instructions that this processor lacks",
    6: "SIGABRT: it gave up by itself, often for lack of memory",
    7: "SIGBUS: it touched memory that is not there",
    9: "SIGKILL: the phone ended it, most often for lack of memory",
    11: "SIGSEGV: it crashed; a TNN older than the model's layers does that",
}
Advance = Callable[[int, int], None]
"""Called after each round with the rounds done and the rounds in all."""


def measure_phone(
    plan: BenchPlan, phone: Phone, runner: Runner, advance: Advance | None = None
) -> BenchResult:
    """Measure an exported model on a phone and check its output against the reference.

    Raises:
        DeviceError: the phone, the runner or a transfer failed before anything ran.
        DataError: the artifact is not one that the runner reads.
        ParityError: the output differs from the reference.
        MeasurementError: the runner crashed, hung or lost its phone; `partial` has the rounds
            that were complete.
    """
    run = PhoneRun(plan, phone, runner)
    try:
        run.prepare()
        for index in range(plan.protocol.rounds):
            run.round()
            if advance:
                advance(index + 1, plan.protocol.rounds)
    except BaseException as error:
        if left := run.remove():
            error.args = (f"{error}; {left}",)
        raise
    if left := run.remove():
        run.notes.append(left)
    return run.result()


class PhoneRun:
    """The folder of one run on the phone, its rounds so far, and how to leave no trace."""

    def __init__(self, plan: BenchPlan, phone: Phone, runner: Runner) -> None:
        self.plan = plan
        self.phone = phone
        self.runner = runner
        self.folder = WORK / f"{PREFIX}{uuid.uuid4()}"
        self.facts = DeviceFacts(kind="phone", serial=phone.serial)
        self.core = CoreUse(asked=plan.core)
        self.rounds: list[Round] = []
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self.parity: Parity | None = None
        self.started = datetime.now().astimezone().isoformat(timespec="seconds")
        self._created = False

    def prepare(self) -> None:
        """Check phone and space, then push runner, model and input, each verified there.

        Raises:
            DeviceError: something does not fit or did not arrive; nothing has run.
        """
        model = self.runner.module.model_files(self.plan.artifact)
        self.facts = self.phone.facts()
        if self.runner.abi not in self.facts.abis:
            known = ", ".join(self.facts.abis) or "an unknown ABI"
            message = (
                f"{self.runner.path} is built for {self.runner.abi}, "
                f"{self.phone.serial} runs {known}"
            )
            raise DeviceError(message)
        self.core = choose_core(self.facts.cpus, self.plan.core)
        inputs = self.runner.module.encode_input(self.plan.inputs)
        programs = (self.runner.path, *self.runner.libraries)
        payload = len(inputs) + sum(path.stat().st_size for path in (*model, *programs))
        self._require_space(payload)
        self._created = True
        self.phone.ask(f"mkdir {self.folder}")
        for path in programs:
            self.phone.push(path, self.folder / path.name, 0o755)
        for path in model:
            self.files[path.name] = self.phone.push(path, self.folder / path.name)
        self.phone.push(inputs, self.folder / self.runner.module.INPUT_NAME)
        self.phone.ask(f"chmod 755 {shlex.quote(str(self.folder / self.runner.path.name))}")

    def round(self) -> None:
        """Run one process of the runner, check its output, and keep its times.

        Raises:
            MeasurementError: it crashed, hung, printed no times, or the phone went away.
            ParityError: its output differs from the reference.
        """
        number = len(self.rounds) + 1
        try:
            done = self._run()
            self._require_success(done)
            iterations = self.plan.protocol.iterations
            times = self.runner.module.parse_round(done.stdout, done.stderr, iterations)
            self.core = verify_core(self.core, done.stdout)
            parity = self._check_output()
        except LinkLostError as error:
            raise self._broken(number, self._what_broke(error)) from error
        except MeasurementError as error:
            raise self._broken(number, str(error)) from error
        self.rounds.append(times)
        if self.parity is None or parity.relative > self.parity.relative:
            self.parity = parity

    def remove(self) -> str | None:
        """Remove the run's folder from the phone; return what to say when that failed."""
        if not self._created:
            return None
        try:
            self.phone.ask(f"rm -rf {self.folder}")
        except DeviceError:
            return f"left on {self.phone.serial}: {self.folder}"
        self._created = False
        return None

    def result(self) -> BenchResult:
        """Return the record of the rounds so far."""
        summary = summarise(self.rounds)
        complete = len(self.rounds) == self.plan.protocol.rounds
        emulated = self._why_emulated()
        notes = [*([emulated] if emulated else []), *self.notes]
        return BenchResult(
            model=self.plan.name,
            card=dict(self.plan.card),
            files=self.files,
            engine=self.runner.module.ENGINE,
            engine_version=self.runner.version,
            device=self.facts,
            precision=self.plan.precision,
            threads=self.plan.threads,
            core=self.core,
            input_shape=self.plan.inputs.shape,
            output=self.plan.output,
            covers=self.runner.module.COVERS,
            warmup=self.plan.protocol.warmup,
            rounds=tuple(self.rounds),
            summary=summary,
            verdict=judge(summary, self.core, bool(emulated), complete),
            parity=self.parity.to_json() if self.parity else None,
            started=self.started,
            emulated=bool(emulated),
            notes=tuple(notes),
        )

    def _require_space(self, payload: int) -> None:
        """Refuse a phone without room for twice the payload: the output is text and large."""
        free = self.phone.free_bytes(WORK)
        needed = 2 * payload + OUTPUT_BYTES_PER_VALUE * self.plan.reference.size
        if free is not None and free < needed:
            message = (
                f"{self.phone.serial} has {free / 1e6:.1f} MB free in {WORK}, the run needs "
                f"{needed / 1e6:.1f} MB; make room there"
            )
            raise DeviceError(message)

    def _run(self) -> ShellResult:
        words = (
            f"./{self.runner.path.name}",
            *self.runner.module.arguments(self.plan, self.runner.abi),
        )
        program = " ".join(shlex.quote(word) for word in words)
        # The kernel's view is read in the very process that then becomes the runner.
        seen = f"grep Cpus_allowed_list /proc/self/status; exec {program}"
        pinned = f"taskset {self.core.mask} sh -c {shlex.quote(seen)}"
        parts = [
            f"cd {self.folder}",
            f"rm -f {self.runner.module.OUTPUT_NAME}",
            f"export LD_LIBRARY_PATH={self.folder}",
            'echo "runner pid $$"',
            f"exec {pinned if self.core.mask else program}",
        ]
        return self.phone.shell(" && ".join(parts), self.plan.protocol.deadline_s)

    def _require_success(self, done: ShellResult) -> None:
        if "taskset:" in done.stderr and "Cpus_allowed_list" not in done.stdout:
            message = (
                f"{self.phone.serial} does not let the runner stay on core {self.core.asked}: "
                f"{done.stderr.strip()}; it may be outside the shell's cpuset, try another core "
                "or any"
            )
            raise DeviceError(message)
        if done.returncode > 128:
            number = done.returncode - 128
            message = (
                f"the runner was ended by signal {number} ({SIGNALS.get(number, 'unexpected')})"
            )
            raise MeasurementError(message)
        if done.returncode in (126, 127) or "CANNOT LINK" in done.stderr:
            message = f"{self.phone.serial} cannot start the runner: {done.stderr.strip()}"
            raise DeviceError(message)

    def _check_output(self) -> Parity:
        try:
            content = self.phone.pull(self.folder / self.runner.module.OUTPUT_NAME)
        except LinkLostError:
            raise
        except DeviceError as error:
            message = f"the runner printed times but wrote no output ({error})"
            raise MeasurementError(message) from error
        tensors = self.runner.module.decode_output(content)
        parity = compare(self.plan.reference, _matching(tensors, self.plan.reference))
        engine = self.runner.module.ENGINE
        what = f"{self.plan.artifact.name} in {engine} on {self.phone.serial}"
        require(parity, what, self.plan.bound(engine))
        return parity

    def _what_broke(self, error: LinkLostError) -> str:
        if isinstance(error, DeadlineError):
            self._kill(error.stdout)
            return (
                f"the runner did not end within {self.plan.protocol.deadline_s:g} s and was killed"
            )
        state = self.phone.state()
        if state != "device":
            return f"{self.phone.serial} went away while the runner ran (it is {state} now)"
        return f"the connection broke before the runner's exit code came ({error})"

    def _kill(self, stdout: str) -> None:
        """End a hanging runner; adbd does that itself when a shell's connection closes."""
        match = re.search(r"^runner pid (\d+)$", stdout, re.MULTILINE)
        if match is None:
            return
        try:
            self.phone.shell(f"kill -9 {match[1]}")
        except DeviceError:
            self.notes.append(f"process {match[1]} may still run on {self.phone.serial}")

    def _broken(self, number: int, what: str) -> MeasurementError:
        message = f"round {number} of {self.plan.protocol.rounds}: {what}"
        if self.rounds:
            message += f"; {len(self.rounds)} complete before it"
        return MeasurementError(message, self.result())

    def _why_emulated(self) -> str | None:
        machine = self.facts.machine
        if machine and _family(machine) != _family(self.runner.abi):
            return (
                f"emulated: the runner is {self.runner.abi}, the kernel {machine}; "
                "the times are those of the emulator"
            )
        if self.facts.virtual:
            return "emulated: the device presents itself as an Android emulator"
        return None


def _family(machine: str) -> str:
    return "arm" if machine.startswith(("arm", "aarch64")) else "x86"


def _matching(tensors: dict[str, FloatArray], reference: FloatArray) -> FloatArray:
    fitting = [one for one in tensors.values() if one.shape == reference.shape]
    return (fitting or list(tensors.values()))[0]
