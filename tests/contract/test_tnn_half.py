"""The simulated fp16 kernels against a real TNN that computes in fp16.

Runs with TOPFORMER_TNNTEST_FP16 set to a TNNTest built with TNN_ARM82_ENABLE (and
TOPFORMER_TNN_EMULATOR, an emulator with fp16 arithmetic).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.bench.runners.tnntest import decode_outputs, encode_input
from topformer_cli.deploy.tnn.interpreter import load_tnn
from topformer_cli.deploy.tnn.layers.convolution import RELU, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Mul
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.softmax import SoftmaxCaffe
from topformer_cli.deploy.tnn.layers.upsample import BILINEAR, Upsample
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.precision.half import simulate_half
from topformer_cli.deploy.tnn.precision.half_storage import store_half
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.process import run

pytestmark = pytest.mark.skipif(
    "TOPFORMER_TNNTEST_FP16" not in os.environ, reason="no TNNTest with fp16 is named"
)
MAP = (1, 8, 24, 28)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def conv(channels: int, out: int, kernel: int, stride: int = 1, group: int = 1) -> Convolution:
    pad = kernel // 2
    per_group = channels // group
    return Convolution(
        group, per_group, out, kernel, kernel, stride, stride, pad, pad, 1, activation=RELU
    )


CASES: dict[str, tuple[LayerRecord, tuple[int, ...]]] = {
    "three channels": (conv(3, 16, 3, 2), (1, 3, 24, 28)),
    "1x1": (conv(40, 24, 1), (1, 40, 9, 9)),
    "3x3 stride 2": (conv(16, 8, 3, 2), (1, 16, 24, 28)),
    "3x3 small tiles": (conv(64, 64, 3), (1, 64, 2, 2)),
    "3x3 large tiles": (conv(32, 32, 3), (1, 32, 27, 30)),
    "depthwise 3": (conv(16, 16, 3, group=16), (1, 16, 24, 28)),
    "depthwise 5": (conv(12, 12, 5, 2, group=12), (1, 12, 24, 28)),
    "grouped": (conv(16, 16, 3, 2, group=2), (1, 16, 24, 28)),
    "average": (Pooling(AVERAGE, 4, 4, 4, 4, 0, 0), MAP),
    "softmax last": (SoftmaxCaffe(3), (1, 4, 24, 64)),
    "softmax inner": (SoftmaxCaffe(2), (1, 4, 64, 24)),
    "matmul": (MatMul(1), MAP),
    "mul": (Mul(1), MAP),
    "upsample": (Upsample(BILINEAR, 0, 0, 0, 20, 30), MAP),
}


def weights_of(record: LayerRecord) -> Sequence[np.ndarray]:
    if isinstance(record, Convolution):
        shape = (record.out_channels, record.in_per_group, record.kernel_h, record.kernel_w)
        return numbers(*shape, seed=1), numbers(record.out_channels, seed=2)
    if isinstance(record, MatMul):
        return (numbers(28, 20),)
    return (numbers(1, 8, 1, 1),) if isinstance(record, Mul) else ()


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("stored", ["fp32", "fp16"])
def test_the_real_tnn_rounds_the_same(name: str, stored: str, tmp_path: Path) -> None:
    record, shape = CASES[name]
    network = Network((Input("x", shape),), ("y",), (Layer("y", ("x",), ("y",), record),))
    weights = tuple(weights_of(record))
    resources = [Resource(record.TYPE, "y", weights)] if weights else []
    (tmp_path / "net.tnnproto").write_text(write_proto(network))
    content = write_model(store_half(resources).resources if stored == "fp16" else resources)
    (tmp_path / "net.tnnmodel").write_bytes(content)
    image = 3 * numbers(*shape)
    found = run_real(tmp_path, image)
    loaded = load_tnn(tmp_path / "net.tnnproto")
    expected = simulate_half(loaded, {"x": image}).values["y"]
    different = np.abs(found - expected) > 3e-6 * np.abs(expected).max()
    # Winograd's form spreads one value rounded the other way over sixteen.
    assert different.mean() < (0.15 if name == "3x3 large tiles" else 0.01)


def run_real(folder: Path, image: np.ndarray) -> np.ndarray:
    (folder / "input.txt").write_bytes(encode_input(image))
    emulator = os.environ.get("TOPFORMER_TNN_EMULATOR")
    command = [
        *([emulator] if emulator else []), os.environ["TOPFORMER_TNNTEST_FP16"], "-mt", "TNN",
        "-mp", "net.tnnproto", "-dt", "ARM", "-ip", "input.txt", "-op", "output.txt", "-th", "1",
        "-pr", "AUTO",
    ]  # fmt: skip
    finished = run(command, timeout_s=60, cwd=folder)
    assert (folder / "output.txt").is_file(), finished.stdout + finished.stderr
    return decode_outputs((folder / "output.txt").read_bytes())["y"]
