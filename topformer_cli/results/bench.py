"""The record of a latency measurement and everything it depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

from topformer_cli.errors import DataError

BENCH_SCHEMA: Final = 1
"""Version of the JSON form of `BenchResult`; it rises when a field changes its meaning."""

Verdict = Literal["stable", "unstable", "not pinned", "emulated", "incomplete"]


@dataclass(frozen=True, slots=True)
class CpuFacts:
    """One core: highest clock in kHz, whether it runs, and the kernel's capacity (1024 = largest).

    None is what the device does not tell.
    """

    index: int
    max_khz: int | None = None
    online: bool | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """The machine that a number comes from; None is what it does not tell, never a zero.

    kind is `host` or `phone`. machine is the kernel's own word (`uname -m`). virtual says that
    the device presents itself as an emulator.
    """

    kind: Literal["host", "phone"]
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    soc: str | None = None
    release: str | None = None
    sdk: int | None = None
    abis: tuple[str, ...] = ()
    machine: str | None = None
    kernel: str | None = None
    virtual: bool = False
    cpus: tuple[CpuFacts, ...] = ()

    @property
    def name(self) -> str:
        """The words by which a person knows the machine."""
        words = [word for word in (self.manufacturer, self.model) if word]
        return " ".join(words) or self.serial or self.kind

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild the record from its plain form."""
        cpus = tuple(CpuFacts(**cpu) for cpu in record["cpus"])
        return cls(**{**record, "abis": tuple(record["abis"]), "cpus": cpus})


@dataclass(frozen=True, slots=True)
class CoreUse:
    """Where the run was asked to stay, and where the kernel said that it was.

    asked: `prime`, `any` or a number. mask: the affinity mask in bare hexadecimal. allowed: the
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
class Round:
    """One uninterrupted row of inferences, in ms.

    samples_ms holds every inference; it is empty when the runner tells only the three figures.
    """

    iterations: int
    min_ms: float
    max_ms: float
    mean_ms: float
    samples_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What the rounds come to, in ms.

    With samples, median and p90 are of all of them. Without (TNNTest tells only min, max and
    mean per process), median is that of the rounds' means and there is no percentile. spread is
    (highest - lowest) / lowest of the rounds' centres.
    """

    median_ms: float
    p90_ms: float | None
    min_ms: float
    max_ms: float
    mean_ms: float
    spread: float


@dataclass(frozen=True, slots=True)
class BenchResult:
    """One latency and everything it depends on.

    files: name -> SHA-256 of what was run. output: where the graph ends, such as `logits at
    1/8`. covers: what lies inside the timed region. parity: the record of `Parity`, None when
    it was not checked. started: ISO 8601 time with offset.
    """

    model: str
    card: Mapping[str, Any]
    files: Mapping[str, str]
    engine: str
    engine_version: str
    device: DeviceFacts
    precision: str
    threads: int
    core: CoreUse
    input_shape: tuple[int, ...]
    output: str
    covers: str
    warmup: int
    rounds: tuple[Round, ...]
    summary: Summary | None
    verdict: Verdict
    parity: Mapping[str, float] | None
    started: str
    emulated: bool = False
    notes: tuple[str, ...] = field(default=())
    schema: int = BENCH_SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return the plain record, raw samples included."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a result from its plain record.

        Raises:
            DataError: the record has another schema version or lacks a field.
        """
        if record.get("schema") != BENCH_SCHEMA:
            message = (
                f"bench record has schema {record.get('schema')!r}, this version reads "
                f"{BENCH_SCHEMA}; measure again with `topformer bench`"
            )
            raise DataError(message)
        try:
            return cls(**{**record, **_bench_parts(record)})
        except (KeyError, TypeError) as error:
            message = f"bench record is damaged: {error}; measure again with `topformer bench`"
            raise DataError(message) from error

    def latency_statement(self) -> str:
        """Say in one line what was measured and what the number covers."""
        shape = "x".join(str(side) for side in self.input_shape)
        conditions = [
            f"{self.model} at {shape}",
            f"{self.precision}, {self.threads} thread{'s' if self.threads != 1 else ''}",
            self.core.describe(),
            f"{self.engine} on {self.device.name}",
            f"ends with {self.output}",
            self.covers,
        ]
        return f"{self._headline()}: {'; '.join(conditions)}"

    def _headline(self) -> str:
        if self.summary is None:
            return "no latency (no round was completed)"
        of_what = "median" if self.summary.p90_ms is not None else "median of round means"
        text = f"{self.summary.median_ms:.2f} ms {of_what}"
        if self.summary.p90_ms is not None:
            text += f", p90 {self.summary.p90_ms:.2f} ms"
        if self.emulated:
            return f"emulated, not a latency ({text})"
        return text if self.verdict == "stable" else f"{text} [{self.verdict}]"


def _bench_parts(record: Mapping[str, Any]) -> dict[str, Any]:
    rounds = [{**item, "samples_ms": tuple(item["samples_ms"])} for item in record["rounds"]]
    return {
        "device": DeviceFacts.from_json(record["device"]),
        "core": CoreUse(**record["core"]),
        "input_shape": tuple(record["input_shape"]),
        "rounds": tuple(Round(**item) for item in rounds),
        "summary": None if record["summary"] is None else Summary(**record["summary"]),
        "notes": tuple(record["notes"]),
    }
