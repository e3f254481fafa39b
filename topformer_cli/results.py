"""The JSON records that engine and bench write and report reads.

Plain frozen records without numpy or torch, so that a report or `--help` loads nothing heavy.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Protocol, Self

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


@dataclass(frozen=True, slots=True)
class Headline:
    """The number by which checkpoints are compared, in percent, the higher the better.

    key is its name in records and files, name the one that people read.
    """

    key: str
    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f}"


class Result(Protocol):
    """What an evaluation found, whatever the task; shares are percentages.

    weights says where the network came from, protocol how images were brought to its input.
    """

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def weights(self) -> str: ...  # noqa: D102
    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def images(self) -> int: ...  # noqa: D102
    @property
    def protocol(self) -> str: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def headline(self) -> Headline:
        """The number that decides which checkpoint is best."""
        ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The numbers of the whole split by their keys in the record."""
        ...

    def summary(self) -> str:
        """Return the scores in one line."""
        ...

    def table(self) -> "ResultTable":
        """Return what is known of each class, as text."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        ...


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Columns and rows as text, the first column a name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def percent(value: float | None) -> str:
    """Return a percentage, or a dash for what does not exist."""
    return "–" if value is None else f"{value:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """What an evaluation found; shares are percentages.

    miou averages over classes that occur (mmsegmentation's rule), miou_devkit over all classes
    with absent ones as 0 (the ADE20K devkit's). Per class, None stands for a class that occurs
    neither in labels nor in predictions. protocol names the test-time resize.
    """

    model: str
    weights: str
    dataset: str
    split: str
    images: int
    protocol: str
    classes: tuple[str, ...]
    miou: float
    miou_devkit: float
    pixel_accuracy: float
    mean_accuracy: float
    iou: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def headline(self) -> Headline:
        """The mIoU."""
        return Headline("miou", "mIoU", self.miou)

    @property
    def scores(self) -> Mapping[str, float]:
        """Both kinds of mIoU, and accuracies."""
        names = ("miou", "miou_devkit", "pixel_accuracy", "mean_accuracy")
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """Return the scores in one line."""
        return (
            f"{self.headline}   pixel accuracy {self.pixel_accuracy:.2f}   "
            f"mean accuracy {self.mean_accuracy:.2f}   mIoU by the ADE20K devkit's rule "
            f"{self.miou_devkit:.2f}"
        )

    def table(self) -> ResultTable:
        """Return IoU and accuracy by class."""
        rows = zip(self.classes, map(percent, self.iou), map(percent, self.accuracy), strict=True)
        return ResultTable(("class", "IoU", "accuracy"), tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of metrics.jsonl: means over the steps since the last one."""

    step: int
    loss: float
    lr: float
    images_per_s: float
    skipped: int

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {"kind": "step", **asdict(self)}
