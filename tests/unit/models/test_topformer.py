"""Sizes, shapes and the parts that only training has."""

import pytest
import torch

from tests.unit.models.conftest import MakeNetwork, make_spec
from topformer_cli.models.blocks import DropPath
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.models.topformer import pooled_size

PARAMETERS = {
    "tiny": (256_832, 1_037_056, 76_032, 19_734, 1_389_654),
    "small": (688_272, 2_120_064, 160_128, 66_198, 3_034_662),
    "base": (1_097_056, 3_586_048, 274_944, 104_598, 5_062_646),
}
"""The authors' models at 150 classes: pyramid, extractor, injection, head, all of it."""


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("size", SIZES)
def test_parameters_by_part_are_the_authors(size: SizeName) -> None:
    network = build_model(make_spec(size, classes=150))
    parts = (
        network.token_pyramid, network.semantics_extractor, network.semantics_injection,
        network.head, network,
    )  # fmt: skip
    assert tuple(count(part) for part in parts) == PARAMETERS[size]


def test_full_fuse_of_tiny_has_a_square_matrix_more() -> None:
    depthwise, full = (build_model(make_spec("tiny", fuse=fuse)) for fuse in ("depthwise", "full"))
    assert count(full) - count(depthwise) == 128 * 128 - 128


@pytest.mark.parametrize(
    ("size", "height", "width"),
    [("tiny", 512, 512), ("small", 448, 448), ("base", 480, 480), ("tiny", 480, 672)],
)
def test_shapes_of_every_stage(
    lively: MakeNetwork, size: SizeName, height: int, width: int
) -> None:
    network = lively(size)
    with torch.inference_mode():
        stages = network.stages(torch.zeros(1, 3, height, width))
    row = SIZES[size]
    assert [tuple(token.shape[1:]) for token in stages.tokens] == [
        (channels, height // stride, width // stride)
        for channels, stride in zip(row.token_channels, (4, 8, 16, 32), strict=True)
    ]
    assert stages.pooled is not None
    assert stages.semantics is not None
    pooled = (sum(row.token_channels), -(-height // 64), -(-width // 64))
    assert tuple(stages.pooled.shape[1:]) == tuple(stages.semantics.shape[1:]) == pooled
    assert [tuple(one.shape[1:]) for one in stages.injected] == [
        (row.width, height // stride, width // stride) for stride in (8, 16, 32)
    ]
    assert tuple(stages.logits.shape) == (1, 5, height // 8, width // 8)
    assert stages.logits.isfinite().all()


def test_images_of_a_batch_do_not_mix(lively: MakeNetwork) -> None:
    network = lively()
    images = torch.randn(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5 * float(alone.abs().max()))


@pytest.mark.parametrize(("side", "pooled"), [(1, 1), (2, 1), (3, 2), (15, 8), (16, 8), (21, 11)])
def test_pooled_sides_round_up(side: int, pooled: int) -> None:
    assert pooled_size(side, side) == (pooled, pooled)


def test_attention_branches_start_at_zero() -> None:
    network = build_model(make_spec())
    started = [
        name for name, p in network.named_parameters() if "bn.weight" in name and not p.any()
    ]
    assert started == [f"semantics_extractor.{n}.attention.project.bn.weight" for n in range(4)]
    assert network.head.classify.bias is not None
    assert not network.head.classify.bias.any()
    assert float(network.head.classify.weight.detach().std()) == pytest.approx(0.01, rel=0.2)


def test_drop_path_rises_to_its_rate_and_keeps_the_expectation() -> None:
    network = build_model(make_spec(), drop_path=0.3)
    rates = [one.rate for one in network.modules() if isinstance(one, DropPath)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    torch.manual_seed(3)
    dropped = DropPath(0.25).train()(torch.ones(4000, 2, 1, 1))
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.05)


def test_drop_path_is_nothing_in_evaluation() -> None:
    x = torch.randn(2, 3, 4, 4)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x
