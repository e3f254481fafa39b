"""The binary file of a TNN network (.tnnmodel), format version 2, little endian, no padding.

    u32 magic | i32 resources | resource ...
    resource = i32 type code | str type | str layer name | payload
    str      = i32 bytes | bytes
    tensor   = u32 magic | i32 dtype | i32 bytes | i32 rank | i32 dims ... | values
    payload  = tensor ..., after a str name for some types (see layers.record.Payload), or for a
               convolution: str name | i32 has bias | weight | bias
    then, in files of graphs that were not simplified: u32 magic | i32 constants | constant ...
    constant = str blob name | tensor

Format: TNN's ModelInterpreter::InterpretModel and Deserializer::GetRaw. An empty tensor ends after
its byte count. Only layers with weights have a resource, and TNN finds them by name.
Files of graphs that were not simplified end in u32 magic | i32 constants | (str blob | tensor) ...
"""

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.tnn.files import read_bounded
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.layers.record import Payload
from topformer_cli.deploy.tnn.network import Network, Resource
from topformer_cli.deploy.tnn.proto import MAGIC
from topformer_cli.errors import ExportError

_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f2"),
    2: np.dtype("i1"),
    3: np.dtype("<i4"),
    5: np.dtype("<i8"),
    6: np.dtype("<u4"),
}
_MAGIC_V1: Final = 0xFABC0002
_MAX_FILE_BYTES: Final = 1 << 30
_MAX_RANK: Final = 8
_MAX_RESOURCES: Final = 10_000


def write_model(resources: Sequence[Resource]) -> bytes:
    """Return the bytes of a network's weights."""
    parts = [struct.pack("<Ii", MAGIC, len(resources))]
    for resource in resources:
        record = LAYERS[resource.type]
        parts += [struct.pack("<i", record.CODE), _string(resource.type), _string(resource.layer)]
        if record.PAYLOAD.named:
            parts.append(_string(resource.layer))
        if record.PAYLOAD is Payload.CONVOLUTION:
            parts.append(struct.pack("<i", len(resource.weights) - 1))
        parts += [_tensor(array) for array in resource.weights]
    return b"".join(parts)


def read_model(path: Path, network: Network) -> tuple[Resource, ...]:
    """Read the .tnnmodel file that belongs to a network.

    Raises:
        ExportError: names the file and the place where it is missing, cut, damaged or foreign, or
            the layer whose weights the network does not know.
    """
    if not path.exists():
        message = f"{path}: cannot be read (No such file); it belongs beside the .tnnproto file"
        raise ExportError(message)
    content = read_bounded(path, ".tnnmodel", _MAX_FILE_BYTES)
    try:
        resources = parse_model(content)
        _check_pair(resources, network)
    except ValueError as error:
        message = f"{path}: {error}"
        raise ExportError(message) from error
    return resources


def parse_model(content: bytes) -> tuple[Resource, ...]:
    """Read the bytes of a .tnnmodel file.

    Constants after the last layer are checked and left out: no layer that is read here uses one.

    Raises:
        ValueError: says at which byte the file is wrong and why.
    """
    cursor = _Cursor(content)
    mark = cursor.number("<I") if len(content) >= 8 else 0
    if mark == _MAGIC_V1:
        message = (
            "TNN format version 1, which is not read here; convert the model again with this tool "
            "or with a TNN of today"
        )
        raise ValueError(message)
    if mark != MAGIC:
        message = "no TNN format version 2 mark; this is no .tnnmodel file of this version"
        raise ValueError(message)
    count = cursor.number()
    if not 0 <= count < _MAX_RESOURCES:
        message = f"announces {count} layers with weights, TNN reads fewer than {_MAX_RESOURCES}"
        raise ValueError(message)
    resources = tuple(_parse_resource(cursor) for _ in range(count))
    _check_rest(cursor)
    return resources


def _check_rest(cursor: "_Cursor") -> None:
    """Read the constants that may follow the last layer."""
    place = cursor.position
    left = len(cursor.content) - place
    if not left:
        return
    if left < 8 or cursor.number("<I") != MAGIC:
        message = f"{left} bytes follow the last layer"
        raise ValueError(message)
    count = cursor.number()
    # A constant has at least the 16 bytes of a name's length and of an empty tensor.
    if not 0 <= count <= left // 16:
        message = f"damaged: announces {count} constants at byte {place}"
        raise ValueError(message)
    for _ in range(count):
        cursor.string()
        _parse_tensor(cursor, lowest_rank=0)
    if cursor.position != len(cursor.content):
        message = f"{len(cursor.content) - cursor.position} bytes follow the last constant"
        raise ValueError(message)


class _Cursor:
    """A position in the bytes that never runs past their end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.content):
            message = f"cut or damaged: {count} bytes wanted at byte {self.position}"
            raise ValueError(message)
        piece = self.content[self.position : end]
        self.position = end
        return piece

    def number(self, form: str = "<i") -> int:
        return int(struct.unpack(form, self.take(4))[0])

    def string(self) -> str:
        place = self.position
        try:
            return self.take(self.number()).decode()
        except UnicodeDecodeError as error:
            message = f"damaged: no text at byte {place}"
            raise ValueError(message) from error


def _parse_resource(cursor: _Cursor) -> Resource:
    place = cursor.position
    cursor.number()
    kind, layer = cursor.string(), cursor.string()
    if kind not in LAYERS:
        message = f"layer {layer[:40]!r} at byte {place} has type {kind[:40]!r}, not known here"
        raise ValueError(message)
    payload = LAYERS[kind].PAYLOAD
    if payload.named:
        cursor.string()
    count = payload.tensors
    if payload is Payload.CONVOLUTION:
        count += int(cursor.number() != 0)
    return Resource(kind, layer, tuple(_parse_tensor(cursor) for _ in range(count)))


def _parse_tensor(cursor: _Cursor, lowest_rank: int = 1) -> NDArray[Any]:
    place = cursor.position
    magic, code, size = cursor.number("<I"), cursor.number(), cursor.number()
    if magic == _MAGIC_V1:
        message = f"a tensor of TNN format version 1 at byte {place}; convert the model again"
        raise ValueError(message)
    if magic != MAGIC or code not in _DTYPES:
        message = f"damaged: no tensor of a known type at byte {place}"
        raise ValueError(message)
    dtype = _DTYPES[code]
    if size == 0:
        return np.empty(0, dtype)
    rank = cursor.number()
    if not lowest_rank <= rank <= _MAX_RANK:
        message = f"damaged: a tensor of rank {rank} at byte {place}"
        raise ValueError(message)
    dims = struct.unpack(f"<{rank}i", cursor.take(4 * rank))
    if min(dims, default=1) < 1 or math.prod(dims) * dtype.itemsize != size:
        message = f"damaged: dims {dims} do not fit {size} bytes at byte {place}"
        raise ValueError(message)
    return np.frombuffer(cursor.take(size), dtype).reshape(dims)


def _check_pair(resources: Sequence[Resource], network: Network) -> None:
    found = {resource.layer: (resource.type, len(resource.weights)) for resource in resources}
    wanted = {
        layer.name: (layer.record.TYPE, count)
        for layer in network.layers
        if (count := layer.record.weight_count(len(layer.inputs)))
    }
    different = sorted(name for name, _ in found.items() ^ wanted.items())
    if different or len(found) != len(resources):
        names = (
            ", ".join(ascii(name[:40])[1:-1] for name in different[:3])
            or "a layer that comes twice"
        )
        message = f"its weights are not those of the .tnnproto file beside it ({names})"
        raise ValueError(message)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<i", len(encoded)) + encoded


def _tensor(array: NDArray[Any]) -> bytes:
    values = np.ascontiguousarray(array)
    code = next(code for code, dtype in _DTYPES.items() if dtype == values.dtype)
    data = values.tobytes()
    head = struct.pack("<Iii", MAGIC, code, len(data))
    return head + struct.pack(f"<{1 + values.ndim}i", values.ndim, *values.shape) + data
