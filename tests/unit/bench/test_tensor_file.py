import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from topformer_cli.bench.formats.tensor_file import DTYPES, decode_outputs, fitting_outputs
from topformer_cli.errors import MeasurementError

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda name: hnp.arrays(np.dtype(name), SHAPES))
TENSORS = st.dictionaries(st.text(max_size=9), ARRAYS, min_size=1, max_size=3)


def file_of(tensors: dict[str, NDArray[np.generic]]) -> bytes:
    """Write tensors as the runners do."""
    announced = [
        {"name": name, "shape": list(one.shape), "dtype": str(one.dtype)}
        for name, one in tensors.items()
    ]
    values = b"".join(one.astype(one.dtype.newbyteorder("<")).tobytes() for one in tensors.values())
    return json.dumps({"outputs": announced}).encode() + b"\n" + values


@given(TENSORS)
def test_outputs_are_read_back(tensors: dict[str, NDArray[np.generic]]) -> None:
    decoded = decode_outputs(file_of(tensors))
    assert list(decoded) == list(tensors)
    for name, tensor in tensors.items():
        assert decoded[name].dtype == tensor.dtype
        np.testing.assert_array_equal(decoded[name], tensor)


@given(TENSORS, st.data())
def test_cut_and_longer_files_are_refused(
    tensors: dict[str, NDArray[np.generic]], data: st.DataObject
) -> None:
    content = file_of(tensors)
    kept = data.draw(st.integers(0, len(content) - 1))
    for damaged in (content[:kept], content + b"\0"):
        with pytest.raises(MeasurementError, match="output file"):
            decode_outputs(damaged)


@given(st.binary(max_size=200) | st.from_type(dict).map(lambda one: str(one).encode()))
def test_foreign_files_are_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(MeasurementError, match="output file") as caught:
        decode_outputs(content)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "head",
    [
        '{"outputs": []}',
        '{"outputs": [{"name": "a", "shape": [-1], "dtype": "float32"}]}',
        '{"outputs": [{"name": "a", "shape": [0.5], "dtype": "float32"}]}',
        '{"outputs": [{"name": "a", "shape": [1], "dtype": "object"}]}',
        '{"outputs": [{"name": "a", "shape": [9999999999, 9999999999], "dtype": "int8"}]}',
        '{"outputs": 3}',
        "[" * 100_000,
    ],
)
def test_heads_that_announce_nothing_are_refused(head: str) -> None:
    with pytest.raises(MeasurementError, match="output file"):
        decode_outputs(head.encode() + b"\n\0\0\0\0")


def test_output_that_fits_the_reference_is_taken() -> None:
    small = np.zeros((1, 2, 1, 1), np.float32)
    padded = np.arange(16, dtype=np.float32).reshape(1, 4, 2, 2)
    content = file_of({"other": small, "logits": padded})
    reference = np.zeros((1, 3, 2, 2), np.float32)
    np.testing.assert_array_equal(fitting_outputs(content, [reference]), [padded[:, :3]])
    labels = np.zeros((1, 2, 1, 1), np.int64)
    np.testing.assert_array_equal(fitting_outputs(content, [labels]), [small])
    both = fitting_outputs(content, [reference, labels])
    assert [one.shape for one in both] == [(1, 3, 2, 2), (1, 2, 1, 1)]
    foreign = np.zeros((1, 5), np.float32)
    assert [one.shape for one in fitting_outputs(content, [foreign])] == [(1, 2, 1, 1)]
    with pytest.raises(MeasurementError, match="gave 2 outputs, 3 are to be compared"):
        fitting_outputs(content, [reference, labels, labels])


def test_outputs_of_one_shape_keep_their_order() -> None:
    levels = {f"p{number}": np.full((1, 1), number, np.float32) for number in range(3)}
    wanted = list(levels.values())
    found = fitting_outputs(file_of(levels), wanted)
    np.testing.assert_array_equal(found, wanted)
