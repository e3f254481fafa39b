#!/usr/bin/env python3
"""Count the guest instructions of one forward pass of TNN files in a real TNN on emulated ARM.

    scripts/benchmarks/instructions.py --tnntest ARM_BUILD/test/TNNTest --qemu qemu-aarch64 \
        --plugin count_instructions.so OURS.tnnproto OFFICIAL.tnnproto [OURS OFFICIAL]...

One pass is half the difference between a run of three passes and a run of one, so that loading
is left out and the conversion of input and output is in. The count is deterministic; it is a
count of instructions, not a latency. --layers says where OURS spends them. The emulator must be
a dynamic build of qemu's user emulation, which loads plugins; --cc builds the plugin.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.errors import MeasurementError, TopformerError
from topformer_cli.process import run

SOURCE: Final = Path(__file__).with_name("count_instructions.c")
TIMEOUT_S: Final = 1200
LAYER_ENTRY: Final = "_ZN3tnn9BaseLayer7ForwardEv"
"""The function that every layer's computation enters once."""

PASSES: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """The instructions that one segment of a run spent in one function, by its mangled name."""

    segment: int
    instructions: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Bench:
    """The programs with which files are counted, and TNN's precision."""

    tnntest: Path
    qemu: Path
    plugin: Path
    precision: str
    cpu: str | None

    def count(self, proto: Path, passes: int, marker: str | None = None) -> list[Part]:
        """Run a network and return the instructions of each segment and function.

        Raises:
            MeasurementError: the network did not run, or the plugin counted nothing.
        """
        with tempfile.TemporaryDirectory() as folder:
            counted = Path(folder) / "counted"
            plugin = f"{self.plugin.resolve()},out={counted}"
            command: list[str | Path] = [
                self.qemu, *(["-cpu", self.cpu] if self.cpu else []),
                "-plugin", plugin + (f",marker={marker}" if marker else ""),
                self.tnntest.resolve(), "-mt", "TNN", "-mp", proto.resolve(), "-dt", "ARM",
                "-th", "1", "-wc", "0", "-ic", str(passes), "-pr", self.precision,
            ]  # fmt: skip
            finished = run(command, timeout_s=TIMEOUT_S)
            said = finished.stdout + finished.stderr
            # TNNTest ends with 0 after some failures: only its result line says that it ran.
            if "time cost" not in said or not counted.is_file():
                last = (said.strip().splitlines() or ["nothing"])[-1]
                message = f"{proto}: not counted; {self.qemu} printed: {last}"
                raise MeasurementError(message)
            return parse(counted.read_text())


def parse(text: str) -> list[Part]:
    """Read the plugin's lines "segment instructions symbol"."""
    words = (line.split(maxsplit=2) for line in text.splitlines())
    return [Part(int(segment), int(count), symbol) for segment, count, symbol in words]


def total(parts: Iterable[Part]) -> int:
    return sum(part.instructions for part in parts)


def per_pass(several: Iterable[Part], one: Iterable[Part]) -> float:
    """Return the instructions of a pass from a run of `PASSES` passes and a run of one."""
    return (total(several) - total(one)) / (PASSES - 1)


def layers(several: Sequence[Part], one: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield the parts of each layer of the middle pass; the last one holds the conversions too.

    Segments of a run: loading, TNN's folding of constants, then each layer once in every pass.

    Raises:
        ValueError: the two runs do not differ by whole passes.
    """
    last, last_of_one = (max(part.segment for part in run) for run in (several, one))
    count, rest = divmod(last - last_of_one, PASSES - 1)
    if rest or not count:
        message = f"{last} and {last_of_one} layers ran in {PASSES} passes and 1"
        raise ValueError(message)
    of_segment: dict[int, list[Part]] = {}
    for part in several:
        of_segment.setdefault(part.segment, []).append(part)
    for segment in range(last - 2 * count + 1, last - count + 1):
        yield of_segment[segment]


def main() -> int:
    options = _parser().parse_args()
    if len(options.protos) % 2:
        print("instructions: give pairs of files, OURS REFERENCE", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            plugin = options.plugin or _build(options.cc, Path(folder))
            bench = Bench(options.tnntest, options.qemu, plugin, options.precision, options.cpu)
            print(
                f"{'million guest instructions of one pass':48} {'ours':>9} {'reference':>9} ratio"
            )
            for ours, reference in zip(options.protos[::2], options.protos[1::2], strict=True):
                _compare(bench, ours, reference, show_layers=options.layers)
    except TopformerError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("protos", nargs="+", type=Path, metavar="OURS REFERENCE")
    parser.add_argument("--tnntest", required=True, type=Path, help="TNN's test program for ARM")
    parser.add_argument("--qemu", required=True, type=Path, help="a qemu-aarch64 with plugins")
    parser.add_argument("--plugin", type=Path, help="built count_instructions.so")
    parser.add_argument("--cc", default="cc", help="compiler that builds it when it is not given")
    parser.add_argument("--precision", default="HIGH", help="TNN's -pr: HIGH is fp32 everywhere")
    parser.add_argument("--cpu", help="qemu's -cpu, such as max for a build with fp16")
    parser.add_argument("--layers", action="store_true", help="say what each layer of OURS takes")
    return parser


def _build(compiler: str, folder: Path) -> Path:
    plugin = folder / "count_instructions.so"
    finished = run([compiler, "-O2", "-shared", "-fPIC", "-o", plugin, SOURCE], timeout_s=TIMEOUT_S)
    if finished.returncode:
        message = f"{compiler} does not build {SOURCE.name}: {finished.stderr.strip()[:200]}"
        raise MeasurementError(message)
    return plugin


def _compare(bench: Bench, ours: Path, reference: Path, *, show_layers: bool) -> None:
    runs = [bench.count(ours, passes, LAYER_ENTRY) for passes in (PASSES, 1)]
    theirs = [bench.count(reference, passes) for passes in (PASSES, 1)]
    mine, official = (per_pass(several, one) / 1e6 for several, one in (runs, theirs))
    name = f"{ours.name} : {reference.name}"
    print(f"{name:48} {mine:9.2f} {official:9.2f} {mine / official:.4f}", flush=True)
    if show_layers:
        for index, parts in enumerate(layers(*runs)):
            top = max(parts, key=lambda part: part.instructions)
            print(f"  {index:4} {total(parts) / 1e6:9.3f}  {_layer_kind(parts)} {top.symbol}")


def _layer_kind(parts: Iterable[Part]) -> str:
    """Return the class whose DoForward ran last, as its mangled name has it."""
    kinds = [part.symbol for part in parts if "DoForward" in part.symbol]
    match = re.search(r"\d+(Arm\w+?)9DoForward", kinds[-1]) if kinds else None
    return match[1] if match else "-"


if __name__ == "__main__":
    sys.exit(main())
