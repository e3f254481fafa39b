"""LiteRT files: written, read back, run, and refused when damaged; without the extra, its name."""

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.litert import LiteRtRuntime, write_tflite
from topformer_cli.deploy.predictors import FilePredictor
from topformer_cli.deploy.tflite_file import read_card, read_tflite
from topformer_cli.deploy.verify import compute
from topformer_cli.errors import ExportError
from topformer_cli.process import run

needs_litert = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("litert_torch", "ai_edge_litert")),
    reason="the extra [litert] is not installed",
)
NAMES = ("input", "logits")
HW = (32, 64)


@pytest.fixture(scope="session")
def tflite(
    tmp_path_factory: pytest.TempPathFactory, small_net: nn.Module, card: Mapping[str, Any]
) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "net.tflite"
    metadata = {"other": "é", "topformer": json.dumps(card)}
    write_tflite(small_net, torch.zeros(1, 3, *HW), path, names=NAMES, metadata=metadata)
    return path


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@needs_litert
def test_a_file_computes_what_the_network_computes(
    tflite: Path, small_net: nn.Module, images: np.ndarray
) -> None:
    runtime = LiteRtRuntime(tflite)
    assert runtime.name == "LiteRT net.tflite"
    assert runtime.shapes == ((1, 3, *HW),)
    assert runtime.types == (np.float32,)
    assert_close(FilePredictor(runtime)(images), compute(small_net, images))


@needs_litert
def test_names_and_card_are_in_the_file(tflite: Path, card: Mapping[str, Any]) -> None:
    runtime = importlib.import_module("ai_edge_litert.interpreter")
    loaded = runtime.Interpreter(model_content=tflite.read_bytes())
    assert loaded.get_input_details()[0]["name"] == "input"
    assert loaded.get_output_details()[0]["name"] == "logits"
    assert loaded.get_signature_list() == {
        "serving_default": {"inputs": ["input"], "outputs": ["logits"]}
    }
    assert read_card(tflite) == json.loads(json.dumps(card))


@needs_litert
def test_xnnpack_takes_the_whole_network(tflite: Path) -> None:
    runtime = importlib.import_module("ai_edge_litert.interpreter")
    loaded = runtime.Interpreter(model_content=tflite.read_bytes(), num_threads=1)
    loaded.allocate_tensors()
    # The list has no public name; a delegate stands in it behind the operators that it took.
    taken = [op for op in loaded._get_ops_details() if op["op_name"] == "DELEGATE"]
    assert len(taken) == 1
    assert loaded.get_input_details()[0]["index"] in taken[0]["inputs"]
    assert list(taken[0]["outputs"]) == [loaded.get_output_details()[0]["index"]]


class Labels(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.float() / 255).argmax(1).to(torch.int32)


@needs_litert
def test_bytes_in_and_labels_out(small_net: nn.Module, tmp_path: Path) -> None:
    network = Labels(small_net).eval()
    path = tmp_path / "labels.tflite"
    write_tflite(
        network,
        torch.zeros(1, 3, *HW, dtype=torch.uint8),
        path,
        names=("input", "labels"),
        metadata={},
    )
    runtime = LiteRtRuntime(path)
    assert runtime.types == (np.uint8,)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, *HW), np.uint8)
    found = FilePredictor(runtime)(images)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, network(torch.from_numpy(images)).numpy())
    with pytest.raises(ExportError, match="takes uint8 inputs, got float32"):
        runtime([images[:1].astype(np.float32)])


@needs_litert
@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (0, 3, *HW), (1, *HW, 3)])
def test_images_of_another_size_are_refused(tflite: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ExportError, match=r"net.tflite: takes inputs of shape \[1, 3, 32, 64\]"):
        LiteRtRuntime(tflite)([np.zeros(shape, np.float32)])


class Branches(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.sum() > 0 else -images


@needs_litert
def test_what_cannot_be_converted_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match="litert-torch cannot convert Branches: ") as caught:
        write_tflite(
            Branches().eval(),
            torch.zeros(1, 3, *HW),
            tmp_path / "a.tflite",
            names=NAMES,
            metadata={},
        )
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_training_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"Branches is in training mode; call eval\(\)"):
        write_tflite(
            Branches(), torch.zeros(1, 3, *HW), tmp_path / "a.tflite", names=NAMES, metadata={}
        )


def refused(path: Path) -> str:
    with pytest.raises(ExportError) as caught:
        LiteRtRuntime(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL", b"\x08\x0aONNX" * 9])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    assert "cannot be read as a LiteRT file (No such file" in refused(path)
    path.write_bytes(content)
    assert "no LiteRT file (the mark TFL3 is missing)" in refused(path)


@needs_litert
@pytest.mark.parametrize("kept", [8, 100, 0.5, -1])
def test_cut_files_are_refused(tflite: Path, kept: float, tmp_path: Path) -> None:
    content = tflite.read_bytes()
    path = tmp_path / "net.tflite"
    path.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else int(kept)])
    assert "damaged, or no file that LiteRT runs" in refused(path)


@needs_litert
@pytest.mark.parametrize("place", ["graph input", "graph output", "operator input", "made"])
@pytest.mark.parametrize("index", [-1, 9999, 2**31 - 1])
def test_tensors_that_do_not_exist_are_found_first(
    tflite: Path, place: str, index: int, tmp_path: Path
) -> None:
    """LiteRT itself ends the process on some of these."""
    with altered(tflite, tmp_path / "net.tflite") as graph:
        if place == "graph input":
            graph.inputs = [index]
        elif place == "graph output":
            graph.outputs = [index]
        elif place == "operator input":
            graph.operators[1].inputs = [index, *graph.operators[1].inputs[1:]]
        else:
            graph.operators[1].outputs = [index]
    assert "names tensors that do not exist" in refused(tmp_path / "net.tflite")


@needs_litert
def test_a_constant_as_an_input_is_found_first(tflite: Path, tmp_path: Path) -> None:
    with altered(tflite, tmp_path / "net.tflite") as graph:
        graph.inputs = [graph.operators[0].inputs[1]]
    assert "is an input and a constant" in refused(tmp_path / "net.tflite")


@contextlib.contextmanager
def altered(source: Path, path: Path) -> Iterator[Any]:
    """Yield a file's graph and write the file that has what was done to it."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(source.read_bytes())
    yield model.subgraphs[0]
    builder = importlib.import_module("flatbuffers").Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


@needs_litert
def test_another_format_is_refused(artifact: Artifact) -> None:
    assert "the mark TFL3 is missing" in refused(artifact.onnx)


@needs_litert
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_readers_end_in_a_result_or_an_error(
    data: st.DataObject, tflite: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(tflite.read_bytes())
    places = st.integers(8, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=30)):
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "fuzzed.tflite"
    path.write_bytes(content[: data.draw(st.integers(8, len(content)))])
    for read in (read_card, read_tflite):
        try:
            read(path)
        except ExportError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - a result is right too


BLOCKED = """
import sys
from pathlib import Path
import torch
from topformer_cli.deploy.litert import LiteRtRuntime, write_tflite
from topformer_cli.deploy.tflite_file import read_card
from topformer_cli.errors import ExportError
for name in ("litert_torch", "ai_edge_litert"):
    sys.modules[name] = None
path = Path(sys.argv[1])
for call in (
    lambda: write_tflite(
        torch.nn.ReLU().eval(), torch.zeros(1), path, names=("a", "b"), metadata={}
    ),
    lambda: LiteRtRuntime(path),
    lambda: read_card(path),
):
    try:
        call()
    except ExportError as error:
        print(error)
"""


def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x08\0\0\0TFL3")
    done = run([sys.executable, "-c", BLOCKED, path], timeout_s=120)
    lines = done.stdout.splitlines()
    packages = ("litert-torch", "ai-edge-litert", "ai-edge-litert")
    assert len(lines) == len(packages), done.stderr
    for line, package in zip(lines, packages, strict=True):
        assert line.startswith(f"LiteRT needs the package {package} (")
        assert line.endswith("; run `pip install 'topformer-cli[litert]'`")
