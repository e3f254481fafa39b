"""Networks that people put on phones, from both of torch's exporters to TNN."""

import logging
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.fakes import real_tnn
from tests.fakes.mobile_networks import IMAGE, NETWORKS, build, write_onnx
from topformer_cli.deploy.from_onnx import load_graph
from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.parity import counted

EXPORTERS = ("dynamo 20", "legacy 11", "legacy 13", "legacy 17")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_files_compute_what_onnxruntime_computes(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    net = build(name)
    image = np.random.default_rng(0).standard_normal(IMAGE, np.float32)
    for exporter in EXPORTERS:
        path = tmp_path / f"{exporter}.onnx"
        write_onnx(net, path, exporter)
        (reference,) = onnxruntime.InferenceSession(path).run(None, {"image": image})
        model = rewrite(load_graph(path)).model
        proto = real_tnn.write(to_tnn(model, path.name), tmp_path)
        found = counted(run_tnn(load_tnn(proto), {"image": image})["y"], reference)
        limit = 1e-5 * np.abs(reference).max()
        np.testing.assert_allclose(found, reference, rtol=0, atol=limit, err_msg=exporter)
        if real_tnn.NAMED:
            found = counted(real_tnn.run_real_tnn(proto, image)["y"], reference)
            np.testing.assert_allclose(found, reference, rtol=0, atol=limit, err_msg=exporter)
