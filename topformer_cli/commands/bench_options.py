"""How `bench` and `sweep` measure: their common options, as one record."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from topformer_cli.bench.protocol import AUTHORS_PROTOCOL, CORES, Protocol
from topformer_cli.commands import options

if TYPE_CHECKING:
    from topformer_cli.api.benching import BenchChoices, Engine
    from topformer_cli.api.places import Places
    from topformer_cli.bench.protocol import Accelerator, Precision

Command = TypeVar("Command", bound=Callable[..., Any])
DAY_S: Final = 86400.0
UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
TORCH_DEVICES: Final = ("cpu", "cuda", "mps", "auto")
MLPERF_SAMPLES, MLPERF_SECONDS = 1024, 60.0


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time such as 90, 90s, 10m or 1h."""

    name = "10m"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r}: expected a time such as 90s, 10m or 1h", param, ctx)
        seconds = float(match[1]) * UNITS[match[2]]
        if seconds > DAY_S:
            self.fail(f"{value!r}: a day (24h) is the longest", param, ctx)
        return seconds


class Devices(click.ParamType):  # type: ignore[type-arg]
    """Serials or addresses, separated by commas."""

    name = "SERIAL[,...]|tcp:HOST:PORT|all|host"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the devices; explain a torch device, and refuse a list that names none."""
        devices = tuple(one.strip() for one in value.split(","))
        if "" in devices:
            self.fail(f"{value!r}: an empty name; see `adb devices` for serials", param, ctx)
        names = [one.removeprefix("tcp:") for one in devices]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            self.fail(f"{value!r} names {', '.join(doubled)} more than once", param, ctx)
        if "all" in devices and len(devices) > 1:
            self.fail(f"{value!r}: `all` stands alone", param, ctx)
        for one in devices:
            if one.startswith("tcp:") and not _is_address(one.removeprefix("tcp:")):
                self.fail(f"{one!r}: expected tcp:HOST:PORT, as in tcp:phone:5555", param, ctx)
            if one.split(":")[0] in TORCH_DEVICES:
                self.fail(
                    f"{one!r} is a torch device; bench takes an adb serial, `all`, or `host` "
                    "(this machine's processor)",
                    param,
                    ctx,
                )
        return devices


def _is_address(text: str) -> bool:
    match = re.fullmatch(r"\S+:([0-9]{1,5})", text)
    return match is not None and 0 < int(match[1]) < 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """The options as they were given; None is one that was left out."""

    device: tuple[str, ...] | None
    engine: "Engine" = "auto"
    accelerator: "Accelerator"
    runner: Path | None
    emulator: str | None
    precision: tuple["Precision", ...]
    threads: int
    core: str | None
    mask: str | None
    warmup: int | None
    warmup_seconds: float | None
    rounds: int | None
    iterations: int | None
    seconds: float | None
    cool_seconds: float | None
    mlperf: bool
    sustained: float | None
    retry_throttled: int
    reproduce_paper: bool
    parity: bool
    per_layer: bool
    keep_awake: bool
    fixed_performance: bool

    def choices(self, places: "Places") -> "BenchChoices":
        """Return what was asked for, with the defaults of the protocol that was named.

        Raises:
            UsageError: two options exclude each other.
        """
        from topformer_cli.api.benching import BenchChoices

        self._require_one_way()

        authors = self.reproduce_paper
        return BenchChoices(
            devices=self.device or (),
            engine=self.engine,
            runner=self.runner,
            emulator=self.emulator,
            precisions=self.precision or (("auto",) if authors else ()),
            accelerator=self.accelerator,
            threads=self.threads,
            core=("any" if authors else "prime") if self.core is None else self.core,
            mask=self.mask,
            parity=self.parity,
            per_layer=self.per_layer,
            keep_awake=self.keep_awake,
            fixed_performance=self.fixed_performance,
            protocol=self.protocol(),
            places=places,
        )

    def _require_one_way(self) -> None:
        """Refuse options of which one would silently win."""
        from topformer_cli.errors import UsageError

        ways = (
            ("--mlperf", self.mlperf),
            ("--sustained", self.sustained is not None),
            ("--reproduce-paper", self.reproduce_paper),
        )
        cores = (("--core", self.core is not None), ("--mask", self.mask is not None))
        for options_ in (ways, cores):
            given = [name for name, is_given in options_ if is_given]
            if len(given) > 1:
                message = f"{' and '.join(given)} exclude each other; leave one out"
                raise UsageError(message)

    def protocol(self) -> "Protocol":
        """Return how often and how long: the usual, MLPerf's or the authors', then each option."""
        protocol = AUTHORS_PROTOCOL if self.reproduce_paper else Protocol()
        if self.mlperf:
            protocol = replace(protocol, iterations=MLPERF_SAMPLES, round_s=MLPERF_SECONDS)
        asked: dict[str, Any] = {
            "warmup": self.warmup,
            "warmup_s": self.warmup_seconds,
            "rounds": self.rounds,
            "iterations": self.iterations,
            "round_s": self.seconds,
            "cool_s": self.cool_seconds,
            "sustained_s": self.sustained,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return replace(protocol, retries=self.retry_throttled, **given)


SECONDS: Final = options.Amount(0, DAY_S)
_ENGINE: Final = click.option(
    "--engine", type=click.Choice(["auto", "tnn", "litert", "onnxruntime", "torch"]),
    default="auto", show_default=True,
    help="On a phone tnn or litert, on this host any.",
)  # fmt: skip

_OPTIONS: Final = (
    click.option(
        "--device", "-s", type=Devices(), metavar=Devices.name,
        help="Phone(s), or this host (default: ANDROID_SERIAL, else the only phone).",
    ),
    _ENGINE,
    click.option(
        "--accelerator", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True,
        help="gpu: LiteRT's delegate, or OpenCL of a TNN that has it.",
    ),
    click.option(
        "--runner", type=options.EXISTING_FILE,
        help="Program for the phone, kept and used from then on (TOPFORMER_RUNNER overrides).",
    ),
    click.option("--emulator", metavar="PROGRAM", help="Starts --runner on this host."),
    click.option(
        "--precision", type=click.Choice(["fp32", "auto"]), multiple=True,
        help="A row for each (default: fp32; for TNN on a phone both).",
    ),
    click.option(
        "--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the engine."
    ),
    click.option("--core", metavar=f"{'|'.join(CORES)}|N", help="Where to run (default: prime)."),
    click.option("--mask", metavar="HEX", help="Affinity mask in place of --core; 80 is core 7."),
    click.option("--warmup", type=click.IntRange(0), help="Least inferences before (default: 10)."),
    click.option("--warmup-seconds", type=SECONDS, help="And seconds (default: 3)."),
    click.option("--rounds", type=click.IntRange(1), help="Default: 5."),
    click.option("--iterations", type=click.IntRange(1), help="Least a round (default: 50)."),
    click.option("--seconds", type=SECONDS, help="And seconds (default: 3)."),
    click.option("--cool-seconds", type=SECONDS, help="Longest pause (default: 60)."),
    click.option("--mlperf", is_flag=True, help="Rounds of 1024 inferences and 60 s."),
    click.option(
        "--sustained", type=Duration(), metavar="TIME",
        help="Without pauses for so long, such as 10m; a curve.",
    ),
    click.option(
        "--retry-throttled", type=click.IntRange(0), default=0, metavar="N",
        help="Repeat a throttled round up to N times.",
    ),
    click.option(
        "--reproduce-paper", is_flag=True, help="The authors' flags, and what is odd about them."
    ),
    click.option(
        "--parity/--no-parity", default=True, help="Hold the output against the reference."
    ),
    click.option("--per-layer", is_flag=True, help="Times of the layers, from a run of their own."),
    click.option("--keep-awake", is_flag=True, help="Keep the phone's screen on meanwhile."),
    click.option(
        "--fixed-performance", is_flag=True, help="Android's fixed performance mode meanwhile."
    ),
)  # fmt: skip


def measuring_options(function: Command) -> Command:
    """Add the options; the command gets them as one `measuring`."""
    return options.as_one(function, "measuring", Measuring, _OPTIONS)


def sweeping_options(function: Command) -> Command:
    """Add all of them but `--engine`, for a command that takes several."""
    chosen = [one for one in _OPTIONS if one is not _ENGINE]
    return options.as_one(function, "measuring", Measuring, chosen)
