"""One artifact with its runner on a machine: its files there, and its rounds so far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from numpy.typing import NDArray

from topformer_cli.bench.formats.run_model import INPUT_FILE, check_arguments, decode_printed
from topformer_cli.bench.machine.cores import cores_of, verify_core
from topformer_cli.bench.machine.residency import residency, residency_path
from topformer_cli.bench.plan import BenchPlan, Call
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.runner import Runner
from topformer_cli.bench.station import ShellResult, Station
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.parity import Parity, agreement, compare, require
from topformer_cli.results import CoreUse, LayerTime, Residency, Round

OUTPUT_BYTES_PER_VALUE: Final = 24
"""A float as text, generously."""

SLOWER: Final = 3.0
"""How many times longer than it was once a process may take, beside the protocol's deadline."""


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """What is measured, and the program that runs it."""

    plan: BenchPlan
    runner: Runner


@dataclass(slots=True)
class Lane:
    """An entrant on a station; `folder`, below the station's, has its files and one output.

    broken: the round in which the measurement ended, as far as it came, where that is known.
    compared: how many values of the output were compared, None for all of them.
    """

    entrant: Entrant
    station: Station
    folder: str
    core: CoreUse
    rounds: list[Round] = field(default_factory=list)
    set_aside: list[Round] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    broken: Round | None = None
    parity: Parity | None = None
    compared: int | None = None
    layers: tuple[LayerTime, ...] = ()
    tells: Mapping[str, Any] = field(default_factory=dict)
    _profiled: bool = False
    _proof: Round | None = None
    _digest: str = ""

    @property
    def payload(self) -> int:
        """How many bytes model and input have."""
        module, plan = self.entrant.runner.module, self.entrant.plan
        model = sum(path.stat().st_size for path in module.model_files(plan.artifact))
        return model + len(module.encode_input(plan.inputs))

    @property
    def output_bytes(self) -> int:
        """How large the output file may become."""
        return OUTPUT_BYTES_PER_VALUE * sum(one.size for one in self.entrant.plan.references)

    @property
    def checked(self) -> bool:
        """Whether the output is held against the reference."""
        runner = self.entrant.runner
        known = runner.module.WRITES_OUTPUT or runner.checker is not None
        return self.entrant.plan.parity and known

    @property
    def unchecked(self) -> str | None:
        """Why the output is not held against the reference, None when it is."""
        if self.checked:
            return None
        if not self.entrant.plan.parity:
            return "the output was not checked, as was asked for"
        kind = self.entrant.runner.kind
        return f"{kind} writes no output, so that nothing shows that it computes the right thing"

    @property
    def same_as_fp32(self) -> str | None:
        """Say so where the engine's own choice of precision leaves it nothing to choose."""
        if self.entrant.plan.precision == "auto" and self.tells.get("fp16_kernels") is False:
            return "this build of TNN has no fp16 kernels, so that auto is fp32 again"
        return None

    @property
    def without_layers(self) -> str | None:
        """Say so where the times of layers were asked for and the runner cannot tell them."""
        if self._profiled and not self.layers:
            return "no times of layers: the runner's engine was built without its profiler"
        return None

    @property
    def remarks(self) -> tuple[str | None, ...]:
        """What is to be known of its result beside the figures."""
        return self.unchecked, self.same_as_fp32, self.without_layers, self.began_warm

    @property
    def began_warm(self) -> str | None:
        """Say so where the pause before a round ended before the processor was cool."""
        warm = sum(one.cooled is False for one in self.rounds)
        if not warm:
            return None
        return (
            f"{warm} of {len(self.rounds)} rounds began warmer than asked for: the pauses were too "
            "short for this phone (--cool-seconds)"
        )

    def parity_record(self) -> dict[str, float] | None:
        """Return how far the output lies from the reference.

        Without labels where not all values came, and where there are none.
        """
        if self.parity is None:
            return None
        record: dict[str, float] = self.parity.to_json()
        if self.compared is not None:
            record = {"values": self.compared, **record}
        if self.compared is not None or self.parity.labels_equal is None:
            del record["labels_equal"]
        return record

    def put(self) -> None:
        """Bring model and input, each verified there.

        Raises:
            DeviceError: something did not arrive.
        """
        module, plan = self.entrant.runner.module, self.entrant.plan
        for path in module.model_files(plan.artifact):
            self.files[path.name] = self.station.put(path, f"{self.folder}/{path.name}")
        self.station.put(module.encode_input(plan.inputs), f"{self.folder}/{INPUT_FILE}")

    def prove(self, protocol: Protocol) -> None:
        """Run a few inferences for their output, and to know how long one takes.

        Raises:
            ParityError: the output differs from the reference.
            MeasurementError: the runner crashed, hung, or wrote no output.
        """
        call = self._call(warmup=min(protocol.warmup, 1), iterations=1)
        done, self._proof = self._run(call, protocol.deadline_s)
        self.tells = self.entrant.runner.module.tells(done)
        if self.checked and self.entrant.runner.module.WRITES_OUTPUT:
            self._check_output()
        elif self.checked:
            self._check_printed(call, protocol.deadline_s)

    def compute(self, inputs: NDArray[Any], deadline_s: float) -> list[NDArray[Any]]:
        """Return the outputs for other inputs of the plan's shape, by one inference.

        Raises:
            MeasurementError: the runner crashed, hung, or wrote no output.
            DeviceError: something did not arrive.
        """
        module = self.entrant.runner.module
        self.station.put(module.encode_input(inputs), f"{self.folder}/{INPUT_FILE}")
        self._run(self._call(warmup=0, iterations=1), deadline_s)
        return module.fitting_outputs(self._output(), self.entrant.plan.references)

    def round(self, protocol: Protocol, *, warm: bool = True) -> Round:
        """Run one process of the protocol; its output must still be the one that was proven.

        Raises:
            MeasurementError: it crashed, hung, printed no times, or the machine went away.
            ParityError: its output differs from the reference.
        """
        call = self._call_of(protocol, warm=warm)
        paths = [call.residency] if call.residency else []
        before = self.station.read(paths)
        try:
            done, measured = self._run(call, protocol.deadline_s + self._expected_s(call))
        except BaseException:
            self.broken = self.entrant.runner.module.parse_partial(self.station.printed())
            raise
        if measured.residency is None:
            after = self.station.read(paths)
            measured = replace(measured, residency=_between(before, after))
        self.core = verify_core(self.core, done.stdout)
        if self._digest and self.station.digest(call.output) != self._digest:
            self._check_output()
        return measured

    def profile(self, protocol: Protocol) -> None:
        """Run once more for the times of the layers, apart from the rounds that count."""
        call = replace(self._call_of(protocol, warm=True), per_layer=True)
        done, _ = self._run(call, protocol.deadline_s + self._expected_s(call))
        self.layers = self.entrant.runner.module.parse_layers(done)
        self._profiled = True

    def _run(self, call: Call, deadline_s: float) -> tuple[ShellResult, Round]:
        module, runner = self.entrant.runner.module, self.entrant.runner
        words = (*runner.words, *module.arguments(call))
        done = self.station.run(words, self.core, call.output, deadline_s)
        return done, module.parse_round(done, call)

    def _call(self, *, warmup: int, iterations: int) -> Call:
        plan, runner = self.entrant.plan, self.entrant.runner
        return Call(
            model=f"{self.folder}/{plan.artifact.name}",
            input=f"{self.folder}/{INPUT_FILE}",
            output=f"{self.folder}/output",
            abi=runner.abi,
            precision=plan.precision,
            threads=plan.threads,
            accelerator=plan.accelerator,
            warmup=warmup,
            iterations=iterations,
            shape=plan.inputs.shape,
            residency=_residency_path(self.core),
        )

    def _call_of(self, protocol: Protocol, *, warm: bool) -> Call:
        """Return the call for a round; a runner that only counts gets its times as counts."""
        call = self._call(warmup=protocol.warmup, iterations=protocol.iterations)
        warmup_s = protocol.warmup_s if warm else 0.0
        if self.entrant.runner.module.KEEPS_TIME:
            return replace(call, warmup_s=warmup_s, seconds=protocol.round_s)
        return replace(
            call,
            warmup=max(call.warmup, self._inferences_in(warmup_s)),
            iterations=max(call.iterations, self._inferences_in(protocol.round_s)),
        )

    def _inferences_in(self, seconds: float) -> int:
        centre_ms = self._proof.centre_ms if self._proof else 0.0
        return math.ceil(seconds * 1000 / centre_ms) if centre_ms > 0 else 0

    def _expected_s(self, call: Call) -> float:
        centre_ms = self._proof.centre_ms if self._proof else 0.0
        counted_s = (call.warmup + call.iterations) * centre_ms / 1000
        return SLOWER * max(counted_s, call.warmup_s + call.seconds)

    def _output(self) -> bytes:
        try:
            return self.station.get(f"{self.folder}/output")
        except DeviceError as error:
            message = f"the runner ended but its output could not be read ({error})"
            raise MeasurementError(message) from error

    def _check_output(self) -> None:
        plan, module = self.entrant.plan, self.entrant.runner.module
        content = self._output()
        self._digest = self.station.digest(f"{self.folder}/output")
        given = module.fitting_outputs(content, plan.references)
        for reference, output in zip(plan.references, given, strict=True):
            self._hold(agreement(reference, output, classes=not plan.detects))

    def _check_printed(self, call: Call, deadline_s: float) -> None:
        """Let the runner's checker print the output, and compare what it prints."""
        runner, plan = self.entrant.runner, self.entrant.plan
        assert runner.checker is not None
        words = (*runner.starter, f"./{runner.checker.name}", *check_arguments(call))
        done = self.station.run(words, self.core, call.output, deadline_s)
        [reference] = plan.references
        printed, wanted = decode_printed(done, reference)
        self.compared = printed.size
        self._hold(compare(wanted, printed, class_axis=0))

    def _hold(self, parity: Parity) -> None:
        """Keep the worst parity, and refuse what lies beyond the bound."""
        plan, engine = self.entrant.plan, self.entrant.runner.module.ENGINE
        if self.parity is None or parity.relative > self.parity.relative:
            self.parity = parity
        what = f"{plan.artifact.name} in {engine} on {self.station.name}"
        require(parity, what, plan.bound(engine))


def _residency_path(core: CoreUse) -> str | None:
    """Return where the kernel counts the time at each clock of the core, if it is one core."""
    cores = cores_of(core.mask) if core.mask is not None else set()
    return residency_path(cores.pop()) if len(cores) == 1 else None


def _between(before: tuple[str | None, ...], after: tuple[str | None, ...]) -> Residency | None:
    texts = (*before, *after)
    return residency(*texts, "process") if len(texts) == 2 else None
