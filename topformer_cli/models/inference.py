"""The inference form of a trained network: a copy with batch normalisation folded.

    W_folded = W * gamma / sqrt(variance + eps)
    b_folded = beta - mean * gamma / sqrt(variance + eps)

For export at a fixed input size the adaptive pooling becomes an average pooling where the size
divides, and two constant matrix products where it does not.
"""

import copy
import itertools
from collections.abc import Collection, Iterable
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from topformer_cli.errors import UsageError
from topformer_cli.models.blocks import ConvBN
from topformer_cli.models.topformer import TokenPooling, Trunk, pooled_size

Network = TypeVar("Network", bound=nn.Module)


def fold_batchnorm(network: Network) -> Network:
    """Return a copy in evaluation mode with every batch normalisation in its convolution."""
    folded = copy.deepcopy(network).eval()
    for name, module in list(folded.named_modules()):
        if isinstance(module, ConvBN):
            parent, _, child = name.rpartition(".")
            setattr(folded.get_submodule(parent), child, fuse_conv_bn_eval(module.conv, module.bn))
        elif isinstance(module, nn.Sequential):
            _fold_neighbours(module)
    return folded.requires_grad_(requires_grad=False)


def _fold_neighbours(sequence: nn.Sequential) -> None:
    """Fold each batch normalisation that follows a convolution, as torchvision's networks have it.

    The others keep their names.
    """
    for (name, one), (after, other) in itertools.pairwise(list(sequence.named_children())):
        if isinstance(one, nn.Conv2d) and isinstance(other, _BatchNorm):
            setattr(sequence, name, fuse_conv_bn_eval(one, other))
            delattr(sequence, after)


def fix_input_size(network: Network, height: int, width: int) -> Network:
    """Return the folded copy for one input size; token pooling is made of plain operators.

    Raises:
        UsageError: a side is not a positive multiple of 32.
    """
    check_input_size(height, width)
    fixed = fold_batchnorm(network)
    if isinstance(fixed, Trunk):
        _fix_pooling(fixed, height, width)
    else:
        _fix_bins(fixed, height, width)
    return fixed


def _fix_pooling(trunk: Trunk, height: int, width: int) -> None:
    """Replace what pools to a size that depends on the input, in place."""
    sizes = [(height // stride, width // stride) for stride in (4, 8, 16, 32)]
    (pooling,) = (one for one in trunk.pool.modules() if isinstance(one, TokenPooling))
    step = pooling.stride // 32
    rows, columns = sizes[-1]
    if pooling.windows:
        target = max(rows // step, 1), max(columns // step, 1)
        windows = [(min(step, rows) * 2**n, min(step, columns) * 2**n) for n in (3, 2, 1, 0)]
        pools: list[nn.Module] = [nn.AvgPool2d(window) for window in windows]
    else:
        target = pooled_size(rows, columns, pooling.stride)
        pools = [_fixed_pool(size, target) for size in sizes]
    fixed = FixedTokenPooling(pools[-pooling.scales :])
    if trunk.pool is pooling:
        trunk.pool = fixed
    else:
        trunk.pool.pool = fixed
    for module in trunk.semantics_extractor.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d):
                bins = child.output_size
                assert isinstance(bins, int), f"{name} pools to {bins}"
                setattr(module, name, _fixed_pool(target, (bins, bins)))


def _fix_bins(network: nn.Module, height: int, width: int) -> None:
    """Replace adaptive pooling to more than the mean, as PSPNet's, in place."""
    bins = {
        name: module.output_size
        for name, module in network.named_modules()
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size != 1
    }
    for name, size in _sizes_reaching(network, bins, (height, width)).items():
        target = bins[name]
        assert isinstance(target, int), f"{name} pools to {target}"
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, _fixed_pool(size, (target, target)))


def _sizes_reaching(
    network: nn.Module, names: Collection[str], input_hw: tuple[int, int]
) -> dict[str, tuple[int, int]]:
    """Return the sizes of the maps that some modules get."""
    found: dict[str, tuple[int, int]] = {}
    if not names:
        return found
    sketch = copy.deepcopy(network).to("meta")
    for name in names:

        def note(_: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
            found[name] = (inputs[0].shape[2], inputs[0].shape[3])

        sketch.get_submodule(name).register_forward_pre_hook(note)
    with torch.no_grad():
        sketch(torch.zeros(1, 3, *input_hw, device="meta"))
    return found


def check_input_size(height: int, width: int) -> None:
    """Refuse an input size the network cannot take.

    Raises:
        UsageError: a side is not a positive multiple of 32; names the nearest sizes that are.
    """
    if height < 32 or width < 32 or height % 32 or width % 32:
        nearest = "x".join(str(max(32, round(side / 32) * 32)) for side in (height, width))
        message = (
            f"input size {height}x{width}: both sides must be multiples of 32; "
            f"the nearest such size is {nearest}"
        )
        raise UsageError(message)


class FixedTokenPooling(nn.Module):
    """TokenPooling for tokens of known sizes: a pool for each of the coarsest scales."""

    def __init__(self, pools: Iterable[nn.Module]) -> None:
        super().__init__()
        self.pools = nn.ModuleList(pools)

    def forward(self, tokens: list[Tensor]) -> Tensor:
        """Map tokens to [B, sum of channels, H / stride, W / stride]."""
        taken = zip(self.pools, tokens[-len(self.pools) :], strict=True)
        return torch.cat([pool(x) for pool, x in taken], dim=1)


def _fixed_pool(size: tuple[int, int], target: tuple[int, int]) -> nn.Module:
    if size == target:
        return nn.Identity()
    if size[0] % target[0] == 0 and size[1] % target[1] == 0:
        return nn.AvgPool2d((size[0] // target[0], size[1] // target[1]))
    return MatrixPool(size, target)


class MatrixPool(nn.Module):
    """Average pooling with uneven bins, as A_h x A_w^T with constant matrices."""

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("rows", pooling_matrix(size[0], target[0]))
        self.register_buffer("columns", pooling_matrix(size[1], target[1]).t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Pool [B, C, H, W] to [B, C, h, w]; the width first, which shrinks the second product."""
        return torch.matmul(self.rows, torch.matmul(x, self.columns))


def pooling_matrix(inputs: int, outputs: int) -> Tensor:
    """Return the [outputs, inputs] matrix of adaptive average pooling along one axis."""
    return F.adaptive_avg_pool1d(torch.eye(inputs)[None], outputs)[0].t().contiguous()
