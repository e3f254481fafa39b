"""TNN's own converter, where the user has built it: `--converter official --tnn-home DIR`.

TNN's convert2tnn hands an ONNX file to onnx2tnn, a Python extension that its build scripts put
into `tools/onnx2tnn/onnx-converter`; this module calls that extension. TnnConverter, which the same
script builds, is what convert2tnn uses for TensorFlow Lite files, not for ONNX.

onnx2tnn gets the file with its constants folded, which stands for the onnxsim run of TNN's script
(the same layers came out) and needs nothing in the Python of the extension; an ONNX file with shape
subgraphs left in would become one that keeps its sizes in a constant map. The opset stays: onnx2tnn
(at f0cb081) was seen to read opset 20 from torch's dynamo exporter for every size of TopFormer,
and a Split that says `num_outputs` alone. It looks up by opset what moved to inputs (split sizes,
clip bounds) and skips attributes that it does not know.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.from_onnx import load_unchanged
from topformer_cli.deploy.passes.fold_constants import fold_constants
from topformer_cli.errors import ExportError
from topformer_cli.process import Finished, run
from topformer_cli.rundir import atomic_write

DEADLINE_S: Final = 600.0
"""TopFormer takes less than a second in an optimised build; this only ends a hang."""

BUILD_SCRIPT: Final = "tools/convert2tnn/build.sh"

_PLACE: Final = "tools/onnx2tnn/onnx-converter"
_SEARCHED: Final = (
    _PLACE,
    f"tools/convert2tnn/build/{_PLACE}",
    f"{_PLACE}/build/{_PLACE}",
    f"build/{_PLACE}",
)
"""Where TNN's scripts put the extension, and where it stays when they end before that."""

_DRIVER: Final = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("onnx2tnn", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.exit(module.convert(sys.argv[2], sys.argv[3], "v1.0", "", 0, 1, "") != 0)
"""
"""The call of TNN's onnx2tnn.py without onnxsim, which would have to be installed in the Python the
extension was built for: path, folder, version and time stamps, float32, fixed input shape."""


def convert_official(onnx_path: Path, stem: Path, tnn_home: Path) -> None:
    """Convert an ONNX file to `<stem>.tnnproto` and `<stem>.tnnmodel` with TNN's own converter.

    Raises:
        ExportError: the folder is not TNN's or has no built converter, its Python is missing, the
            ONNX file is not readable, or the converter failed or wrote nothing; no file was written
            then.
    """
    extension = find_extension(tnn_home)
    python = _python_of(extension)
    model = load_unchanged(onnx_path)
    fold_constants(model)
    content = ir.to_proto(model).SerializeToString()
    with tempfile.TemporaryDirectory(prefix="topformer-onnx2tnn-") as name:
        folder = Path(name)
        # onnx2tnn names its files after this one, cutting off five characters.
        source = folder / "model.onnx"
        source.write_bytes(content)
        command: list[str | Path] = [python, "-I", "-c", _DRIVER, extension, source, folder]
        _check(_run(command, folder), onnx_path, extension)
        written = [_content(source.with_suffix(suffix), onnx_path) for suffix in _SUFFIXES]
    for suffix, content in zip(_SUFFIXES, written, strict=True):
        atomic_write(stem.with_name(f"{stem.name}{suffix}"), content)


_SUFFIXES: Final = (".tnnmodel", ".tnnproto")
"""The weights first: a .tnnproto file never stands without them."""


def find_extension(tnn_home: Path) -> Path:
    """Return the onnx2tnn extension in a TNN folder, the one for the running Python first.

    Raises:
        ExportError: it is no folder of TNN's source, or the converter was not built there.
    """
    home = tnn_home.expanduser().resolve()
    if not (home / _PLACE).is_dir():
        message = (
            f"--tnn-home {tnn_home}: no folder of TNN's source ({_PLACE} is missing); "
            "name the folder that `git clone https://github.com/Tencent/TNN` made"
        )
        raise ExportError(message)
    found = [path for place in _SEARCHED for path in sorted((home / place).glob("onnx2tnn*.so"))]
    if not found:
        message = (
            f"--tnn-home {tnn_home}: TNN's converter is not built (no {_PLACE}/onnx2tnn*.so); "
            f"run `cd {home / BUILD_SCRIPT.rpartition('/')[0]} && ./build.sh`"
        )
        raise ExportError(message)
    return min(found, key=lambda path: _version(path) != sys.version_info[:2])


def _version(extension: Path) -> tuple[int, int] | None:
    """Read 3.8 from onnx2tnn.cpython-38-x86_64-linux-gnu.so; None when the name does not tell."""
    tag = re.search(r"\.cpython-(\d)(\d+)", extension.name)
    return (int(tag[1]), int(tag[2])) if tag else None


def _python_of(extension: Path) -> str:
    """Return the Python that can load the extension."""
    version = _version(extension)
    if version in (None, sys.version_info[:2]):
        return sys.executable
    assert version is not None
    name = f"python{version[0]}.{version[1]}"
    path = shutil.which(name)
    if path is None:
        here = ".".join(map(str, sys.version_info[:2]))
        message = (
            f"{extension}: was built for {name}, which is not on the PATH; install it, or run "
            f"TNN's {BUILD_SCRIPT} again with Python {here}"
        )
        raise ExportError(message)
    return path


def _run(command: list[str | Path], folder: Path) -> Finished:
    try:
        return run(command, timeout_s=DEADLINE_S, cwd=folder)
    except (TimeoutError, OSError) as error:
        message = f"TNN's own converter: {error}"
        raise ExportError(message) from error


def _check(finished: Finished, onnx_path: Path, extension: Path) -> None:
    if finished.returncode == 0:
        return
    # It logs every weight, and an assertion may end it after the line that says what is wrong.
    lines = [line.strip() for line in f"{finished.stdout}\n{finished.stderr}".splitlines()]
    lines = [line for line in lines if line] or ["it said nothing"]
    telling = [line for line in lines if re.match(r"E/tnn: .*(error|fail)", line)]
    reason = re.sub(r"^E/tnn: .*?\[Line \d+\]\s*", "", (telling or lines)[-1])
    message = (
        f"{onnx_path}: TNN's own converter ended with {finished.returncode} ({reason[:200]}); "
        f"it is {extension}; without --converter official the file is written by topformer itself"
    )
    raise ExportError(message)


def _content(path: Path, onnx_path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if not content:
        message = (
            f"{onnx_path}: TNN's own converter ended without an error and wrote no {path.suffix}"
        )
        raise ExportError(message)
    return content
