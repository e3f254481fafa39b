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

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.network import Input, Layer, Network
from topformer_cli.errors import ExportError

MAGIC: Final = 0xFABC0004
"""Format version 2; the text file writes it in decimal."""

_MAX_SEGMENT: Final = 4095
_MAX_FILE_BYTES: Final = 64 << 20
_MAX_RANK: Final = 8
_FIRST_LAYER: Final = 5


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
        if len(line) - 1 > _MAX_SEGMENT and place != 2:
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
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            message = f"{path}: larger than {_MAX_FILE_BYTES >> 20} MiB, this is no .tnnproto file"
            raise ExportError(message)
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        message = f"{path}: cannot be read as a .tnnproto file ({reason})"
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
    segments = [part.strip() for part in text.replace('"', "").replace("\n", "").split(",")]
    header = segments[0].split()
    if len(header) != 4 or header[3] != str(MAGIC):
        message = "line 1: no TNN format version 2 mark; this is no .tnnproto file of this version"
        raise ValueError(message)
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
        message = f"line {line}: layer {name!r} has type {kind!r}, which is not known here"
        raise ValueError(message)
    end_inputs = 4 + int(words[2][:9])
    end = end_inputs + int(words[3][:9])
    if end > len(words):
        message = f"line {line}: layer {name!r} announces more inputs and outputs than it names"
        raise ValueError(message)
    try:
        record = LAYERS[kind].parse(words[end:])
    except ValueError as error:
        message = f"line {line}: layer {name!r} ({kind}): {error}"
        raise ValueError(message) from error
    return Layer(name, tuple(words[4:end_inputs]), tuple(words[end_inputs:end]), record)


def _check_order(network: Network) -> None:
    known = {blob.name for blob in network.inputs}
    names: set[str] = set()
    for layer in network.layers:
        unknown = [name for name in layer.inputs if name not in known]
        if unknown or layer.name in names or known & set(layer.outputs):
            problem = f"reads {unknown[0]!r} before it is made" if unknown else "comes twice"
            message = f"layer {layer.name!r} {problem}"
            raise ValueError(message)
        names.add(layer.name)
        known.update(layer.outputs)
    missing = [name for name in network.outputs if name not in known]
    if missing or not network.outputs:
        message = f"line 4: outputs {missing} are made by no layer"
        raise ValueError(message)
