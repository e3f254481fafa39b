"""TNN's own converter: made-up TNN folders for what goes wrong, TOPFORMER_TNN_HOME for the rest."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from topformer_cli.deploy import official
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.official import convert_official, find_extension
from topformer_cli.deploy.predictors import FilePredictor
from topformer_cli.deploy.runtimes import OnnxRuntime, TnnRuntime
from topformer_cli.errors import ExportError

PLACE = "tools/onnx2tnn/onnx-converter"
FOREIGN = "onnx2tnn.cpython-399-x86_64-linux-gnu.so"
HERE = f"onnx2tnn.cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so"
needs_tnn = pytest.mark.skipif(
    "TOPFORMER_TNN_HOME" not in os.environ, reason="no folder of a built TNN is named"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A TNN folder in which nothing is built."""
    (tmp_path / "tnn" / PLACE).mkdir(parents=True)
    return tmp_path / "tnn"


@pytest.fixture
def source(artifact: Artifact, tmp_path: Path) -> Path:
    return artifact.onnx.rename(tmp_path / "source.onnx")


def build(home: Path, name: str = FOREIGN, place: str = PLACE) -> Path:
    (home / place).mkdir(parents=True, exist_ok=True)
    (home / place / name).write_bytes(b"no shared object")
    return (home / place / name).resolve()


def install_python(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a python3.99 on the PATH that gets the converter's arguments and does what body says."""
    folder.mkdir()
    program = folder / "python3.99"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nsource, out = sys.argv[-2:]\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def refused(source: Path, home: Path) -> str:
    stem = source.parent / "out" / "net"
    with pytest.raises(ExportError) as caught:
        convert_official(source, stem, home)
    assert "\n" not in str(caught.value)
    assert not stem.parent.exists()
    return str(caught.value)


def test_a_folder_that_is_not_tnns_is_refused(source: Path, tmp_path: Path) -> None:
    message = refused(source, tmp_path)
    assert message.startswith(f"--tnn-home {tmp_path}: no folder of TNN's source ({PLACE} is")


def test_a_converter_that_is_not_built_is_named_with_its_script(source: Path, home: Path) -> None:
    message = refused(source, home)
    assert "converter is not built" in message
    assert message.endswith("tools/convert2tnn && ./build.sh`")


def test_the_extension_for_this_python_comes_first(home: Path) -> None:
    foreign = build(home)
    assert find_extension(home) == foreign
    left_in_build = build(home, HERE, f"tools/convert2tnn/build/{PLACE}")
    assert find_extension(home) == left_in_build


def test_a_python_that_is_missing_is_named(source: Path, home: Path) -> None:
    build(home)
    message = refused(source, home)
    assert f"{FOREIGN}: was built for python3.99, which is not on the PATH" in message


def test_an_extension_that_does_not_load_is_one_line(source: Path, home: Path) -> None:
    build(home, HERE)
    message = refused(source, home)
    assert "TNN's own converter ended with 1 (ImportError: " in message


def test_a_missing_onnx_file_is_named(source: Path, home: Path) -> None:
    build(home, HERE)
    source.unlink()
    assert refused(source, home).startswith(f"{source}: no readable ONNX model (")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            "print('E/tnn: Write [File /x.cc][Line 3] error::op convert failed onnx:CumSum')\n"
            "sys.stdout.flush()\nos.abort()",
            "ended with -6 (error::op convert failed onnx:CumSum);",
        ),
        ("print('one'); print('two', file=sys.stderr); sys.exit(3)", "ended with 3 (two);"),
        ("sys.exit(1)", "ended with 1 (it said nothing);"),
        ("", "wrote no .tnnmodel"),
        ("open(out + '/model.tnnmodel', 'w').write('x')", "wrote no .tnnproto"),
    ],
)
def test_a_converter_that_fails_is_one_line(
    source: Path, home: Path, body: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(home)
    install_python(home / "bin", body, monkeypatch)
    message = refused(source, home)
    assert wanted in message
    assert message.startswith(f"{source}: TNN's own converter ")


def test_a_converter_that_hangs_is_ended(
    source: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(home)
    install_python(home / "bin", "import time; time.sleep(60)", monkeypatch)
    monkeypatch.setattr(official, "DEADLINE_S", 0.3)
    assert "did not end within 0.3 s" in refused(source, home)


def test_both_files_take_the_asked_names(
    source: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(home)
    body = """
for suffix in ("proto", "model"):
    with open(f"{source.removesuffix('onnx')}tnn{suffix}", "w") as file:
        file.write(f"{suffix} of {os.path.getsize(source)} bytes")
"""
    install_python(home / "bin", body, monkeypatch)
    convert_official(source, tmp_path / "out" / "net-1.5", home)
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    size = int(written["net-1.5.tnnproto"].split()[2])
    assert written == {
        "net-1.5.tnnproto": f"proto of {size} bytes",
        "net-1.5.tnnmodel": f"model of {size} bytes",
    }
    assert abs(size - source.stat().st_size) < 1000


class WithShapes(nn.Module):
    """A network whose legacy export keeps the sizes of its Resize in a subgraph of shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        return nn.functional.interpolate(x, size=images.shape[2:], mode="bilinear")


@needs_tnn
def test_the_real_converter_computes_the_same(
    artifact: Artifact, images: np.ndarray, tmp_path: Path
) -> None:
    assert_converted(artifact.onnx, images, tmp_path)


@needs_tnn
@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_real_converter_reads_legacy_exports(
    opset: int, images: np.ndarray, tmp_path: Path
) -> None:
    torch.onnx.export(
        WithShapes().eval(),
        (torch.zeros(1, *images.shape[1:]),),
        tmp_path / "net.onnx",
        dynamo=False,
        opset_version=opset,
    )
    assert_converted(tmp_path / "net.onnx", images, tmp_path)


def assert_converted(source: Path, images: np.ndarray, folder: Path) -> None:
    convert_official(source, folder / "official", Path(os.environ["TOPFORMER_TNN_HOME"]))
    expected = FilePredictor(OnnxRuntime(source))(images)
    found = FilePredictor(TnnRuntime(folder / "official.tnnproto"))(images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
