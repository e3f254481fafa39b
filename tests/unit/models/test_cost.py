"""Parameters and multiply-adds against the authors' network, counted by its own tools."""

import pytest
import torch

from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PARTS, cost_by_part
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName

# Millions of multiply-adds at 512x512 with 150 classes, and parameters: token pyramid, extractor,
# injection, head.
OFFICIAL: dict[SizeName, tuple[tuple[int, float], ...]] = {
    "tiny": ((256_832, 354.6), (1_037_056, 68.8), (76_032, 31.5), (19_734, 79.2)),
    "small": ((688_272, 634.3), (2_120_064, 139.4), (160_128, 69.6), (66_198, 269.0)),
    "base": ((1_097_056, 969.2), (3_586_048, 234.6), (274_944, 122.7), (104_598, 425.7)),
}
TOTALS: dict[tuple[SizeName, int], float] = {
    ("tiny", 512): 534.1, ("tiny", 448): 408.4, ("tiny", 480): 478.2,
    ("small", 512): 1112.3, ("small", 448): 850.8, ("base", 512): 1752.2, ("base", 480): 1569.8,
}  # fmt: skip


def _spec(size: SizeName) -> ModelSpec:
    return ModelSpec(
        size=size,
        fuse=SIZES[size].fuse,
        classes=tuple(str(index) for index in range(150)),
        palette=((0, 0, 0),) * 150,
        input_size=(512, 512),
        dataset="ade20k",
    )


@pytest.mark.parametrize("size", SIZES)
def test_each_part_costs_what_the_authors_does(size: SizeName) -> None:
    rows = cost_by_part(build_model(_spec(size)), 512, 512)
    parts = [
        title for name, title in PARTS.items() if name not in ("neck", "pool")
    ]  # other networks'
    assert [row.part for row in rows] == [*parts, "all"]
    for row, (parameters, millions) in zip(rows, OFFICIAL[size], strict=False):
        assert row.parameters == parameters
        assert row.multiply_adds / 1e6 == pytest.approx(millions, abs=0.11)


@pytest.mark.parametrize(("size", "side"), TOTALS)
def test_total_at_other_input_sizes(size: SizeName, side: int) -> None:
    total = cost_by_part(build_model(_spec(size)), side, side)[-1]
    assert total.multiply_adds / 1e6 == pytest.approx(TOTALS[size, side], abs=0.11)


MMCV: dict[SizeName, tuple[float, float]] = {
    "tiny": (576.5, 579.7), "small": (1164.6, 1169.3), "base": (1813.5, 1819.8),
}  # fmt: skip
"""What mmcv counts for the authors' network at 512x512, and that with attention's products."""


@pytest.mark.parametrize("size", SIZES)
def test_mmcvs_counter_finds_the_same(size: SizeName) -> None:
    *_, whole = cost_by_part(build_model(_spec(size)), 512, 512)
    found = (whole.by_mmcv / 1e6, whole.paper_multiply_adds / 1e6)
    assert found == pytest.approx(MMCV[size], abs=0.06)


def test_activations_are_what_operations_write() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.head = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Conv2d(4, 2, 1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.conv(images).transpose(2, 3))
            return found

    conv, head, whole = cost_by_part(Two(), 8, 16)
    assert (conv.activations, head.activations) == (4 * 4 * 128, 4 * 2 * 128)
    assert (conv.multiply_adds, head.multiply_adds) == (27 * 4 * 128, 4 * 2 * 128)
    assert (conv.by_mmcv, head.by_mmcv) == (28 * 4 * 128, (4 + 4 * 2 + 2) * 128)
    assert whole.activations == conv.activations + head.activations
