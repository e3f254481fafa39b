"""The program that runs a network on this machine: `python -m topformer_cli.bench.host.runner`.

It takes the arguments and prints the events of our own runner for phones
(native/topformer_runner.cpp), so that one reader and one driver serve both. Every measured round
is a process of its own, with its load time and its memory.
"""

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.host.networks import OPENERS, Arrays, Network
from topformer_cli.errors import DataError, TopformerError
from topformer_cli.onnx_session import ORT_ERRORS, first_line

NAME: Final = "topformer-host 1"
FAILED: Final = 3
FLUSH_S: Final = 1.0


class Printer:
    """Prints one event a line, at most every second to the pipe: a killed run keeps its rounds."""

    def __init__(self) -> None:
        self._flushed = time.monotonic()

    def emit(self, event: str, **values: Any) -> None:  # noqa: ANN401 - what JSON can hold
        """Print one event."""
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        if time.monotonic() - self._flushed > FLUSH_S:
            sys.stdout.flush()
            self._flushed = time.monotonic()


def run(options: argparse.Namespace, out: Printer) -> None:
    """Load, infer, write the output, warm up, and infer against the clock."""
    before = time.monotonic_ns()
    network = OPENERS[options.engine](options.model, options.threads)
    load_ms = _ms_since(before)
    inputs = _read_input(options.input, network)
    out.emit("start", runner=NAME, origin=network.origin, pid=os.getpid(), allowed=_allowed())
    out.emit("loaded", ms=load_ms, input=list(network.shape))
    before = time.monotonic_ns()
    outputs = network.infer(inputs)
    out.emit("first", ms=_ms_since(before))
    _write_output(options.output, outputs)
    warmed = sum(1 for _ in repeat(options.warmup, options.warmup_seconds, network, inputs))
    out.emit("warm", iterations=warmed)
    _emit_residency(options.residency, out)
    count, waited_ns = 0, _waited_ns()
    for at_ns, took_ns in repeat(options.iterations, options.seconds, network, inputs):
        out.emit("run", at_ns=at_ns, in_ns=0, forward_ns=took_ns, out_ns=0)
        count += 1
    if waited_ns is not None:
        out.emit("crowded", waited_ns=(_waited_ns() or 0) - waited_ns)
    _emit_residency(options.residency, out)
    out.emit("done", iterations=count, peak_kb=_peak_kb(), allowed=_allowed())


def repeat(
    at_least: int, seconds: float, network: Network, inputs: NDArray[Any]
) -> Iterator[tuple[int, int]]:
    """Infer until count and time are reached; yield each one's start and duration in ns.

    The time is that of the inferences' own clock: what holds this process up after one, such as a
    full pipe, ends nothing early.
    """
    began = ended = done = 0
    while done < at_least or ended - began < seconds * 1e9:
        at = _since_boot_ns()
        before = time.monotonic_ns()
        network.infer(inputs)
        took = time.monotonic_ns() - before
        yield at, took
        began, ended = began if done else at, at + took
        done += 1


def _read_input(path: Path, network: Network) -> NDArray[Any]:
    content = path.read_bytes()
    expected = int(np.prod(network.shape)) * network.dtype.itemsize
    if len(content) != expected:
        shape = "x".join(map(str, network.shape))
        message = f"{path} has {len(content)} bytes, the network's input of {shape} {expected}"
        raise DataError(message)
    return np.frombuffer(content, network.dtype).reshape(network.shape).copy()


def _write_output(path: Path, outputs: Arrays) -> None:
    heads = [
        {"name": name, "shape": list(one.shape), "dtype": str(one.dtype)}
        for name, one in outputs.items()
    ]
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(json.dumps({"outputs": heads}).encode() + b"\n")
        for one in outputs.values():
            file.write(np.ascontiguousarray(one).astype(one.dtype.newbyteorder("<")).tobytes())
    temporary.replace(path)


def _emit_residency(path: Path | None, out: Printer) -> None:
    with contextlib.suppress(OSError):
        if path is not None:
            out.emit("residency", text=path.read_text())


def _ms_since(start_ns: int) -> float:
    return (time.monotonic_ns() - start_ns) / 1e6


def _since_boot_ns() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) if hasattr(time, "clock_gettime_ns") else 0


def _allowed() -> str | None:
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return None if cores is None else ",".join(map(str, sorted(cores)))


def _peak_kb() -> int | None:
    """Return the most memory this process held; Linux's ru_maxrss also counts who started it."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if (match := re.search(r"^VmHWM:\s*([0-9]+) kB", status, re.MULTILINE)) is not None:
            return int(match[1])
    with contextlib.suppress(ImportError):  # Windows has no such module
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # macOS counts bytes
    return None


def _waited_ns() -> int | None:
    """Return how long this thread was ready to run while others had its core.

    Source: the second figure of the kernel's schedstat (Documentation/scheduler/sched-stats).
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1])
    return None


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="topformer host runner")
    parser.add_argument("--engine", choices=list(OPENERS), required=True)
    for name in ("--model", "--input", "--output"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--threads", "--warmup", "--iterations"):
        parser.add_argument(name, type=int, default=1)
    for name in ("--warmup-seconds", "--seconds"):
        parser.add_argument(name, type=float, default=0.0)
    parser.add_argument("--residency", type=Path)
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run one process of a measurement and return its exit code."""
    out = Printer()
    try:
        run(_options(words), out)
    except (TopformerError, OSError) as error:
        return _failed(out, str(error))
    except ORT_ERRORS as error:
        return _failed(out, f"the network failed on its input ({first_line(error)})")
    finally:
        sys.stdout.flush()
    return 0


def _failed(out: Printer, what: str) -> int:
    out.emit("error", what=what)
    return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
