"""The text file of a TNN network (.tnnproto), format version 2.

    "1 <blobs> 1 4206624772 ,"
    "<input> <rank> <dims> <dtype> : <input> ... ,"
    " <all blobs> ,"
    "<outputs> ,"
    " <number of layers> ,"
    "<Type> <name> <n inputs> <n outputs> <inputs> <outputs> <parameters> ,"   once a layer

Format: TNN's ModelInterpreter::InterpretProto. TNN drops quotes and line ends, splits at commas and
cuts a segment after 4095 characters without a word.
"""

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Final

from topformer_cli.deploy.tnn.files import read_bounded
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.network import Input, Layer, Network
from topformer_cli.errors import ExportError

MAGIC: Final = 0xFABC0004
"""Format version 2; the text file writes it in decimal."""

_MAGIC_V1: Final = 0xFABC0002
_MAX_SEGMENT: Final = 4095
_MAX_FILE_BYTES: Final = 64 << 20
_MAX_LAYERS: Final = 100_000
"""Far above any network; keeps what a hostile file costs to a few seconds."""
_MAX_RANK: Final = 8
_BLOB_LINE: Final = 2
_FIRST_LAYER: Final = 5
_TRIMMED: Final = "".join(map(chr, range(1, 0x21)))
"""What TNN takes from both ends of a word; a NUL ends its file."""


def write_proto(network: Network) -> str:
    """Return the text of a network.

    Raises:
        ExportError: a line is longer than TNN reads; names the layer.
    """
    blobs = network.blobs
    lines = [
        f"1 {len(blobs)} 1 {MAGIC} ,",
        " : ".join(_input_text(blob) for blob in network.inputs) + " ,",
        f" {' '.join(blobs)} ,",
        " ".join(network.outputs) + " ,",
        f" {len(network.layers)} ,",
        *map(_layer_text, network.layers),
    ]
    # The blob line is not looked at when loading, so that its length does no harm.
    for place, line in enumerate(lines):
        if len(line) - 1 > _MAX_SEGMENT and place != _BLOB_LINE:
            message = (
                f"line {place + 1} ({line[:40]}...) has {len(line)} characters, TNN reads "
                f"{_MAX_SEGMENT} of them; shorten the names or split the layer"
            )
            raise ExportError(message)
    return "".join(f'"{line}"\n' for line in lines)


def read_proto(path: Path) -> Network:
    """Read a .tnnproto file.

    Raises:
        ExportError: names the file and the place where it is missing, cut, damaged or foreign.
    """
    content = read_bounded(path, ".tnnproto", _MAX_FILE_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        message = f"{path}: cannot be read as a .tnnproto file (not text)"
        raise ExportError(message) from error
    try:
        return parse_proto(text)
    except ValueError as error:
        message = f"{path}: {error}"
        raise ExportError(message) from error


def parse_proto(text: str) -> Network:
    """Read the text of a .tnnproto file.

    Raises:
        ValueError: says which line is wrong and why.
    """
    segments = _segments(text)
    _check_header(segments[0])
    if len(segments) <= _FIRST_LAYER or segments[-1]:
        message = f"the file is cut: it ends in {text[-30:].strip()!r}"
        raise ValueError(message)
    layers = tuple(
        _parse_layer(segment, _FIRST_LAYER + i + 1)
        for i, segment in enumerate(segments[_FIRST_LAYER:-1])
    )
    if segments[4] != str(len(layers)):
        message = f"line 5: announces {segments[4][:20]!r} layers, the file has {len(layers)}"
        raise ValueError(message)
    inputs = tuple(_parse_input(words.split()) for words in segments[1].split(":"))
    network = Network(inputs, tuple(segments[3].split()), layers)
    _check_order(network)
    return network


def _segments(text: str) -> list[str]:
    """Divide the text as TNN does, and refuse what TNN would cut or misread."""
    if text.count(",") > _FIRST_LAYER + _MAX_LAYERS:
        message = f"more than {_MAX_LAYERS} layers; this is no .tnnproto file"
        raise ValueError(message)
    parts = text.replace('"', "").replace("\n", "").split(",")
    for place, part in enumerate(parts):
        if place != _BLOB_LINE and len(part.encode()) > _MAX_SEGMENT:
            message = (
                f"line {place + 1} ({part[:40].strip()!r}...) is longer than the {_MAX_SEGMENT} "
                "bytes that TNN reads"
            )
            raise ValueError(message)
    segments = [part.strip(_TRIMMED) for part in parts]
    for place, segment in enumerate(segments):
        if not segment.isprintable():
            wrong = next(character for character in segment if not character.isprintable())
            message = f"line {place + 1}: the character {wrong!r} stands between or inside words"
            raise ValueError(message)
    return segments


def _check_header(segment: str) -> None:
    header = segment.split(" ")
    mark = header[3] if len(header) == 4 else ""
    if mark == str(_MAGIC_V1):
        message = (
            "line 1: TNN format version 1, which is not read here; convert the model again with "
            "this tool or with a TNN of today"
        )
        raise ValueError(message)
    if mark != str(MAGIC):
        message = "line 1: no TNN format version 2 mark; this is no .tnnproto file of this version"
        raise ValueError(message)


def _input_text(blob: Input) -> str:
    return " ".join(map(str, (blob.name, len(blob.shape), *blob.shape, blob.dtype)))


def _layer_text(layer: Layer) -> str:
    counts = [str(len(layer.inputs)), str(len(layer.outputs))]
    words = [layer.record.TYPE, layer.name, *counts, *layer.inputs, *layer.outputs]
    return " ".join([*words, *layer.record.words(), ","])


def _parse_input(words: Sequence[str]) -> Input:
    numbers = [int(word) for word in words[1:] if word.isascii() and word.isdigit()]
    rank = numbers[0] if numbers else 0
    fits = len(numbers) == len(words) - 1 == rank + 2 and 0 < rank <= _MAX_RANK
    if not fits or not all(0 < size < 2**31 for size in numbers[1:-1]):
        message = f"line 2: input {' '.join(words)[:60]!r} is not 'name rank dims dtype'"
        raise ValueError(message)
    return Input(words[0], tuple(numbers[1:-1]), numbers[-1])


def _parse_layer(segment: str, line: int) -> Layer:
    words = segment.split()
    if len(words) < 4 or not all(word.isascii() and word.isdigit() for word in words[2:4]):
        message = f"line {line}: {segment[:60]!r} is not 'Type name inputs outputs ...'"
        raise ValueError(message)
    kind, name = words[:2]
    if kind not in LAYERS:
        message = (
            f"line {line}: layer {name[:40]!r} has type {kind[:40]!r}, which is not known here"
        )
        raise ValueError(message)
    end_inputs = 4 + int(words[2][:9])
    end = end_inputs + int(words[3][:9])
    if end > len(words):
        message = (
            f"line {line}: layer {name[:40]!r} announces more inputs and outputs than it names"
        )
        raise ValueError(message)
    try:
        record = LAYERS[kind].parse(words[end:])
    except ValueError as error:
        message = f"line {line}: layer {name[:40]!r} ({kind}): {error}"
        raise ValueError(message) from error
    return Layer(name, tuple(words[4:end_inputs]), tuple(words[end_inputs:end]), record)


def _check_order(network: Network) -> None:
    known = {blob.name for blob in network.inputs}
    if len(known) != len(network.inputs):
        message = "line 2: two inputs have the same name"
        raise ValueError(message)
    names: set[str] = set()
    for layer in network.layers:
        _check_layer(layer, names, known)
        names.add(layer.name)
        known.update(layer.outputs)
    missing = [name[:40] for name in network.outputs if name not in known]
    if missing or not network.outputs:
        message = f"line 4: outputs {missing[:3]} are made by no layer"
        raise ValueError(message)


def _check_layer(layer: Layer, names: Set[str], known: Set[str]) -> None:
    unknown = [name for name in layer.inputs if name not in known]
    twice = layer.name in names or not known.isdisjoint(layer.outputs)
    if unknown:
        problem = (
            f"reads {unknown[0][:40]!r} before it is made; if that is a constant of the .tnnmodel "
            "file, simplify the ONNX file and convert it again"
        )
    elif twice or len(set(layer.outputs)) != len(layer.outputs):
        problem = "comes twice, or one of its outputs does"
    else:
        return
    message = f"layer {layer.name[:40]!r} {problem}"
    raise ValueError(message)
