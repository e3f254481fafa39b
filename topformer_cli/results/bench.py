"""The record of a latency measurement and everything it depends on."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

from topformer_cli.errors import DataError
from topformer_cli.results.device import DeviceFacts

BENCH_SCHEMA: Final = 2
"""Version of the JSON form of these records; it rises when a field changes its meaning."""

Verdict = Literal["stable", "unstable", "throttled", "not pinned", "emulated", "incomplete"]
MAGIC: Final = "topformer bench"


@dataclass(frozen=True, slots=True)
class CoreUse:
    """Where the run was asked to stay, and where the kernel said that it was.

    asked: such as `7, prime` or `any`. mask: the affinity mask in bare hexadecimal. allowed: the
    kernel's Cpus_allowed_list of the runner's process. verified: None when it could not be read.
    """

    asked: str
    mask: str | None = None
    allowed: str | None = None
    verified: bool | None = None

    def describe(self) -> str:
        """Say it in a few words."""
        if self.mask is None:
            return "any core" if self.asked == "any" else f"core {self.asked} asked, not pinned"
        where = f"core {self.asked} (mask {self.mask}"
        state = {True: "verified", False: f"but ran on {self.allowed}", None: "not verified"}
        return f"{where}, {state[self.verified]})"


@dataclass(frozen=True, slots=True)
class Residency:
    """How long the clock of the core stood at each frequency: pairs of kHz and ms.

    covers: `timed` when it was read by the runner around the timed inferences, `process` when it
    was read from outside and so holds loading and warm-up, too.
    Source: the kernel's cpufreq/stats/time_in_state.
    """

    times: tuple[tuple[int, int], ...]
    covers: Literal["timed", "process"]

    def share_at(self, khz: int) -> float | None:
        """Return the share of the time at this frequency or above, None when no time passed."""
        total = sum(ms for _, ms in self.times)
        return sum(ms for at, ms in self.times if at >= khz) / total if total else None


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the machine while it runs; at_s is seconds since it was started.

    khz, limit_khz: clock of the core and the highest that it may take at the moment. celsius: the
    hottest of the CPU's sensors. cooling: highest state of the CPU's cooling devices, 0 for none.
    """

    at_s: float
    khz: int | None = None
    limit_khz: int | None = None
    celsius: float | None = None
    cooling: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One uninterrupted row of inferences, times in ms; what the runner does not tell is None.

    samples_ms holds every inference, conversion of input and output inside; it is empty when the
    runner tells only figures. forward_ms: the forward pass alone of the same inferences. first_ms:
    the very first inference. peak_kb: most memory that the process held. started_s: start of the
    first timed inference, in seconds since the machine was started. waited_s: how long it cooled
    before. cooled: whether it came down to the temperature that was asked for. throttled: why this
    round counts as slowed down by heat. crowded: share of the timed region in which it could have
    run and other programs had its core.
    """

    iterations: int
    min_ms: float
    max_ms: float
    mean_ms: float
    samples_ms: tuple[float, ...] = ()
    median_ms: float | None = None
    forward_ms: tuple[float, ...] = ()
    load_ms: float | None = None
    first_ms: float | None = None
    peak_kb: int | None = None
    started_s: float | None = None
    waited_s: float = 0.0
    cooled: bool | None = None
    residency: Residency | None = None
    readings: tuple[Reading, ...] = ()
    throttled: str | None = None
    crowded: float | None = None

    @property
    def median(self) -> float | None:
        """The median of the round in ms, None where the runner tells no such thing."""
        if self.median_ms is None:
            return statistics.median(self.samples_ms) if self.samples_ms else None
        return self.median_ms

    @property
    def centre_ms(self) -> float:
        """The median of the round, or its mean where the runner tells no more."""
        return self.mean_ms if self.median is None else self.median


@dataclass(frozen=True, slots=True)
class Summary:
    """What the rounds come to, in ms; no inference is left out.

    of: what the figures are taken of; all inferences where the runner tells them, else the
    rounds' medians or means, and then there are no percentiles. low_ms, high_ms: interval of the
    median by order statistics, at the confidence level given. spread: (highest - lowest) / lowest
    of the rounds' centres. mad_ms: median absolute deviation. forward_ms: median of the forward
    pass alone. load_ms, first_ms: medians over the rounds. peak_kb: the highest of them.
    """

    of: Literal["inferences", "round medians", "round means"]
    count: int
    median_ms: float
    low_ms: float
    high_ms: float
    confidence: float
    min_ms: float
    max_ms: float
    mean_ms: float
    spread: float
    sd_ms: float | None = None
    mad_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    forward_ms: float | None = None
    load_ms: float | None = None
    first_ms: float | None = None
    peak_kb: int | None = None


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Mean time of one layer in ms, in the order of the network, by the engine's profiler."""

    name: str
    type: str
    ms: float


@dataclass(frozen=True, slots=True)
class RunnerFacts:
    """The program that ran the network.

    kind: its name. linkage: `static`, `bionic` or `host`. abi: of the phone, or the processor.
    sha256: of the program. origin: version, commit or address that it tells of itself.
    """

    kind: str
    linkage: str
    abi: str
    sha256: str
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One latency and everything it depends on.

    files: name -> SHA-256 of what was run. output: where the graph ends, such as `logits at
    1/8`. covers: what lies inside the timed region. context: `shell`; an app differs. parity: the
    record of `Parity`, None when it was not checked. engine_facts: what else the engine tells,
    such as how many operators an accelerator took. protocol: the record of bench's `Protocol`.
    reasons: why the verdict is not `stable`. set_aside: throttled rounds that were repeated.
    broken: the round in which a measurement ended too early, as far as it came; in no figure.
    started: ISO 8601 time with offset.
    """

    model: str
    card: Mapping[str, Any]
    files: Mapping[str, str]
    engine: str
    engine_version: str
    runner: RunnerFacts
    device: DeviceFacts
    precision: str
    threads: int
    core: CoreUse
    input_shape: tuple[int, ...]
    output: str
    covers: str
    protocol: Mapping[str, Any]
    rounds: tuple[Round, ...]
    summary: Summary | None
    verdict: Verdict
    parity: Mapping[str, float] | None
    started: str
    accelerator: str = "cpu"
    context: str = "shell"
    emulated: bool = False
    reasons: tuple[str, ...] = ()
    set_aside: tuple[Round, ...] = ()
    broken: Round | None = None
    layers: tuple[LayerTime, ...] = ()
    engine_facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The words that tell this row from the others of its session."""
        words = [self.model, self.engine, self.precision]
        if self.accelerator != "cpu":
            words.append(self.accelerator)
        return " ".join(words)

    @property
    def conditions(self) -> str:
        """What was measured and what the number covers, in one line."""
        shape = "x".join(str(side) for side in self.input_shape)
        told = [
            f"{self.model} at {shape}",
            f"{self.precision}, {self.threads} thread{'s' if self.threads != 1 else ''}",
            self.core.describe() if self.accelerator == "cpu" else self.accelerator,
            f"{self.engine} on {self.device.name}",
            f"ends with {self.output}",
            self.covers,
        ]
        return "; ".join(told)

    @property
    def doubt(self) -> str:
        """The verdict with its reasons; nothing where it is `stable` or has none."""
        if self.verdict == "stable" or not self.reasons:
            return ""
        return f"{self.verdict} ({'; '.join(self.reasons)})"

    def latency_statement(self) -> str:
        """Say in one line what was measured and what the number covers."""
        return f"{self.headline()}: {self.conditions}"

    def headline(self) -> str:
        """Say the number with as much trust as it deserves."""
        if self.summary is None:
            return "no latency (no round was completed)"
        of_what = {
            "inferences": "median",
            "round medians": "median of round medians",
            "round means": "median of round means",
        }
        text = f"{self.summary.median_ms:.2f} ms {of_what[self.summary.of]}"
        if self.summary.p90_ms is not None:
            text += f", p90 {self.summary.p90_ms:.2f} ms"
        if self.emulated:
            return f"emulated, not a latency ({text})"
        return text if self.verdict == "stable" else f"{text} [{self.verdict}]"


@dataclass(frozen=True, slots=True)
class Ratio:
    """How long one artifact takes in units of another, measured in turns in the same rounds.

    value: median of the rounds' ratios; low, high: its interval by order statistics at the
    confidence level given. row: the place of its result among those of the session, which tells
    it from that of another device with the same labels.
    """

    of: str
    to: str
    value: float
    low: float
    high: float
    confidence: float
    row: int = 0


@dataclass(frozen=True, slots=True)
class BenchSession:
    """All that one `topformer bench` measured: a result for each artifact, device and precision."""

    results: tuple[BenchResult, ...]
    ratios: tuple[Ratio, ...] = ()
    finished: bool = True
    kind: str = MAGIC
    schema: int = BENCH_SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return the plain record, raw samples included."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a session from its plain record.

        Raises:
            DataError: the record is no such record, of another schema version, or damaged.
        """
        from pydantic import TypeAdapter, ValidationError

        found = record.get("schema") if record.get("kind") == MAGIC else None
        if found != BENCH_SCHEMA:
            message = (
                f"no bench record of schema {BENCH_SCHEMA} (found {found!r}); "
                "measure again with `topformer bench`"
            )
            raise DataError(message)
        try:
            return TypeAdapter(cls).validate_python(dict(record))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = (
                f"bench record is damaged: {where}: {first['msg']}; "
                "measure again with `topformer bench`"
            )
            raise DataError(message) from error
