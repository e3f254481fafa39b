"""Export: what is written, verified, refused, and left behind when it is killed."""

import dataclasses
import json
import logging
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.export import ExportRequest, export
from topformer_cli.deploy.manifest import Source
from topformer_cli.deploy.predictors import FilePredictor
from topformer_cli.deploy.runtimes import OnnxRuntime, TnnRuntime
from topformer_cli.deploy.to_onnx import OPSET
from topformer_cli.deploy.verify import Proof, compute, prove
from topformer_cli.errors import ExportError, ParityError
from topformer_cli.parity import EXPORT_TOLERANCE
from topformer_cli.process import run

HW = (32, 64)


def request(folder: Path) -> ExportRequest:
    return ExportRequest(name="net", output_dir=folder, input_hw=HW)


def test_the_written_files_compute_the_same(
    exported: Artifact, small_net: nn.Module, images: np.ndarray
) -> None:
    with torch.inference_mode():
        reference = small_net(torch.from_numpy(images)).numpy()
    proof = Proof.of_images(images, reference, EXPORT_TOLERANCE)
    for parity in (
        prove("onnx", exported.onnx, proof),
        prove("tnn", exported.tnnproto, proof),
    ):
        assert parity.relative <= EXPORT_TOLERANCE
        assert parity.labels_equal == 1
    assert FilePredictor(OnnxRuntime(exported.onnx)).input_shape == (1, 3, *HW)
    assert FilePredictor(TnnRuntime(exported.tnnproto)).input_shape == (1, 3, *HW)


def test_the_onnx_file_is_whole_and_says_nothing_of_this_machine(exported: Artifact) -> None:
    model = onnx.load(exported.onnx, load_external_data=False)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert [value.name for value in model.graph.input] == ["input"]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    (card,) = (entry.value for entry in model.metadata_props if entry.key == "topformer")
    assert json.loads(card) == exported.card
    assert str(Path(__file__).parents[3]).encode() not in exported.onnx.read_bytes()


def test_export_is_quiet_and_leaves_nothing_else(
    small_net: nn.Module,
    card: Mapping[str, Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    level = logging.getLogger("torch.onnx").level
    asked = dataclasses.replace(request(tmp_path), formats=("tnn",))
    made = export(small_net, card, asked).artifact
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").level == level
    assert {path.name for path in tmp_path.iterdir()} == {
        "net.json",
        "net.tnnproto",
        "net.tnnmodel",
    }
    with pytest.raises(ExportError, match=r"has no .onnx file; make it with `topformer export`"):
        _ = made.onnx


def test_given_images_and_reference_are_what_counts(
    small_net: nn.Module, card: Mapping[str, Any], tmp_path: Path, images: np.ndarray
) -> None:
    with torch.inference_mode():
        reference = small_net(torch.from_numpy(images)).numpy()
    images.setflags(write=False)
    good = dataclasses.replace(request(tmp_path), images=images, reference=reference)
    source = Source(name="net.pt", sha256="ab" * 32)
    made = export(small_net, card, dataclasses.replace(good, source=source)).artifact
    assert made.manifest.images == "given"
    assert made.manifest.source == source
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    wrong = reference + np.float32(2e-3) * np.abs(reference).max()
    with pytest.raises(
        ParityError,
        match=r"net.tnnproto: max difference is (2.00|1.99)e-03.*kept in .*net-parity-failed",
    ):
        export(small_net, card, dataclasses.replace(good, reference=wrong))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before
    kept = {path.name for path in (tmp_path / "net-parity-failed").iterdir()}
    assert kept == {"net.onnx", "net.tnnproto", "net.tnnmodel"}


def test_a_wider_bound_is_the_callers_choice_and_recorded(
    small_net: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    reference = compute(small_net, images)
    off = reference + np.float32(5e-5) * np.abs(reference).max()
    asked = dataclasses.replace(
        request(tmp_path), formats=("tnn",), images=images, reference=off, tolerance=1e-4
    )
    (parity,) = export(small_net, {}, asked).artifact.manifest.parity.values()
    assert EXPORT_TOLERANCE < parity.relative <= parity.bound == 1e-4
    with pytest.raises(ParityError, match="above 1e-05"):
        export(small_net, {}, dataclasses.replace(asked, tolerance=EXPORT_TOLERANCE))


class Unsupported(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.asinh(images) + torch.cumsum(images, 1)


def test_an_unsupported_network_leaves_nothing(card: Mapping[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"Asinh: no TNN layer.*CumSum: no TNN layer"):
        export(Unsupported().eval(), card, request(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_training_mode_is_refused(card: Mapping[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"call eval\(\) before exporting"):
        export(Unsupported(), card, request(tmp_path))


class Branches(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if images.sum() > 0 else -images


def test_what_torch_cannot_export_is_one_line(card: Mapping[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="torch cannot export Branches to ONNX: ") as caught:
        export(Branches().eval(), card, request(tmp_path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": ("onnx", "mnn")}, "format mnn: choose from onnx, tnn, tflite"),
        ({"formats": ()}, "format missing"),
        ({"name": "a/b"}, "name 'a/b'"),
        ({"images": np.zeros((1, 3, 32, 32), np.float32)}, r"for an input of \(3, 32, 64\)"),
    ],
)
def test_wrong_requests_are_refused(
    small_net: nn.Module, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        export(small_net, {}, dataclasses.replace(request(tmp_path), **changes))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import SmallNet, CARD, HW
from topformer_cli.deploy.export import ExportRequest, export

count = 0
replace = Path.replace

def replace_or_die(self, target):
    global count
    count += 1
    if count == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

Path.replace = replace_or_die
request = ExportRequest(name="net", output_dir=Path(sys.argv[2]), input_hw=HW)
export(SmallNet().eval(), CARD, request)
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", range(1, 9))
def test_a_killed_export_is_never_taken_for_whole(
    artifact: Artifact, small_net: nn.Module, card: Mapping[str, Any], at: int
) -> None:
    """Each step that gives a file its name is the last one once, over an older whole export."""
    folder = artifact.path.parent
    old = artifact.manifest
    here = str(Path(__file__).parent)
    command: list[str | Path] = [sys.executable, "-c", KILLED, here, folder, str(at)]
    assert run(command, timeout_s=120).returncode == -signal.SIGKILL
    try:
        found = load_artifact(artifact.path)
    except ExportError as error:
        assert "run `topformer export` again" in str(error)  # noqa: PT017 - either end is right
    else:
        assert found.manifest == old
    made = export(small_net, card, request(folder)).artifact
    assert load_artifact(artifact.path) == made
    assert not list(folder.glob(".net*"))
