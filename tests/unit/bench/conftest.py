"""Small networks, plans and phones that the bench tests share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.fakes.adb_device import FakeDevice, Faults, served
from tests.fakes.adb_server import real_adb_server
from tests.fakes.device_root import DeviceRoot
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.runner import Runner
from topformer_cli.results import BenchResult

QUICK = Protocol(warmup=2, warmup_s=0, rounds=3, iterations=5, round_s=0, deadline_s=30, cool_s=1)
StartDevice = Callable[..., FakeDevice]


@pytest.fixture
def host_plan(tmp_path: Path) -> BenchPlan:
    """An ONNX file that multiplies [1, 3, 4, 4] by two and adds one, with its reference."""
    inputs = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "two"], ["doubled"]),
            helper.make_node("Add", ["doubled", "one"], ["logits"]),
        ],
        "affine",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 4, 4])],
        [
            helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    path = tmp_path / "affine.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return BenchPlan(
        name="affine",
        card={"size": "tiny"},
        artifact=path,
        inputs=inputs,
        references=[inputs * np.float32(2) + np.float32(1)],
    )


@pytest.fixture
def phone_plan(host_plan: BenchPlan, tmp_path: Path) -> BenchPlan:
    """The same as a pair whose model file holds the right output, for the scripted runners."""
    values = "".join(f"{value:.6f}\n" for value in host_plan.references[0].ravel())
    (tmp_path / "net.tnnproto").write_text("4 1 3 4 4\n")
    (tmp_path / "net.tnnmodel").write_text(f"1\nlogits mat_type: 32 dims: 4 1 3 4 4\n{values}")
    return replace(host_plan, artifact=tmp_path / "net.tnnproto")


def on_phone(
    device: FakeDevice, plan: BenchPlan, runner: Runner, protocol: Protocol = QUICK
) -> Measurement:
    """Return a measurement of one plan on a fake phone, not yet run."""
    station = PhoneStation(choose_device(f"tcp:{device.serial}"))
    return Measurement(station, [Entrant(plan, runner)], protocol)


def measured(measurement: Measurement) -> BenchResult:
    """Run a measurement of one plan and return its result."""
    measurement.run()
    [result] = measurement.session().results
    return result


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real adb server."""
    with real_adb_server(tmp_path_factory.mktemp("adb-home")) as port:
        yield port


@pytest.fixture
def start_device(adb_server: int, tmp_path: Path) -> Iterator[StartDevice]:
    """Start fake phones in front of the real adb server; all are gone after the test."""
    assert adb_server
    with ExitStack() as stack:

        def start(faults: Faults | None = None, root: DeviceRoot | None = None) -> FakeDevice:
            if root is None:
                folder = tmp_path / f"device{len(list(tmp_path.glob('device*')))}"
                folder.mkdir()
                root = DeviceRoot(folder)
            return stack.enter_context(served(FakeDevice(root, faults or Faults())))

        yield start
