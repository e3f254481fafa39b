"""Files that were made to do harm: an error of one line, soon, and in little memory."""

import contextlib
import os
import resource
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topformer_cli.deploy.tnn.describe import describe
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers.activation import HardSigmoid, HardSwish, ReLU
from topformer_cli.deploy.tnn.layers.channels import Concat, SplitV
from topformer_cli.deploy.tnn.layers.convolution import Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Mul
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, MAXIMUM, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape
from topformer_cli.deploy.tnn.layers.softmax import Softmax
from topformer_cli.deploy.tnn.layers.upsample import BILINEAR, NEAREST, Upsample
from topformer_cli.deploy.tnn.model import parse_model, write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.proto import parse_proto, write_proto
from topformer_cli.errors import ExportError

HUGE = 2**31 - 1
CONV = Convolution(1, 3, 4, 3, 3, 2, 2, 1, 1, 1)
RECORDS: tuple[LayerRecord, ...] = (
    CONV,
    Pooling(AVERAGE, 2, 2, 2, 2, 0, 0),
    Upsample(BILINEAR, 0, 0, 0, 6, 6),
    SplitV(1, (1, 3)),
    Concat(1),
    Reshape(0, 3, (1, 4, 36)),
    Permute((0, 2, 1)),
    MatMul(-1),
    Softmax(2),
    Add(1),
)
LAYERS = (
    Layer("c", ("x",), ("c",), RECORDS[0]),
    Layer("p", ("c",), ("p",), RECORDS[1]),
    Layer("u", ("p",), ("u",), RECORDS[2]),
    Layer("s", ("u",), ("s1", "s2"), RECORDS[3]),
    Layer("k", ("s2", "s1"), ("k",), RECORDS[4]),
    Layer("r", ("k",), ("r",), RECORDS[5]),
    Layer("t", ("r",), ("t",), RECORDS[6]),
    Layer("m", ("r", "t"), ("m",), RECORDS[7]),
    Layer("f", ("m",), ("f",), RECORDS[8]),
    Layer("a", ("f",), ("a",), RECORDS[9]),
)
TEXT = write_proto(Network((Input("x", (1, 3, 16, 16)),), ("a", "u"), LAYERS))
WEIGHT, BIAS = np.ones((4, 3, 3, 3), np.float32), np.zeros(4, np.float32)
CONTENT = write_model(
    [
        Resource("Convolution", "c", (WEIGHT, BIAS)),
        Resource("Add", "a", (np.ones((1, 1, 4), np.float32),)),
    ]
)
WORDS = TEXT.split(" ")
NASTY = st.sampled_from(
    ["0", "-1", "-7", str(HUGE), str(-(2**31)), str(2**31), "9" * 4000, "4097", "nan", "1e38", ""]
)


def check_survives(folder: Path, text: str | bytes, content: bytes = CONTENT) -> str | None:
    """Load, compute and describe a pair; returns the message it was refused with."""
    proto = folder / "net.tnnproto"
    proto.write_bytes(text if isinstance(text, bytes) else text.encode())
    proto.with_suffix(".tnnmodel").write_bytes(content)
    with contextlib.suppress(ExportError):
        describe(proto)
    try:
        loaded = load_tnn(proto)
        feeds = {one.name: np.ones(one.shape, np.float32) for one in loaded.network.inputs}
        run_tnn(loaded, feeds)
    except ExportError as error:
        message = str(error)
        assert len(message.splitlines()) == 1
        assert message.startswith(str(folder / "net.tnn"))
        assert len(message) < len(str(folder)) + 600
        return message
    return None


def network(*records: LayerRecord, shape: tuple[int, ...] = (1, 3, 16, 16)) -> str:
    """Return a chain as text; a MatMul takes its input twice."""
    layers = []
    name = "x"
    for index, record in enumerate(records):
        inputs = (name,) * (2 if isinstance(record, MatMul) else 1)
        name = f"y{index}"
        layers.append(Layer(name, inputs, (name,), record))
    return write_proto(Network((Input("x", shape),), (name,), tuple(layers)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    # The first sketch loads parts of torch that have no share in what is timed below.
    assert check_survives(folder, TEXT) is None
    return folder


@settings(max_examples=150, derandomize=True)
@given(st.integers(0, len(WORDS) - 1), NASTY)
def test_any_word_may_be_anything(folder: Path, place: int, word: str) -> None:
    changed = [*WORDS]
    changed[place] = word + "\n" * changed[place].endswith("\n")
    check_survives(folder, " ".join(changed))


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), max_size=4))
def test_any_byte_of_the_text_may_be_anything(folder: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(TEXT.encode())
    for place, byte in changes:
        content[place] = byte
    check_survives(folder, bytes(content))


@settings(max_examples=100, derandomize=True)
@given(st.integers(0, len(CONTENT) - 4), st.binary(min_size=4, max_size=4))
def test_any_number_of_the_weights_may_be_anything(folder: Path, place: int, word: bytes) -> None:
    check_survives(folder, TEXT, CONTENT[:place] + word + CONTENT[place + 4 :])


@given(st.text(max_size=60), st.integers(0, len(TEXT)))
def test_any_text_may_stand_anywhere(text: str, place: int) -> None:
    try:
        read = parse_proto(TEXT[:place] + text + TEXT[place:])
    except ValueError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - a network is right too
    else:
        assert parse_proto(write_proto(read)) == read


def test_both_files_may_be_cut_at_every_byte(folder: Path) -> None:
    for length in range(len(TEXT) - 2):
        with pytest.raises(ValueError, match=r"."):
            parse_proto(TEXT[:length])
    for length in range(len(CONTENT)):
        with pytest.raises(ValueError, match=r"."):
            parse_model(CONTENT[:length])
    assert "cut or damaged" in str(check_survives(folder, TEXT, CONTENT[:-5]))


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([Upsample(NEAREST, 0, 0, 0, HUGE, HUGE)], "overflow|4 GiB"),
        ([Upsample(BILINEAR, 0, 0, 0, 60_000, 60_000)], "more than 4 GiB of values"),
        ([Upsample(BILINEAR, 0, 0, 0, 1, -3)], "."),
        ([Upsample(NEAREST, 0, 0, 0, 9000, 9000), *[ReLU()] * 100], "1e.12 multiply-adds"),
        ([Pooling(MAXIMUM, 2, 2, 1, 1, HUGE, HUGE)], "pad should be at most half|4 GiB|overflow"),
        ([Pooling(AVERAGE, 2, 2, 0, 1, 0, 0)], "stride_h is 0, the lowest is 1"),
        ([Pooling(AVERAGE, -2, 2, 1, 1, 0, 0)], "kernel_h is -2"),
        (
            [Upsample(NEAREST, 0, 0, 0, 8000, 8000), Pooling(AVERAGE, 4000, 4000, 1, 1, 0, 0)],
            "layer 'y1' .Pooling.: more than 1e.12 multiply-adds",
        ),
        ([Reshape(0, 2, (HUGE, HUGE))], "invalid for input of size 768"),
        ([Reshape(0, 3, (-1, -1, 1))], "one dimension"),
        ([Reshape(0, 9, (0,) * 9)], "."),
        ([Reshape(0, 2, (768, 1)), MatMul(-1)], "."),
        ([Permute((0, 0, 0, 0))], "."),
        ([Softmax(HUGE)], "."),
        ([SplitV(1, (HUGE, HUGE))], "."),
        ([SplitV(-(2**31), (1, 2))], "."),
        ([Concat(77)], "."),
    ],
)
def test_layers_that_ask_for_too_much(
    folder: Path, records: list[LayerRecord], reason: str
) -> None:
    start = time.process_time()
    message = check_survives(folder, network(*records), write_model([]))
    assert message is not None
    assert time.process_time() - start < 20
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(message)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Convolution(0, 3, 4, 3, 3, 1, 1, 1, 1, 1), "group is 0, the lowest is 1"),
        (Convolution(1, 3, 4, 3, 3, 0, 1, 1, 1, 1), "stride_h is 0"),
        (Convolution(1, 3, 4, 3, 3, 1, 1, -1, 1, 1), "pad_h is -1"),
        (Convolution(1, 3, 4, 3, 3, 1, 1, 1, 1, 1, -1, 0, 1), "dilation_h is 0"),
        (Convolution(1, 3, 4, 3, 3, 1, 1, HUGE, HUGE, 1), "overflow|4 GiB"),
        (Convolution(1, 3, 4, 3, 3, 1, 1, 20_000, 20_000, 1), "4 GiB"),
        (Convolution(1, 3, HUGE, HUGE, HUGE, 1, 1, 1, 1, 1), "the text says"),
    ],
)
def test_convolutions_that_torch_would_take_or_not(
    folder: Path, record: Convolution, reason: str
) -> None:
    content = write_model([Resource("Convolution", "y0", (WEIGHT, BIAS))])
    message = check_survives(folder, network(record), content)
    assert message is not None
    with pytest.raises(AssertionError, match=f"layer 'y0' .Convolution.: .*({reason})"):
        raise AssertionError(message)


def test_a_product_that_repeats_its_operands(folder: Path) -> None:
    inputs = (Input("x", (9000, 1, 1, 9000)), Input("y", (1, 9000, 9000, 1)))
    product = Layer("z", ("x", "y"), ("z",), MatMul(-1))
    message = check_survives(
        folder, write_proto(Network(inputs, ("z",), (product,))), write_model([])
    )
    assert "layer 'z' (MatMul): more than" in str(message)


def test_many_values_at_one_time(folder: Path) -> None:
    layers = [Layer(f"y{i}", ("x",), (f"y{i}",), Mul(1)) for i in range(10)]
    network_ = Network((Input("x", (1, 1, 12_000, 12_000)),), ("y0",), tuple(layers))
    keep = Layer("k", tuple(one.name for one in layers), ("k",), Concat(1))
    kept = Network(network_.inputs, ("k",), (*layers, keep))
    weights = write_model([Resource("Mul", one.name, (BIAS[:1],)) for one in layers])
    message = check_survives(folder, write_proto(kept), weights)
    assert "more than 4 GiB of values at one time" in str(message)


def test_an_input_alone_may_be_too_large(folder: Path) -> None:
    text = network(ReLU(), shape=(HUGE, HUGE, HUGE, HUGE))
    assert "input 'x' of shape" in str(check_survives(folder, text, write_model([])))


HEAD = '"1 1 1 4206624772 ,"\n"x 4 1 3 8 8 0 ,"\n" x y ,"\n"y ,"\n" 1 ,"\n'
RAW = struct.pack("<Ii", 0xFABC0004, 1) + struct.pack("<i", 38) + b"\3\0\0\0Add\1\0\0\0a"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("," * 3_000_000, "more than 100000 layers"),
        (HEAD + '"' + "ReLU y 1 1 x y " * 100_000 + ',"\n', "longer than the 4095 bytes"),
        (HEAD + '"ReLU ' + "y" * 1_000_000 + ' 1 1 x y ,"\n', "longer than the 4095 bytes"),
        (HEAD + f'"SplitV y 1 1 x y 1 {HUGE} 1 ,"\n', "announces 2147483647 items, 1 left"),
        (HEAD + f'"ReLU y {HUGE} {HUGE} x y ,"\n', "more inputs and outputs than it names"),
        (HEAD + '"ReLU y 1 1 x y\0 ,"\n', r"the character '\\x00'"),
        (HEAD + '"ReLU y\x1b[31m 1 1 x y ,"\n', r"the character '\\x1b'"),
        (HEAD + '"ReLU y\u202e 1 1 x y ,"\n', r"the character '\\u202e'"),
        (HEAD + '"SplitV y 1 2 x y y 1 2 1 2 ,"\n', "comes twice, or one of its outputs"),
        (HEAD.replace('"x 4 1 3 8 8 0', '"x 4 1 3 8 8 0 : x 4 1 3 8 8 0'), "."),
        (HEAD.replace("4206624772", "4206624770"), "format version 1"),
        ("\ufeff" + HEAD, r"the character .\\ufeff"),
    ],
)
def test_texts_that_are_refused_at_once(folder: Path, text: str, reason: str) -> None:
    start = time.process_time()
    message = str(check_survives(folder, text, write_model([])))
    assert time.process_time() - start < 5
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(message)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (struct.pack("<Ii", 0xFABC0004, HUGE), "announces 2147483647 layers"),
        (struct.pack("<Ii", 0xFABC0004, -1), "announces -1 layers"),
        (struct.pack("<Ii", 0xFABC0002, 1), "format version 1"),
        (RAW[:-5] + struct.pack("<i", HUGE), "2147483647 bytes wanted"),
        (RAW[:-5] + struct.pack("<i", -4), "-4 bytes wanted"),
        (RAW + struct.pack("<Iiii", 0xFABC0004, 0, 4, HUGE), "rank 2147483647"),
        (RAW + struct.pack("<Iiiiii", 0xFABC0004, 0, 4, 2, HUGE, HUGE), "do not fit"),
        (RAW + struct.pack("<Iiiiii", 0xFABC0004, 0, 4, 2, -1, -1), "do not fit"),
        (RAW + struct.pack("<Iii", 0xFABC0002, 0, 4), "version 1 at byte"),
        (RAW + struct.pack("<Iii", 0xFABC0004, 4, 4), "no tensor of a known type"),
        (struct.pack("<IiIi", 0xFABC0004, 0, 0xFABC0004, HUGE), "announces 2147483647 constants"),
        (RAW.replace(b"\1\0\0\0a", b"\2\0\0\0\n\xff"), "no text"),
    ],
)
def test_weights_that_are_refused_at_once(folder: Path, content: bytes, reason: str) -> None:
    message = str(check_survives(folder, TEXT, content))
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(message)


def test_weights_of_layers_with_strange_names_are_told_in_one_line(folder: Path) -> None:
    strange = Resource("Add", "a\n\x1b[2J" + "b" * 5000, (BIAS,))
    message = str(check_survives(folder, TEXT, write_model([strange])))
    assert r"a\n\x1b[2Jbbb" in message


def test_pipes_and_folders_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.tnnproto")
    for path in (tmp_path / "net.tnnproto", tmp_path, Path("/dev/zero"), tmp_path / "a\0b"):
        with pytest.raises(ExportError, match=r"cannot be read as a \.tnnproto file"):
            load_tnn(path)


@pytest.mark.parametrize("count", [200, 2_000])
def test_long_networks_take_time_by_their_length(folder: Path, count: int) -> None:
    text = network(*[ReLU()] * count, shape=(1, 1, 2, 2))
    start = time.process_time()
    assert check_survives(folder, text, write_model([])) is None
    assert time.process_time() - start < 10


def test_missing_parameters_at_the_end_are_what_tnn_takes_for_them() -> None:
    assert HardSigmoid.parse(["0.25"]) == HardSigmoid(0.25, 0)
    assert HardSwish.parse([]) == HardSwish(1, 0)
    short = ["1", "3", "8", "3", "3", "1", "1", "1", "1"]
    # TNN takes 0, that is SAME, for a padding type that is missing: not what it takes for -1.
    assert Convolution.parse(short) == Convolution(1, 3, 8, 3, 3, 1, 1, 1, 1, 0, 0)
    assert Pooling.parse(["1", *"222200"]) == Pooling(1, 2, 2, 2, 2, 0, 0, -1, -1, 0)
    with pytest.raises(ValueError, match="parameter pad_w is missing"):
        Convolution.parse(short[:-1])


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


BOMBS: tuple[Callable[[], str], ...] = (
    lambda: network(Upsample(NEAREST, 0, 0, 0, 30_000, 30_000)),
    lambda: network(Upsample(BILINEAR, 0, 0, 0, 60_000, 60_000)),
    lambda: network(Reshape(0, 2, (1, -1)), ReLU(), shape=(16, 1024, 1024, 1024)),
    lambda: "a a " * 4_000_000,
)


def test_what_is_refused_takes_no_memory(folder: Path) -> None:
    before = peak_mib()
    for bomb in BOMBS:
        assert check_survives(folder, bomb(), write_model([])) is not None
    assert peak_mib() - before < 300
