"""How a global batch is shared out among processes and parts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.data.order import Portion
from topformer_cli.engine.processes.division import Division, divide
from topformer_cli.errors import RecipeError

SIZES = st.integers(1, 200)


@given(batch=SIZES, most=st.one_of(st.just("auto"), SIZES), processes=st.integers(1, 16))
def test_a_batch_is_shared_out_or_the_numbers_named_work(
    batch: int, most: int | str, processes: int
) -> None:
    try:
        found = divide(batch, most, processes)  # type: ignore[arg-type]
    except RecipeError as error:
        text = str(error)
        for value in numbers(text, "batch"):
            divide(value, most if batch % processes == 0 else "auto", processes)  # type: ignore[arg-type]
        for value in numbers(text, "device_batch"):
            assert divide(batch, value, processes).images == value
        assert numbers(text, "batch")
        return
    assert found.processes * found.parts * found.images == batch
    assert found.processes == processes
    assert most == "auto" or found.images <= int(most)
    assert most != "auto" or found.parts == 1


def numbers(text: str, key: str) -> list[int]:
    match = re.search(rf"-o {key}=(\d+)(?: or (\d+))?", text)
    return [int(value) for value in match.groups() if value] if match else []


@pytest.mark.parametrize(
    ("batch", "most", "processes", "words"),
    [
        (16, "auto", 3, "batch 16 .* among 3 processes; take -o batch=15 or 18"),
        (16, 3, 2, "the 8 images .* not 3 parts .* device_batch 3; .*=2 or 4, .*=12 or 18"),
    ],
)  # fmt: skip
def test_refusals_name_what_works(batch: int, most: int, processes: int, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        divide(batch, most, processes)


def test_a_division_is_told() -> None:
    assert str(Division(2, 1, 4)) == "2 processes x 1 part x 4 images"


@given(images=st.integers(1, 8), size=st.integers(1, 8), parts=st.integers(1, 8))
def test_parts_are_neighbours_and_together_the_batch(images: int, size: int, parts: int) -> None:
    batch = images * size * parts
    by_part = [
        [place for rank in range(size) for place in Portion(rank, size, parts).of(part, batch)]
        for part in range(parts)
    ]
    assert [place for part in by_part for place in part] == list(range(batch))
    # As many parts by one process are of the same images.
    assert by_part == [list(Portion(0, 1, parts).of(part, batch)) for part in range(parts)]
