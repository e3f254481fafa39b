import sys
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.bench.host.litert import open_litert
from topformer_cli.errors import DataError, MeasurementError, UsageError


def written(path: Path) -> Path:
    """Write twice the input plus one for [1, 3, 8, 8], by the project's own exporter."""
    pytest.importorskip("litert_torch")
    import torch

    from topformer_cli.deploy.litert import write_tflite

    class Affine(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x + 1

    example = torch.zeros(1, 3, 8, 8)
    write_tflite(Affine().eval(), example, path, names=("input", "logits"), metadata={})
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_is_run(tmp_path: Path, threads: int) -> None:
    host = open_litert(written(tmp_path / "net.tflite"), threads)
    for seed in (0, 1):
        inputs = np.random.default_rng(seed).standard_normal((1, 3, 8, 8)).astype(np.float32)
        (output,) = host.infer(inputs)
        np.testing.assert_allclose(output, 2 * inputs + 1, rtol=1e-6)
    assert host.version[0].isdecimal()


def test_other_inputs_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "net.tflite")
    host = open_litert(path, 1)
    for wrong in (np.zeros((1, 3, 9, 9), np.float32), np.zeros((1, 3, 8, 8), np.int64)):
        with pytest.raises(MeasurementError, match=r"LiteRT cannot run .*net.tflite"):
            host.infer(wrong)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(MeasurementError, match="LiteRT cannot run"):
        open_litert(path, 1)


def test_what_is_no_litert_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(bytes(99))
    with pytest.raises(DataError, match="is no LiteRT file"):
        open_litert(tmp_path / "net.onnx", 1)


def test_without_the_package_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "net.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3")
    with pytest.raises(UsageError, match=r"ai-edge-litert .*pip install 'topformer-cli\[litert\]'"):
        open_litert(tmp_path / "net.tflite", 1)
