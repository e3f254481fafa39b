"""The operations of a network as mmcv's counter has them, which mmdetection counts with.

Facts of open-mmlab/mmcv, mmcv/cnn/utils/flops_counter.py: a multiplication with its addition is
one, a bias one more; a batch normalisation takes two for each value, an activation one; matrix
products outside of layers are not seen. Pooling is left out here: it is a hundredth of the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

ACTIVATIONS = ("relu", "relu_", "hardtanh", "hardtanh_", "hardswish", "hardswish_",
               "hardsigmoid", "hardsigmoid_")  # fmt: skip


class Counter(TorchDispatchMode):
    """Counts what is computed inside."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name == "convolution":
            weight, bias = args[1], args[2]
            self.total += found.numel() * (weight[0].numel() + (bias is not None))
        elif "batch_norm" in name:
            self.total += 2 * args[0].numel()
        elif name in ACTIVATIONS:
            self.total += found.numel()
        return found


def counted(network: nn.Module, run: Callable[[Tensor], object], height: int, width: int) -> float:
    """Count what a function of a network does with one image, in 10^9; it goes to meta."""
    network.eval().to("meta")
    with torch.no_grad(), Counter() as counter:
        run(torch.zeros(1, 3, height, width, device="meta"))
    return counter.total / 1e9
