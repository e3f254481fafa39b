"""Every emitter and every layer record: ONNX in, two files out, read back, the same numbers.

With TOPFORMER_TNNTEST set to TNN's test program (and TOPFORMER_TNN_DEVICE, TOPFORMER_TNN_EMULATOR),
the same files also run in the real TNN, which alone can find swapped parameters.
"""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from tests.contract.tnn_cases import CASES
from tests.fakes import real_tnn
from tests.fakes.tnn_case import Case, Feeds
from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import TnnModel, to_tnn
from topformer_cli.deploy.tnn.emit import EMITTERS
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers import LAYERS

WRONG_IN_TNN = {("NAIVE", "conv dilated unevenly")}
"""Found with TNN f0cb081; its ARM and X86 devices are right."""
ALIASES = {"Softmax"}
"""Layer types that are read but never written."""


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    if "real_tnn" in request.node.name and (real_tnn.DEVICE, request.param) in WRONG_IN_TNN:
        pytest.skip(f"TNN's own {real_tnn.DEVICE} device computes this one wrongly")
    return CASES[request.param]


def test_every_emitter_and_every_layer_has_a_case() -> None:
    assert {case.op for case in CASES.values()} == set(EMITTERS)
    assert {name for case in CASES.values() for name in case.layers} | ALIASES == set(LAYERS)
    assert all(name == record.TYPE for name, record in LAYERS.items())


def test_written_files_compute_what_onnxruntime_computes(case: Case, tmp_path: Path) -> None:
    expected = _expected(case)
    converted = _convert(case)
    assert [layer.record.TYPE for layer in converted.network.layers] == list(case.layers)
    loaded = load_tnn(real_tnn.write(converted, tmp_path))
    assert loaded.network == converted.network
    found = run_tnn(loaded, case.feeds())
    assert found.keys() == expected.keys()
    for name, reference in expected.items():
        limit = 1e-6 + 2e-6 * np.abs(reference).max()
        np.testing.assert_allclose(found[name], reference, rtol=0, atol=limit)


@real_tnn.needed
def test_the_real_tnn_computes_the_same(case: Case, tmp_path: Path) -> None:
    longest = max(case.feeds().values(), key=np.size)
    found = real_tnn.run_real_tnn(real_tnn.write(_convert(case), tmp_path), longest)
    for name, reference in _expected(case).items():
        limit = 1e-6 + case.tolerance * np.abs(reference).max()
        assert found[name].shape == reference.shape
        np.testing.assert_allclose(found[name], reference, rtol=0, atol=limit)


def _expected(case: Case) -> Feeds:
    session = onnxruntime.InferenceSession(ir.to_proto(case.model()).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, case.feeds()), strict=True))


def _convert(case: Case) -> TnnModel:
    model = rewrite(case.model()).model
    return to_tnn(model, "case")
