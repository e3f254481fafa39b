"""One measurement on a phone, from an empty folder there to no folder there.

    preflight -> push, hash on the phone -> round, output against reference (x rounds) -> remove

A round is one process of the runner. Whatever ends the run, its folder on the phone is removed;
when the link is gone the message says which folder is left.
"""

import shlex
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from topformer_cli.bench.adb import LinkLostError
from topformer_cli.bench.cores import choose_core, verify_core
from topformer_cli.bench.execution import Workplace
from topformer_cli.bench.phone import Phone
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.runner import Runner
from topformer_cli.bench.stats import judge, summarise
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.parity import Parity, agreement, counted, require
from topformer_cli.predictor import FloatArray
from topformer_cli.results import BenchResult, CoreUse, DeviceFacts, Round

WORK: Final = PurePosixPath("/data/local/tmp")
"""The only folder of a phone that its shell may both write to and execute from."""

PREFIX: Final = "topformer-"
OUTPUT_BYTES_PER_VALUE: Final = 24
"""A float as text, generously."""

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
        self._note_remains()
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
        module, protocol = self.runner.module, self.plan.protocol
        words = (f"./{self.runner.path.name}", *module.arguments(self.plan, self.runner.abi))
        workplace = Workplace(self.phone, self.folder, self.core)
        try:
            done = workplace.execute(words, module.OUTPUT_NAME, protocol.deadline_s)
            times = module.parse_round(done.stdout, done.stderr, protocol.iterations)
            self.core = verify_core(self.core, done.stdout)
            parity = self._check_output()
        except MeasurementError as error:
            raise self._broken(str(error)) from error
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

    def _note_remains(self) -> None:
        """Tell of folders that runs without an end, or without a phone at their end, have left."""
        listed = self.phone.shell(f"ls -d {WORK}/{PREFIX}*").stdout.split()
        if listed:
            self.notes.append(
                f"{len(listed)} folder(s) of other runs on {self.phone.serial}: when none is "
                f"under way, adb -s {self.phone.serial} shell 'rm -rf {WORK}/{PREFIX}*'"
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

    def _check_output(self) -> Parity:
        try:
            content = self.phone.pull(self.folder / self.runner.module.OUTPUT_NAME)
        except LinkLostError as error:
            message = f"its output could not be read ({error})"
            raise MeasurementError(message) from error
        except DeviceError as error:
            message = f"the runner printed times but wrote no output ({error})"
            raise MeasurementError(message) from error
        tensors = self.runner.module.decode_output(content)
        parity = agreement(self.plan.reference, _matching(tensors, self.plan.reference))
        engine = self.runner.module.ENGINE
        what = f"{self.plan.artifact.name} in {engine} on {self.phone.serial}"
        require(parity, what, self.plan.bound(engine))
        return parity

    def _broken(self, what: str) -> MeasurementError:
        message = f"round {len(self.rounds) + 1} of {self.plan.protocol.rounds}: {what}"
        if self.rounds:
            message += f"; {len(self.rounds)} complete before it"
        return MeasurementError(message, self.result().to_json())

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
    counting = [counted(one, reference) for one in tensors.values()]
    fitting = [one for one in counting if one.shape == reference.shape]
    return (fitting or counting)[0]
