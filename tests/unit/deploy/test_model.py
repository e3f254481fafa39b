"""The binary file: round trip, and what a damaged or foreign file is answered with."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from topformer_cli.deploy.tnn.layers.activation import ReLU
from topformer_cli.deploy.tnn.layers.convolution import Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add
from topformer_cli.deploy.tnn.model import parse_model, read_model, write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.errors import ExportError

TENSORS = st.sampled_from([np.float32, np.float16, np.int8, np.int32]).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=5, max_side=4))
)
NAMES = st.text("abc/._-0é", min_size=1, max_size=12)
CONVOLUTIONS = st.builds(
    lambda name, weights: Resource("Convolution", name, tuple(weights)),
    NAMES,
    st.lists(TENSORS, min_size=1, max_size=2),
)
OTHERS = st.builds(
    lambda kind, name, weight: Resource(kind, name, (weight,)),
    st.sampled_from(["Add", "Sub", "Mul", "Div", "MatMul"]),
    NAMES,
    TENSORS,
)
WEIGHT, BIAS = np.ones((4, 3, 1, 1), np.float32), np.zeros(4, np.float32)
CONTENT = write_model(
    [Resource("Convolution", "c", (WEIGHT, BIAS)), Resource("Add", "a", (BIAS[None],))]
)


@given(st.lists(CONVOLUTIONS | OTHERS, max_size=4))
def test_reading_gives_back_what_was_written(resources: list[Resource]) -> None:
    content = write_model(resources)
    found = parse_model(content)
    assert [(r.type, r.layer) for r in found] == [(r.type, r.layer) for r in resources]
    for left, right in zip(found, resources, strict=True):
        for a, b in zip(left.weights, right.weights, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes()
    assert write_model(found) == content


def test_the_bytes_are_tnns() -> None:
    content = write_model([Resource("Add", "ab", (np.array([[1.5]], np.float32),))])
    assert content == bytes.fromhex(
        "0400bcfa 01000000 26000000 03000000 416464 02000000 6162"
        "0400bcfa 00000000 04000000 02000000 01000000 01000000 0000c03f"
    )


@given(st.integers(0, len(CONTENT) - 1))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"cut|mark"):
        parse_model(CONTENT[:length])


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255))
def test_a_changed_byte_never_crashes(place: int, byte: int) -> None:
    content = CONTENT[:place] + bytes([byte]) + CONTENT[place + 1 :]
    with contextlib.suppress(ValueError):
        assert len(parse_model(content)) <= 2


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_with_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_model(b"\x04\x00\xbc\xfa\x02\x00\x00\x00" + content)


def network(bias: int = 1, name: str = "c") -> Network:
    record = Convolution(1, 3, 4, 1, 1, 1, 1, 0, 0, bias)
    layers = (
        Layer(name, ("x",), (name,), record),
        Layer("r", (name,), ("r",), ReLU()),
        Layer("a", ("r",), ("a",), Add(1)),
    )
    return Network((Input("x", (1, 3, 8, 8)),), ("a",), layers)


def test_a_pair_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.tnnmodel"
    path.write_bytes(CONTENT)
    assert [resource.layer for resource in read_model(path, network())] == ["c", "a"]


@pytest.mark.parametrize("other", [network(bias=0), network(name="d")])
def test_weights_of_another_network_are_refused(tmp_path: Path, other: Network) -> None:
    path = tmp_path / "net.tnnmodel"
    path.write_bytes(CONTENT)
    with pytest.raises(ExportError, match=r"not those of the .tnnproto file beside it \(c"):
        read_model(path, other)


def test_messages_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.tnnmodel"
    with pytest.raises(ExportError, match=r"net.tnnmodel: cannot be read \(No such file"):
        read_model(path, network())
    path.write_bytes(b"something else entirely")
    with pytest.raises(ExportError, match=r"net.tnnmodel: no TNN format version 2 mark"):
        read_model(path, network())
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(ExportError, match="1 bytes follow the last layer"):
        read_model(path, network())


def test_constants_after_the_last_layer_are_read_over() -> None:
    int64 = np.array([1, -1], "<i8").tobytes()
    constants = (
        struct.pack("<Ii", 0xFABC0004, 2)
        + b"\x05\0\0\0shape"
        + struct.pack("<Iiiii", 0xFABC0004, 5, 16, 1, 2)
        + int64
        + b"\x01\0\0\0s"
        + struct.pack("<Iiii", 0xFABC0004, 0, 4, 0)
        + b"\0\0\0\0"
    )
    assert [one.layer for one in parse_model(CONTENT + constants)] == ["c", "a"]
    for length in range(1, len(constants)):
        with pytest.raises(
            ValueError, match=r"bytes follow the last layer|cut or damaged|announces"
        ):
            parse_model(CONTENT + constants[:length])
    with pytest.raises(ValueError, match="1 bytes follow the last constant"):
        parse_model(CONTENT + constants + b"x")
