"""Labels tile by tile are those of two bilinear resizes and argmax."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from topformer_cli.engine import resize
from topformer_cli.engine.kept_by_bytes import kept_by_bytes
from topformer_cli.engine.resize import resize_matrix, row_tiles, upsampled_labels

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))
LARGE = st.tuples(st.integers(1, 50), st.integers(1, 50))


@pytest.fixture(params=[64, 1 << 20], ids=["many tiles", "one tile"])
def tile_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resize, "TILE_ELEMENTS", request.param)
    row_tiles.cache_clear()


def interpolated(logits: Tensor, *sizes: tuple[int, int]) -> Tensor:
    wide = logits[None].double()
    for size in sizes:
        wide = F.interpolate(wide, size=size, mode="bilinear", align_corners=False)
    return wide[0]


def assert_same_labels(labels: Tensor, wide: Tensor) -> None:
    """Accept another label only where the two best logits are equal up to rounding."""
    assert labels.dtype == torch.uint8
    assert labels.shape == wide.shape[1:]
    chosen = wide.gather(0, labels[None].long())[0]
    assert float((wide.max(0).values - chosen).max()) <= 1e-5 * float(wide.abs().max())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes=st.integers(1, 8), start=SIDES, middle=LARGE, last=LARGE, seed=st.integers(0, 1000))
@pytest.mark.usefixtures("tile_elements")
def test_two_resizes_and_argmax(
    classes: int, start: tuple[int, int], middle: tuple[int, int], last: tuple[int, int], seed: int
) -> None:
    logits = torch.randn(classes, *start, generator=torch.Generator().manual_seed(seed))
    assert_same_labels(upsampled_labels(logits, middle, last), interpolated(logits, middle, last))
    assert_same_labels(upsampled_labels(logits, last), interpolated(logits, last))


def test_sizes_of_a_real_evaluation() -> None:
    logits = torch.randn(150, 64, 86, generator=torch.Generator().manual_seed(0))
    labels = upsampled_labels(logits, (512, 688), (438, 587))
    assert_same_labels(labels, interpolated(logits, (512, 688), (438, 587)))


def test_as_many_classes_as_fit_into_a_byte() -> None:
    logits = torch.zeros(255, 2, 2)
    logits[254] = 1
    assert (upsampled_labels(logits, (3, 3)) == 254).all()


@given(inputs=st.integers(1, 30), outputs=st.integers(1, 80))
def test_matrix_is_the_resize_of_one_axis(inputs: int, outputs: int) -> None:
    matrix = resize_matrix(inputs, outputs)
    assert torch.allclose(matrix.sum(1), torch.ones(outputs))
    assert int((matrix != 0).sum(1).max()) <= 2
    x = torch.randn(1, 1, inputs, generator=torch.Generator().manual_seed(outputs))
    expected = F.interpolate(x, size=outputs, mode="linear", align_corners=False)[0, 0]
    assert torch.allclose(matrix @ x[0, 0], expected, atol=1e-5)


def test_tiles_cover_every_row_once() -> None:
    tiles = row_tiles((5, 37), resize.TILE_ELEMENTS // 4)
    rows = [row for tile in tiles for row in range(tile.start, tile.stop)]
    assert rows == list(range(37))
    assert all(0 <= tile.low < tile.high <= 5 for tile in tiles)
    assert len(tiles) > 5


def test_many_sizes_of_large_photos_are_not_all_kept() -> None:
    resize_matrix.cache_clear()
    row_tiles.cache_clear()
    for height in range(2000, 2020):  # about 2 MB of tiles each
        row_tiles((8, height), resize.TILE_ELEMENTS)
    for height in range(8000, 8020):  # 3 MB each
        resize_matrix(96, height)
    for kept in (resize_matrix, row_tiles):
        assert 28 << 20 < kept.bytes <= 32 << 20
    assert resize_matrix(96, 8019) is resize_matrix(96, 8019)


def test_what_was_used_last_is_kept() -> None:
    made: list[int] = []

    @kept_by_bytes(10, len)
    def zeros(count: int) -> bytes:
        made.append(count)
        return bytes(count)

    for count in (4, 5, 4, 3, 4, 5, 11, 11):
        assert zeros(count) == bytes(count)
    assert made == [4, 5, 3, 5, 11, 11]
    assert zeros.bytes == 9
