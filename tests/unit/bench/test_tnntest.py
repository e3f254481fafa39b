from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.fakes.runner_lines import call, done
from topformer_cli.bench.runners import tnntest
from topformer_cli.errors import DataError, MeasurementError
from topformer_cli.predictor import FloatArray

LINUX = (
    "I/tnn: Print [File test/timer.cc][Line 59] m.tnnproto - ARM                              "
    "TNN Benchmark time cost: min =  0.422   ms  |  max =  1.739   ms  |  avg =  0.530   ms \n"
)
ANDROID = (
    "I/tnn: void tnn::test::Timer::Print() [File test/timer.cc][Line 60] mobilenet_v2.tnnproto - "
    "ARM TNN Benchmark time cost: min = 31.929 ms | max = 33.771 ms | avg = 32.238 ms\n"
)
OLDER = "a.tnnproto   time cost: min = 54.099   ms  |  max = 55.0   ms  |  avg = 54.5   ms\n"

MILLISECONDS = st.integers(0, 10**7).map(lambda micro: micro / 1000)
ARRAYS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
    elements=st.floats(-1e6, 1e6, width=32),
)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=9)


def output_file(tensors: dict[str, FloatArray]) -> str:
    """Write tensors as TNNTest does: a count, a header each, then all values."""
    lines = [str(len(tensors))]
    for name, tensor in tensors.items():
        shape = " ".join(str(side) for side in tensor.shape)
        lines.append(f"{name} mat_type: 32 dims: {tensor.ndim} {shape}")
    lines += [f"{value:.6f}" for tensor in tensors.values() for value in tensor.ravel()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("line", "times"),
    [
        (LINUX, (0.422, 1.739, 0.530)),
        (ANDROID, (31.929, 33.771, 32.238)),
        (OLDER, (54.099, 55.0, 54.5)),
    ],
)
def test_real_lines_are_read(line: str, times: tuple[float, float, float]) -> None:
    one = tnntest.parse_round(done(f"other output\n{line}"), call(iterations=16))
    assert (one.min_ms, one.max_ms, one.mean_ms) == times
    assert (one.iterations, one.samples_ms) == (16, ())


@given(st.lists(MILLISECONDS, min_size=3, max_size=3).map(sorted), st.text(max_size=80))
def test_every_line_that_the_timer_can_print_is_read(times: list[float], noise: str) -> None:
    low, mean, high = times
    line = (
        f"{noise}\nI/tnn: Print [File test/timer.cc][Line 59] {'m.tnnproto - ARM':<45} "
        f"TNN Benchmark time cost: min = {f'{low:6.3f}':<8} ms  |  max = {f'{high:6.3f}':<8} ms  "
        f"|  avg = {f'{mean:6.3f}':<8} ms \n"
    )
    one = tnntest.parse_round(done(line), call())
    assert (one.min_ms, one.max_ms, one.mean_ms) == (low, high, mean)


@given(st.text(max_size=300), st.text(max_size=300))
def test_anything_else_is_a_failed_run_in_one_line(stdout: str, stderr: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        tnntest.parse_round(done(stdout, stderr), call())
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("times", ["inf inf inf", "nan nan nan", "3 2 1", "-1 2 1", "x y z"])
def test_times_that_are_none_are_refused(times: str) -> None:
    low, high, mean = times.split()
    line = f"time cost: min = {low} ms  |  max = {high} ms  |  avg = {mean} ms"
    with pytest.raises(MeasurementError, match="times that are none"):
        tnntest.parse_round(done(line), call())


def test_error_line_beats_the_time_line() -> None:
    with pytest.raises(MeasurementError, match=r"TNNTest failed: Forward failed: code: 0x2000"):
        tnntest.parse_round(done(LINUX, "E/tnn: Forward failed: code: 0x2000 msg: nil\n"), call())


@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3))
def test_output_files_are_read_back(tensors: dict[str, FloatArray]) -> None:
    decoded = tnntest.decode_outputs(output_file(tensors).encode())
    assert list(decoded) == list(tensors)
    for name, tensor in tensors.items():
        assert decoded[name].shape == tensor.shape
        np.testing.assert_allclose(decoded[name], tensor, rtol=1e-6, atol=1e-6)


@given(ARRAYS, st.data())
def test_cut_output_files_are_refused(tensor: FloatArray, data: st.DataObject) -> None:
    lines = output_file({"logits": tensor}).splitlines(keepends=True)
    kept = data.draw(st.integers(0, len(lines) - 1))
    with pytest.raises(MeasurementError, match="cut off"):
        tnntest.decode_outputs("".join(lines[:kept]).encode())


@given(st.binary(max_size=200))
def test_foreign_output_files_are_refused(content: bytes) -> None:
    with pytest.raises(MeasurementError, match="cut off"):
        tnntest.decode_outputs(content)


@given(ARRAYS)
def test_input_text_is_exact(inputs: FloatArray) -> None:
    lines = tnntest.encode_input(inputs).decode().splitlines()
    read = np.array([float(line) for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(read, inputs.ravel())


def test_input_that_the_reader_cannot_take_is_refused() -> None:
    with pytest.raises(MeasurementError, match="nan or inf"):
        tnntest.encode_input(np.array([1.0, np.nan], np.float32))


def test_arguments_are_counts_only() -> None:
    words = tnntest.arguments(call(warmup=3, warmup_s=9, iterations=7, seconds=9, threads=2))
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "-mt": "TNN", "-mp": "net.tnnproto", "-dt": "ARM", "-th": "2", "-wc": "3", "-ic": "7",
        "-it": "0", "-pr": "HIGH", "-ip": "input", "-op": "output",
    }  # fmt: skip
    assert "OPENCL" in tnntest.arguments(call(accelerator="gpu"))
    assert "X86" in tnntest.arguments(replace(call(), abi="x86_64"))
    assert "AUTO" in tnntest.arguments(call(precision="auto"))
    assert tnntest.tells(done(LINUX)) == {}


@given(ARRAYS)
def test_output_that_fits_the_reference_is_taken(tensor: FloatArray) -> None:
    other = np.zeros((9, 9), np.float32)
    content = output_file({"other": other, "logits": tensor}).encode()
    [found] = tnntest.fitting_outputs(content, [tensor])
    np.testing.assert_allclose(found, tensor, 1e-6, 1e-6)


def test_model_is_a_pair(tmp_path: Path) -> None:
    proto = tmp_path / "net.tnnproto"
    proto.write_text("a")
    with pytest.raises(DataError, match=r"net.tnnmodel does not exist"):
        tnntest.model_files(proto)
    (tmp_path / "net.tnnmodel").write_text("b")
    assert tnntest.model_files(proto) == (proto, tmp_path / "net.tnnmodel")
    with pytest.raises(DataError, match=r"affine.onnx is no .tnnproto"):
        tnntest.model_files(tmp_path / "affine.onnx")
