"""Time of `topformer bench` outside the timed regions, against the bare runner's processes.

    PYTHONPATH=. python scripts/benchmarks/bench_overhead.py FOLDER [host] [phone]

A standard run of TopFormer-tiny at 512x512 with random weights: on this host with onnxruntime, and
on the stand-in phone of the tests with a program for ARM (gcc-aarch64-linux-gnu, qemu-user) that
sleeps for each inference and knows the answer. The reference is what is left without the tool: the
same processes of the runner with the same arguments, one for the output and one for each round,
started by hand; on the phone by `adb shell`, with the files there already. Both sides take turns.
Outside is the wall time less warm-ups and timed inferences. Last it is told where the tool's time
goes, from one more run that is timed from inside.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from topformer_cli.bench.plan import Call
from topformer_cli.bench.protocol import Protocol

REPETITIONS: Final = 3
SLEEP_MS: Final = 5
STANDARD: Final = Protocol()

SLEEPER_C: Final = r"""
/* Sleeps for every inference, behind TNNTest's command line; answer.h holds DIMS and values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "answer.h"

static const char *option(int count, char **words, const char *name) {
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(words[i], name)) return words[i + 1];
    return "0";
}

static double infer(void) {
    struct timespec from, to, rest = {0, SLEEP_MS * 1000000L};
    clock_gettime(CLOCK_MONOTONIC, &from);
    nanosleep(&rest, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6;
}

int main(int count, char **words) {
    int warm = atoi(option(count, words, "-wc")), loops = atoi(option(count, words, "-ic"));
    double low = 1e9, high = 0, sum = 0;
    for (int loop = 0; loop < warm; loop++) infer();
    for (int loop = 0; loop < loops; loop++) {
        double ms = infer();
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
        sum += ms;
    }
    FILE *output = fopen(option(count, words, "-op"), "w");
    if (!output) return 2;
    fprintf(output, "1\nlogits mat_type: 32 dims: %s\n", DIMS);
    for (size_t i = 0; i < sizeof answer / sizeof *answer; i++)
        fprintf(output, "%.6f\n", answer[i]);
    fclose(output);
    printf("I/tnn: Print [File test/timer.cc][Line 59] %-45s TNN Benchmark time cost: min = %-8.3f"
           " ms  |  max = %-8.3f ms  |  avg = %-8.3f ms \n", "net.tnnproto - ARM", low, high,
           sum / loops);
    return 0;
}
"""

PARTS: Final = {
    "taking the export": ("topformer_cli.commands.artifacts", "find_subject"),
    "finding device and runner": ("topformer_cli.api.benching", "find_targets"),
    "reference output": ("topformer_cli.api.benching", "_reference"),
    "facts and preflight": ("topformer_cli.bench.measure.Measurement", "_look"),
    "bringing files": ("topformer_cli.bench.measure.Measurement", "_bring"),
    "processes of the runner": ("{station}", "run"),
    "reading the output back": ("topformer_cli.bench.lane.Lane", "_check_output"),
    "digest of later outputs": ("{station}", "digest"),
    "clocks and sensors": ("{station}", "read"),
    "thermal status": ("{station}", "thermal_status"),
    "removing": ("{station}", "close"),
    "verdict and record": ("topformer_cli.api.benching", "_merged"),
    "keeping the record": ("topformer_cli.api.benching", "keep_session"),
}
"""What is timed from inside: place and name of a function; inner ones count for themselves only."""

STATIONS: Final = {
    "host": "topformer_cli.bench.host.station.HostStation",
    "phone": "topformer_cli.bench.phone.station.PhoneStation",
}


class Stopwatch:
    """Seconds spent in functions, without what others that are timed took inside them."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._inner: list[float] = [0.0]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._inner.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            own = took - self._inner.pop()
            self._inner[-1] += took
            self.spent[name] = self.spent.get(name, 0.0) + own

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
            with self.part(name):
                return function(*values, **named)

        return wrapper


def inside(place: str, spent: Path, words: Sequence[str]) -> int:
    """Run the command line in this process with its parts timed, and write their seconds."""
    import importlib

    watch = Stopwatch()
    with watch.part("imports"):
        from topformer_cli import cli

        for module in ("commands.artifacts", "api.benching", "commands.show_bench"):
            importlib.import_module(f"topformer_cli.{module}")
    for name, (owner, attribute) in PARTS.items():
        path = owner.format(station=STATIONS[place])
        module, _, last = path.rpartition(".")
        found = (
            getattr(importlib.import_module(module), last)
            if last[0].isupper()
            else importlib.import_module(path)
        )
        setattr(found, attribute, watch.timed(name, getattr(found, attribute)))
    code = cli.run(list(words))
    spent.write_text(json.dumps(watch.spent))
    return code


@dataclass(frozen=True)
class Setting:
    """One place: the tool's options, and the bare processes as functions of warm-up and count."""

    place: str
    export: Path
    options: tuple[str, ...]
    bare: Callable[[Call], list[str]]
    keeps_time: bool

    def line(self) -> list[str]:
        return ["bench", str(self.export), "--json", "--precision", "fp32", *self.options]


def bench_once(setting: Setting) -> tuple[float, float]:
    """Run the tool once; return wall time and what lies in warm-ups and timed inferences."""
    began = time.perf_counter()
    line = [sys.executable, "-m", "topformer_cli", *setting.line()]
    told = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout
    wall = time.perf_counter() - began
    [result] = json.loads(told)["results"]
    means = [(one["mean_ms"] / 1000, one["iterations"]) for one in result["rounds"]]
    timed = sum(mean * count for mean, count in means)
    # Rounds warm up for as long as was asked, to the end of an inference.
    warm = sum(max(STANDARD.warmup_s, STANDARD.warmup * mean) + mean / 2 for mean, _ in means)
    return wall, warm + timed


def bare_once(setting: Setting) -> tuple[float, float]:
    """Start the same processes by hand; return the same."""
    count = round(STANDARD.round_s * 1000 / SLEEP_MS)
    usual = Call(model="model", input="input", output="output", abi="arm64-v8a")
    first = replace(usual, warmup=1, iterations=1)
    again = replace(usual, warmup=count, iterations=count)
    if setting.keeps_time:
        again = replace(
            usual,
            warmup=STANDARD.warmup,
            iterations=STANDARD.iterations,
            warmup_s=STANDARD.warmup_s,
            seconds=STANDARD.round_s,
        )
    began, within = time.perf_counter(), 0.0
    for call in (first, *[again] * STANDARD.rounds):
        told = subprocess.run(setting.bare(call), check=True, capture_output=True, text=True).stdout
        if call is again:
            within += _within(told, setting.keeps_time, count)
    return time.perf_counter() - began, within


def _within(told: str, keeps_time: bool, count: int) -> float:
    """Return warm-up and timed seconds of a bare process, from what it printed."""
    if keeps_time:
        events = [json.loads(line) for line in told.splitlines() if line.startswith('{"event"')]
        runs = [event["forward_ns"] / 1e9 for event in events if event["event"] == "run"]
        return STANDARD.warmup_s + statistics.fmean(runs) / 2 + sum(runs)
    mean = float(told.split("avg =")[1].split()[0]) / 1000
    return 2 * count * mean


def export_tiny(folder: Path) -> Path:
    """Return the manifest of a TopFormer-tiny with random weights, exported once."""
    from scripts.benchmarks.host_latency import SIDE, topformer, write_topformer

    found = [path for path in folder.glob("export/*.json") if path.with_suffix(".onnx").exists()]
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        write_topformer(folder / "tiny.safetensors", "tiny")
        where = ("--output-dir", folder / "export", "--work-dir", folder)
        topformer("export", folder / "tiny.safetensors", "--input", f"{SIDE}x{SIDE}", *where)
        found = [p for p in folder.glob("export/*.json") if p.with_suffix(".onnx").exists()]
    return found[0]


def on_host(folder: Path) -> Setting:
    from topformer_cli.api.bench_inputs import fixed_input
    from topformer_cli.bench.host.station import HostStation
    from topformer_cli.bench.machine.cores import choose_core
    from topformer_cli.bench.runner import host_engine
    from topformer_cli.deploy.artifact import load_artifact

    manifest = export_tiny(folder)
    artifact, runner = load_artifact(manifest), host_engine("onnxruntime")
    (folder / "input").write_bytes(runner.module.encode_input(fixed_input(artifact.manifest)))
    mask = choose_core(HostStation().facts().cpus, "prime").mask or "1"

    def bare(call: Call) -> list[str]:
        named = replace(
            call,
            model=str(artifact.main_file("onnx")),
            input=str(folder / "input"),
            output=str(folder / "output"),
        )
        return ["taskset", mask, *runner.words, *runner.module.arguments(named)]

    options = ("--device", "host", "--work-dir", str(folder / "runs"))
    return Setting("host", manifest, options, bare, keeps_time=True)


@contextmanager
def on_phone(folder: Path) -> Iterator[Setting]:
    """Keep a stand-in phone up inside the block, with the bare runner's files on it."""
    from tests.fakes.adb_device import FakeDevice, Faults, served
    from tests.fakes.adb_server import real_adb_server
    from tests.fakes.device_root import DeviceRoot
    from topformer_cli.api.bench_inputs import fixed_input
    from topformer_cli.bench.runners import tnntest
    from topformer_cli.deploy.artifact import load_artifact

    manifest = export_tiny(folder)
    artifact = load_artifact(manifest)
    program = build_sleeper(manifest, folder)
    home = folder / f"phone-{os.getpid()}"
    (home / "device").mkdir(parents=True)
    with (
        real_adb_server(home) as port,
        served(FakeDevice(DeviceRoot(home / "device"), Faults())) as device,
    ):
        adb = [os.environ["ADBUTILS_ADB_PATH"], "-P", str(port)]
        subprocess.run([*adb, "connect", device.serial], check=True, capture_output=True)
        adb += ["-s", device.serial]
        (folder / "input.txt").write_bytes(tnntest.encode_input(fixed_input(artifact.manifest)))
        there = "/data/local/tmp/bare"
        pushed = {
            program: "TNNTest",
            folder / "input.txt": "input",
            artifact.tnnproto: "net.tnnproto",
            artifact.tnnproto.with_suffix(".tnnmodel"): "net.tnnmodel",
        }
        for path, name in pushed.items():
            subprocess.run([*adb, "push", path, f"{there}/{name}"], check=True, capture_output=True)

        chmod = [*adb, "shell", f"chmod 755 {there}/TNNTest"]
        subprocess.run(chmod, check=True, capture_output=True)

        def bare(call: Call) -> list[str]:
            named = replace(call, model="net.tnnproto")
            words = ["taskset", "80", "./TNNTest", *tnntest.arguments(named)]
            return [*adb, "shell", f"cd {there} && {shlex.join(words)}"]

        options = (
            "--device", f"tcp:{device.serial}", "--runner", str(program),
            "--work-dir", str(folder / "runs"), "--cache-dir", str(folder / "cache"),
        )  # fmt: skip
        yield Setting("phone", manifest, options, bare, keeps_time=False)


def build_sleeper(manifest: Path, folder: Path) -> Path:
    """Compile the program that gives this export's output after sleeping."""
    from topformer_cli.api.bench_inputs import fixed_input
    from topformer_cli.deploy.artifact import load_artifact
    from topformer_cli.deploy.predictors import open_predictor

    artifact = load_artifact(manifest)
    answer = open_predictor(artifact, "onnx")(fixed_input(artifact.manifest))
    values = ",".join(f"{value:.7e}f" for value in answer.ravel())
    (folder / "answer.h").write_text(
        f'#define DIMS "4 {" ".join(map(str, answer.shape))}"\n#define SLEEP_MS {SLEEP_MS}\n'
        f"static const float answer[] = {{{values}}};\n"
    )
    (folder / "sleeper.c").write_text(SLEEPER_C)
    compiler = ["aarch64-linux-gnu-gcc", "-O1", "-static", "-o", "TNNTest", "sleeper.c"]
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True)
    return folder / "TNNTest"


def report(setting: Setting, folder: Path) -> None:
    """Measure both sides in turns and print them, then the parts of the tool's time."""
    tool: list[float] = []
    bare: list[float] = []
    whole: list[float] = []
    for _ in range(REPETITIONS):
        wall, within = bare_once(setting)
        bare.append(wall - within)
        wall, within = bench_once(setting)
        tool.append(wall - within)
        whole.append(wall)
    ratios = [one / other for one, other in zip(tool, bare, strict=True)]
    print(
        f"{setting.place}: a run of {statistics.median(whole):.1f} s; outside the timed regions "
        f"{statistics.median(tool):.2f} s ({_row(tool)}), the bare processes "
        f"{statistics.median(bare):.2f} s ({_row(bare)}); ratio {statistics.median(ratios):.2f}"
    )
    spent_file = folder / "spent.json"
    line = [sys.executable, __file__, "--inside", setting.place, str(spent_file), *setting.line()]
    began = time.perf_counter()
    told = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout
    wall = time.perf_counter() - began
    spent: dict[str, float] = json.loads(spent_file.read_text())
    [result] = json.loads(told)["results"]
    means = [(one["mean_ms"] / 1000, one["iterations"]) for one in result["rounds"]]
    within = sum(STANDARD.warmup_s + mean / 2 + mean * count for mean, count in means)
    spent["processes of the runner"] -= within
    for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        print(f"  {seconds:7.2f} s  {name}")
    print(f"  {wall - within - sum(spent.values()):7.2f} s  all else, the end of Python included")


def _row(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def main() -> int:
    if sys.argv[1] == "--inside":
        return inside(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    folder, places = Path(sys.argv[1]).resolve(), sys.argv[2:] or ["host", "phone"]
    if "host" in places:
        report(on_host(folder), folder)
    if "phone" in places:
        with on_phone(folder) as setting:
            report(setting, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
