"""The text file: round trip, and what a damaged or foreign file is answered with."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.layers.activation import HardSigmoid, ReLU
from topformer_cli.deploy.tnn.layers.channels import Concat
from topformer_cli.deploy.tnn.layers.parts import PadV2
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.network import Input, Layer, Network
from topformer_cli.deploy.tnn.proto import parse_proto, read_proto, write_proto
from topformer_cli.errors import ExportError

INTEGERS = st.integers(-(2**31), 2**31 - 1)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: INTEGERS,
    float: st.floats(width=32, allow_nan=False, allow_infinity=False),
    tuple[int, ...]: st.lists(INTEGERS, max_size=6).map(tuple),
}
PADS = st.lists(st.tuples(INTEGERS, INTEGERS), max_size=5).map(
    lambda pairs: PadV2(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
)
RECORDS = st.sampled_from(list(LAYERS.values())).flatmap(
    lambda kind: (
        PADS
        if kind is PadV2
        else st.builds(kind, *(VALUES[field.type] for field in dataclasses.fields(kind)))
    )
)


def chain(records: list[LayerRecord]) -> Network:
    layers = tuple(
        Layer(f"y{i}", (f"y{i - 1}" if i else "x",), (f"y{i}",), record)
        for i, record in enumerate(records)
    )
    return Network((Input("x", (1, 3, 8, 8)),), (f"y{len(records) - 1}",), layers)


TEXT = write_proto(chain([ReLU(), HardSigmoid(1 / 6, 0.5), Concat(1)]))


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_reading_gives_back_what_was_written(records: list[LayerRecord]) -> None:
    network = chain(records)
    text = write_proto(network)
    assert parse_proto(text) == network
    assert write_proto(parse_proto(text)) == text


def test_the_text_is_tnns() -> None:
    assert TEXT.splitlines() == [
        '"1 4 1 4206624772 ,"',
        '"x 4 1 3 8 8 0 ,"',
        '" x y0 y1 y2 ,"',
        '"y2 ,"',
        '" 3 ,"',
        '"ReLU y0 1 1 x y0 ,"',
        '"HardSigmoid y1 1 1 y0 y1 0.16666667 0.5 ,"',
        '"Concat y2 1 1 y1 y2 1 ,"',
    ]


def test_trailing_parameters_take_tnns_defaults() -> None:
    assert LAYERS["Concat"].parse([]) == Concat(1)


@given(st.integers(0, len(TEXT) - 3))
def test_a_cut_file_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=r"line|cut"):
        parse_proto(TEXT[:length])


@given(st.text(max_size=200) | st.text('0123456789 ,":-.xyReLU\n', max_size=200))
def test_any_text_is_answered_with_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_proto(text)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from('09 ,":-.x\n'))
def test_a_changed_character_never_crashes(place: int, character: str) -> None:
    text = TEXT[:place] + character + TEXT[place + 1 :]
    with contextlib.suppress(ValueError):
        assert parse_proto(text).layers


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("4206624772", "4206624770", "version 1, which is not read here"),
        ("4206624772", "4206624771", "no TNN format version 2 mark"),
        ("x 4 1 3 8 8 0", "x 4 1 3 8 0", "'name rank dims dtype'"),
        ("x 4 1 3 8 8 0", "x 4 1 0 8 8 0", "'name rank dims dtype'"),
        ('" 3 ,"', '" 4 ,"', "announces '4' layers"),
        ('"y2 ,"', '"nobody ,"', r"outputs \['nobody'\]"),
        ("ReLU y0", "Frobnicate y0", "type 'Frobnicate', which is not known"),
        ("ReLU y0 1 1 x", "ReLU y0 9 1 x", "more inputs and outputs than it names"),
        (
            "ReLU y0 1 1 x",
            "ReLU y0 1 1 z",
            "reads 'z' before it is made; .* simplify the ONNX file",
        ),
        ("1 1 y1 y2 1", "1 1 y1 y2 one", "parameter axis is 'one'"),
        ("1 1 y1 y2 1", "1 1 y1 y2 1 7", "1 words too many, from '7'"),
        ("0.16666667", "1e39", "not a finite float32"),
        ("HardSigmoid y1 1 1 y0 y1", "HardSigmoid y0 1 1 y0 y0", "comes twice"),
    ],
)
def test_the_message_names_file_and_place(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in TEXT
    path = tmp_path / "net.tnnproto"
    path.write_text(TEXT.replace(before, after))
    with pytest.raises(ExportError, match=message) as caught:
        read_proto(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.tnnproto"
    with pytest.raises(ExportError, match="No such file"):
        read_proto(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExportError, match="not text"):
        read_proto(path)


def test_a_line_that_tnn_would_cut_is_refused() -> None:
    names = tuple(f"a_rather_long_name_of_a_value_{i}" for i in range(150))
    inputs = tuple(Input(name, (1, 1, 2, 2)) for name in names[:1])
    layers = (*(Layer(name, names[:1], (name,), ReLU()) for name in names[1:]),)
    short = Network(inputs, names[1:2], layers)
    assert len(write_proto(short).splitlines()[2]) > 4095
    joined = Layer("y", names, ("y",), Concat(1))
    with pytest.raises(ExportError, match="line 155"):
        write_proto(Network(inputs, ("y",), (*layers, joined)))
