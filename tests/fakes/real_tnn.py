"""TNN's own test program, where the environment names one.

TOPFORMER_TNNTEST is the program, TOPFORMER_TNN_DEVICE its device (NAIVE, X86, ARM) and
TOPFORMER_TNN_EMULATOR what starts it on another machine.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.bench.runners.tnntest import decode_outputs, encode_input
from topformer_cli.deploy.tnn.convert import TnnModel
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.process import run

DEVICE = os.environ.get("TOPFORMER_TNN_DEVICE", "NAIVE")
NAMED = "TOPFORMER_TNNTEST" in os.environ
needed = pytest.mark.skipif(not NAMED, reason="no TNNTest is named")


def write(converted: TnnModel, folder: Path) -> Path:
    proto = folder / "net.tnnproto"
    proto.write_text(write_proto(converted.network))
    proto.with_suffix(".tnnmodel").write_bytes(write_model(converted.resources))
    return proto


def run_real_tnn(proto: Path, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Run a pair of files; every input is read from the beginning of the same numbers."""
    folder = proto.parent
    (folder / "input.txt").write_bytes(encode_input(numbers))
    emulator = os.environ.get("TOPFORMER_TNN_EMULATOR")
    command = [
        *([emulator] if emulator else []), os.environ["TOPFORMER_TNNTEST"], "-mt", "TNN",
        "-mp", proto.name, "-dt", DEVICE, "-ip", "input.txt", "-op", "output.txt",
        "-th", "1", "-pr", "HIGH",
    ]  # fmt: skip
    finished = run(command, timeout_s=120, cwd=folder)
    output = folder / "output.txt"
    assert output.is_file(), finished.stdout + finished.stderr
    return decode_outputs(output.read_bytes())
