"""The bytes of a LiteRT file: names, metadata and identity card, and a check before it is run.

A file is a FlatBuffer whose root is LiteRT's Model table, marked "TFL3". The card is the metadata
entry "topformer"; its buffer holds the JSON text. ai-edge-litert brings the tables' Python classes.
"""

import contextlib
import importlib
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from topformer_cli.deploy.to_onnx import CARD_KEY
from topformer_cli.errors import ExportError

REMEDY: Final = "pip install 'topformer-cli[litert]'"

_IDENTIFIER: Final = b"TFL3"
_NO_TENSOR: Final = -1
_ALWAYS_THERE: Final = 2
"""Input and weight of an operator; what follows may be absent, as a bias is."""

_SCHEMA: Final = "ai_edge_litert.schema_py_generated"


def load_package(name: str) -> Any:  # noqa: ANN401 - the packages of the extra have no types
    """Import a module of the extra `[litert]`.

    Raises:
        ExportError: it is not installed or does not load; names the package and the remedy.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, AttributeError, RuntimeError) as error:
        # The latter two come from packages that are there and do not fit one another.
        package = name.partition(".")[0].replace("_", "-")
        reason = (str(error).splitlines() or ["no reason given"])[0]
        message = f"LiteRT needs the package {package} ({reason[:200]}); run `{REMEDY}`"
        raise ExportError(message) from error


def label(content: bytes, names: tuple[str, str], metadata: Mapping[str, str]) -> bytes:
    """Return the converter's file with names for its input and output, and with metadata."""
    schema = load_package(_SCHEMA)
    model = schema.ModelT.InitFromPackedBuf(content)
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    for indices, entries, name in (
        (graph.inputs, signature.inputs, names[0]),
        (graph.outputs, signature.outputs, names[1]),
    ):
        graph.tensors[indices[0]].name = name
        entries[0].name = name
    model.metadata = model.metadata or []
    for key, text in metadata.items():
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(text.encode(), np.uint8)
        entry = schema.MetadataT()
        entry.name, entry.buffer = key, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    builder = load_package("flatbuffers").Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def read_card(path: Path) -> dict[str, Any] | None:
    """Return the identity card in a LiteRT file, or None when it has none.

    Raises:
        ExportError: the file is missing, damaged or no LiteRT file, or ai-edge-litert is missing.
    """
    content = _read(path)
    with _reading(path):
        model = _model(content)
        for index in range(_bounded(model.MetadataLength(), content)):
            entry = model.Metadata(index)
            if entry.Name() == CARD_KEY.encode():
                card = json.loads(bytes(model.Buffers(entry.Buffer()).DataAsNumpy()))
                return card if isinstance(card, dict) else None
    return None


def read_tflite(path: Path) -> bytes:
    """Return the bytes of a LiteRT file in which every tensor that is named exists.

    LiteRT's own check, which follows at loading, looks at the FlatBuffer alone: a tensor index that
    is out of range ends the process, and so does an input that is a constant once it is written.

    Raises:
        ExportError: the file is missing, damaged or no LiteRT file, or ai-edge-litert is missing.
    """
    content = _read(path)
    with _reading(path):
        model = _model(content)
        for place in range(_bounded(model.SubgraphsLength(), content)):
            graph = model.Subgraphs(place)
            _check_indices(graph, content)
            _check_inputs(graph, model)
    return content


def damaged(path: Path, error: Exception) -> ExportError:
    """Return the error of a file that cannot be read or run."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ExportError(f"{path}: damaged, or no file that LiteRT runs ({reason[:200]})")


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read as a LiteRT file ({error.strerror or error})"
        raise ExportError(message) from error
    if content[4:8] != _IDENTIFIER:
        message = f"{path}: no LiteRT file (the mark {_IDENTIFIER.decode()} is missing)"
        raise ExportError(message)
    return content


def _model(content: bytes) -> Any:  # noqa: ANN401 - the packages of the extra have no types
    return load_package(_SCHEMA).Model.GetRootAs(content, 0)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what Python meets in a damaged FlatBuffer into an error that names the file."""
    try:
        yield
    except (ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise damaged(path, error) from error


def _check_indices(graph: Any, content: bytes) -> None:  # noqa: ANN401 - as above
    count = graph.TensorsLength()
    ends = [graph.InputsAsNumpy(), graph.OutputsAsNumpy()]
    for index in range(_bounded(graph.OperatorsLength(), content)):
        operator = graph.Operators(index)
        given, made = operator.InputsAsNumpy(), operator.OutputsAsNumpy()
        ends += [np.atleast_1d(given)[:_ALWAYS_THERE], made]
        rest = np.atleast_1d(given)[_ALWAYS_THERE:]
        ends.append(rest[rest != _NO_TENSOR])
    named = np.concatenate([np.atleast_1d(end) for end in ends])
    if named.size == 0 or named.min() < 0 or named.max() >= count:
        message = f"names tensors that do not exist, {count} do"
        raise ValueError(message)


def _check_inputs(graph: Any, model: Any) -> None:  # noqa: ANN401 - as above
    for index in np.atleast_1d(graph.InputsAsNumpy()):
        buffer = graph.Tensors(int(index)).Buffer()
        if buffer >= model.BuffersLength() or model.Buffers(buffer).DataLength():
            message = f"tensor {index} is an input and a constant"
            raise ValueError(message)


def _bounded(length: int, content: bytes) -> int:
    """Return a vector's length, which a damaged file may put at billions."""
    if length > len(content) // 4:
        message = f"a list of {length} entries in {len(content)} bytes"
        raise ValueError(message)
    return length
