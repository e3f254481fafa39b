"""Time of `topformer --help` and of each command's, against `python -c pass` in the same run.

python scripts/benchmarks/startup.py
"""

import os
import statistics
import subprocess
import sys
import time

from topformer_cli.cli import COMMANDS

ROUNDS = 11


def wall_ms(*arguments: str) -> float:
    """Run this Python once and return its wall time."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Interleave all commands, and print medians and ratios."""
    runs = {"python -c pass": ("-c", "pass"), "topformer --help": ("-m", "topformer_cli", "--help")}
    runs |= {f"topformer {n} --help": ("-m", "topformer_cli", n, "--help") for n in COMMANDS}
    for arguments in runs.values():
        wall_ms(*arguments)
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, arguments in runs.items():
            samples[name].append(wall_ms(*arguments))
    bare = statistics.median(samples["python -c pass"])
    for name, values in samples.items():
        median = statistics.median(values)
        print(f"{name:28} {median:7.1f} ms   {median / bare:5.1f} x bare python")


if __name__ == "__main__":
    main()
