"""Measure exported models on phones or on this host, and keep the records."""

import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from topformer_cli.api.bench_inputs import Given
from topformer_cli.api.bench_records import Kept, keep_session, require_place
from topformer_cli.api.exporting import write_program
from topformer_cli.api.models import Model
from topformer_cli.api.places import USUAL, Places
from topformer_cli.bench.host.engines import HOST_ENGINES
from topformer_cli.bench.host.station import HostStation
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Advance, Measurement
from topformer_cli.bench.phone.device import Phone
from topformer_cli.bench.phone.discover import choose_devices
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.programs.check import check_host_runner
from topformer_cli.bench.programs.judge import require_fit
from topformer_cli.bench.programs.store import find_runner
from topformer_cli.bench.protocol import Accelerator, Precision, Protocol
from topformer_cli.bench.runner import Runner, host_engine
from topformer_cli.bench.station import Station
from topformer_cli.cache import cache_dir
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.errors import TopformerError, UsageError, add_to, together
from topformer_cli.parity import HALF_TOLERANCE
from topformer_cli.results import BenchSession, DeviceFacts

HOST: Final = "host"

Engine = Literal["auto", "tnn", "litert", "onnxruntime", "torch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchChoices:
    """How to measure.

    devices: adb serials, `tcp:HOST:PORT`, `all`, or `host`; empty is ANDROID_SERIAL or the only
    phone. runner: a program given for it. emulator: starts that program on this host. precisions:
    a row for each; empty is fp32, and for TNN on a phone also its own choice, a usual surprise.
    """

    devices: tuple[str, ...] = ()
    engine: Engine = "auto"
    runner: Path | None = None
    emulator: str | None = None
    precisions: tuple[Precision, ...] = ()
    accelerator: Accelerator = "cpu"
    threads: int = 1
    core: str = "prime"
    mask: str | None = None
    parity: bool = True
    per_layer: bool = False
    keep_awake: bool = False
    fixed_performance: bool = False
    protocol: Protocol = field(default_factory=Protocol)
    places: Places = USUAL


@dataclass(frozen=True, slots=True)
class Target:
    """A machine that is ready, and the program that measures on it."""

    station: Station
    runner: Runner

    @property
    def format(self) -> str:
        """The format of export that its engine reads."""
        return {"TNN": "tnn", "LiteRT": "tflite"}.get(self.runner.module.ENGINE, "onnx")

    @property
    def usual_precisions(self) -> tuple[Precision, ...]:
        """What is measured where nothing was asked for."""
        phone = isinstance(self.station, PhoneStation)
        return ("fp32", "auto") if phone and self.format == "tnn" else ("fp32",)


def find_targets(choices: BenchChoices) -> tuple[Target, ...]:
    """Return the machines that are meant, each with its runner.

    Raises:
        DeviceError: a phone is not ready, or there is no runner that fits it.
        UsageError: engine and device do not go together.
    """
    if HOST in choices.devices:
        if len(choices.devices) > 1:
            message = "--device host stands alone: its numbers are not a phone's"
            raise UsageError(message)
        _require_host_choices(choices)
        return (_host(choices),)
    if choices.engine in ("onnxruntime", "torch") or choices.emulator:
        what = "--emulator" if choices.emulator else f"--engine {choices.engine}"
        message = f"{what} is for --device host"
        raise UsageError(message)
    return tuple(_phone(phone, choices) for phone in choose_devices(choices.devices))


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: an export, and the checkpoint it was made from where that is at hand."""

    artifact: Artifact
    model: Model | None = None


@dataclass(frozen=True, slots=True)
class Benched:
    """What was measured, where its record lies, and what went wrong on some of several phones."""

    session: BenchSession
    kept: Kept
    errors: tuple[TopformerError, ...] = ()


def bench(
    subjects: Sequence[Subject],
    choices: BenchChoices,
    targets: Sequence[Target],
    advance: Advance | None = None,
) -> Benched:
    """Measure exports in turns on every target, and keep the record in a run folder.

    Raises:
        TopformerError: as `Measurement.run` on a single target; rounds that were complete are kept.
    """
    require_place(choices.places)
    given = [(subject, Given.of(subject.artifact)) for subject in subjects]
    with tempfile.TemporaryDirectory(prefix="topformer-") as folder:
        measurements = [
            Measurement(
                target.station,
                list(_entrants(given, target, choices, Path(folder))),
                choices.protocol,
            )
            for target in targets
        ]
        name, places = subjects[0].artifact.name, choices.places
        try:
            errors = _measure(measurements, advance)
        except BaseException as error:
            if any(lane.rounds or lane.broken for one in measurements for lane in one.lanes):
                kept = keep_session(_merged(measurements), name, places)
                told = f"what was measured is in {kept.record}" if kept.record else kept.problem
                add_to(error, str(told))
            raise
    session = _merged(measurements)
    kept = keep_session(session, name, places)
    if kept.record is None:
        errors = (*errors, TopformerError(f"{kept.problem}; make room, or name --work-dir"))
    return Benched(session, kept, errors)


def _measure(
    measurements: Sequence[Measurement], advance: Advance | None
) -> tuple[TopformerError, ...]:
    """Run one measurement, or several at once; return what ended some of several."""
    if len(measurements) == 1:
        measurements[0].run(advance)
        return ()
    progress = _Together(advance)
    with ThreadPoolExecutor(len(measurements)) as pool:
        futures = [pool.submit(one.run, progress.of(one.station.name)) for one in measurements]
        try:
            wait(futures)
        except BaseException as stop:
            for one in measurements:
                one.station.cancel()
            wait(futures)
            for left in filter(None, (one.left for one in measurements)):
                add_to(stop, left)
            raise
    told = []
    for one, future in zip(measurements, futures, strict=True):
        error = future.exception()
        if isinstance(error, TopformerError):
            if one.station.name not in str(error):
                error.args = (f"{one.station.name}: {error}",)
            told.append(error)
        elif error is not None:
            raise error
    if len(told) == len(measurements):
        raise together(told)
    return tuple(told)


class _Together:
    """One progress for several phones: the sum of theirs."""

    def __init__(self, advance: Advance | None) -> None:
        self._advance = advance
        self._lock = threading.Lock()
        self._done: dict[str, float] = {}
        self._all: dict[str, float] = {}

    def of(self, name: str) -> Advance:
        """Return what one phone calls."""

        def report(done: float, total: float, text: str) -> None:
            with self._lock:
                self._done[name], self._all[name] = done, total
                if self._advance:
                    whole = sum(self._all.values())
                    self._advance(sum(self._done.values()), whole, f"{name} {text}")

        return report


def _merged(measurements: Sequence[Measurement]) -> BenchSession:
    sessions = [one.session() for one in measurements]
    starts = itertools.accumulate((len(one.results) for one in sessions), initial=0)
    return BenchSession(
        results=tuple(result for one in sessions for result in one.results),
        ratios=tuple(
            replace(ratio, row=start + ratio.row)
            for start, one in zip(starts, sessions, strict=False)
            for ratio in one.ratios
        ),
        finished=all(one.finished for one in sessions),
    )


def clean_devices(choices: BenchChoices) -> list[str]:
    """Remove what broken measurements left on the phones; return a line for each.

    Raises:
        DeviceError: a phone is not ready, or refuses.
    """
    if HOST in choices.devices:
        message = "--clean is for phones; give --device SERIAL"
        raise UsageError(message)
    lines = []
    for phone in choose_devices(choices.devices):
        station = PhoneStation(phone)
        removed = station.remove_remains()
        lines += [f"{phone.serial}: removed {name}" for name in removed]
        in_use = station.remains()
        lines += [f"{phone.serial}: {name} is in use" for name in in_use]
        if not removed and not in_use:
            lines.append(f"{phone.serial}: nothing of ours is left there")
    return lines


def _require_host_choices(choices: BenchChoices) -> None:
    """Refuse what only a phone has, and what goes with a program that was not given."""
    for option, is_given in (
        ("--keep-awake", choices.keep_awake),
        ("--fixed-performance", choices.fixed_performance),
        ("--accelerator gpu", choices.accelerator == "gpu"),
    ):
        if is_given:
            message = f"{option} is for a phone, not for --device host; leave it out"
            raise UsageError(message)
    if choices.emulator is not None and choices.runner is None:
        message = "--emulator starts the program of --runner PATH; give both, or leave it out"
        raise UsageError(message)


def _require_threads(choices: BenchChoices, facts: DeviceFacts) -> None:
    """Refuse more threads than a machine has cores: they only wait for one another."""
    cores = [cpu for cpu in facts.cpus if cpu.online is not False]
    if cores and choices.threads > len(cores):
        message = f"--threads {choices.threads}: {facts.name} has {len(cores)} cores online"
        raise UsageError(message)


def _host(choices: BenchChoices) -> Target:
    _require_threads(choices, HostStation().facts())
    engine = "onnxruntime" if choices.engine == "auto" and not choices.runner else choices.engine
    if engine in HOST_ENGINES:
        if choices.runner is not None:
            message = f"--runner and --engine {engine}: the runner is a TNN's; leave one out"
            raise UsageError(message)
        return Target(HostStation(), host_engine(engine))
    if choices.runner is None:
        message = (
            "--device host --engine tnn needs --runner PATH: a topformer-runner or TNNTest that "
            "this machine can start, or one for a phone with --emulator qemu-aarch64-static"
        )
        raise UsageError(message)
    return Target(HostStation(), check_host_runner(choices.runner, choices.emulator))


def _phone(phone: Phone, choices: BenchChoices) -> Target:
    engine = choices.engine if choices.engine in ("tnn", "litert") else "auto"
    station = PhoneStation(
        phone, keep_awake=choices.keep_awake, fixed_performance=choices.fixed_performance
    )
    facts = phone.facts()
    _require_threads(choices, facts)
    runner = find_runner(choices.runner, cache_dir(choices.places.cache), facts.abis, engine)
    require_fit(runner.path, facts)
    return Target(station, runner)


def _entrants(
    subjects: Sequence[tuple[Subject, Given]], target: Target, choices: BenchChoices, folder: Path
) -> Iterator[Entrant]:
    """Yield every subject in every precision."""
    for subject, one in subjects:
        artifact = subject.artifact
        file = _file(subject, target, folder)
        for precision in choices.precisions or target.usual_precisions:
            plan = BenchPlan(
                name=artifact.name,
                card=artifact.card,
                artifact=file,
                inputs=one.inputs,
                references=one.references,
                output=one.output,
                precision=precision,
                threads=choices.threads,
                core=choices.core,
                mask=choices.mask,
                accelerator=choices.accelerator,
                parity=choices.parity,
                per_layer=choices.per_layer,
                tolerance=HALF_TOLERANCE if _of_other_weights(artifact, file) else None,
            )
            yield Entrant(plan, target.runner)


def _file(subject: Subject, target: Target, folder: Path) -> Path:
    """Return the file that the target's engine runs."""
    artifact = subject.artifact
    if target.runner.kind == "torch":
        return _program(subject, folder)
    if target.format not in artifact.formats:
        message = (
            f"{artifact.path} has no {target.format} files, which {target.runner.module.ENGINE} "
            f"runs; write them with `topformer export --format {target.format}`"
        )
        raise UsageError(message)
    return artifact.main_file(target.format)


def _program(subject: Subject, folder: Path) -> Path:
    """Write the checkpoint's network as PyTorch runs it."""
    if subject.model is None:
        message = (
            f"{subject.artifact.path} is an export; --engine torch takes a run or a checkpoint"
        )
        raise UsageError(message)
    path = folder / f"{subject.artifact.name}.pt2"
    write_program(subject.model, subject.artifact.manifest.input, path)
    return path


def _of_other_weights(artifact: Artifact, file: Path) -> bool:
    """Say whether a file has other weights than the TNN files of its export, which are halves."""
    return artifact.manifest.tnn_storage == "fp16" and file.suffix != ".tnnproto"
