"""PP-MobileSeg's tensors under PaddleSeg's names, and its forward pass written again under them.

From PaddlePaddle/PaddleSeg d7975e7: paddleseg/models/pp_mobileseg.py, backbones/strideformer.py and
mobilenetv3.py (for the hard sigmoid), configs/pp_mobileseg.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from tests.fakes.seaformer import HEAD, PADDLE, Forward, block_name

HEADS = {"tiny": 4, "base": 8}
STRIDES = ((1, 2, 1), (2, 1), (2, 1), (2, 1))
HARD_FROM = 2
"""The first stage whose blocks have hard swish, and not ReLU."""

BRANCHES = {
    "expand.conv": "expand_conv.c",
    "depthwise.conv": "bottleneck_conv.c",
    "project.conv": "linear_conv.c",
    "expand": "expand_conv",
    "depthwise": "bottleneck_conv",
    "project": "linear_conv",
    "squeeze.fc1": "mid_se.conv1",
    "squeeze.fc2": "mid_se.conv2",
}


def mobileseg_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights under PaddleSeg's names; it knows no counters."""
    return {
        _theirs(name): one
        for name, one in weights.items()
        if not name.endswith("num_batches_tracked")
    }


def _theirs(name: str) -> str:
    for ours, paddle in PADDLE.items():
        name = name.replace(ours, paddle)
    for ours, theirs in HEAD.items():
        if name.startswith(f"head.{ours}"):
            return f"decode_head.{theirs}{name.removeprefix(f'head.{ours}')}"
    kind, _, rest = name.removeprefix("encoder.").partition(".")
    if kind == "stem":
        return f"backbone.smb1.conv.{rest.replace('conv.', 'c.')}"
    part, number, rest = rest.split(".", 2)
    if kind == "aggregation":
        listed = {"embed": "embedding_list", "gate": "act_embedding_list"}[part]
        return f"backbone.inj_module.{listed}.{number}.{rest}"
    if kind == "attentions":
        return f"backbone.trans{int(part) + 1}.transformer_blocks.{number}.{_of_block(rest)}"
    branch = next(one for one in BRANCHES if rest.startswith(f"{one}."))
    return f"backbone.smb{int(part) + 1}.blocks.{number}.{BRANCHES[branch]}" + rest.removeprefix(
        branch
    )


def _of_block(rest: str) -> str:
    if rest.startswith("attention.halve."):
        return f"attn.stride_conv.{rest.removeprefix('attention.halve.')}"
    return block_name(rest.replace("attention.attention.", "attention."))


class MobileSegForward(Forward):
    """One pass through PP-MobileSeg, from a state dict with PaddleSeg's names."""

    def __init__(self, size: str, state: Mapping[str, Tensor]) -> None:
        super().__init__(state, HEADS[size])
        self.aggregate = {"tiny": self.aam, "base": self.aam_x8}[size]

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits, before they are resized to the images."""
        x = F.hardswish(self.conv_bn("backbone.smb1.conv", images, 2))
        maps = []
        for number, strides in enumerate(STRIDES, 1):
            for place, stride in enumerate(strides):
                hard = number >= HARD_FROM
                x = self.unit(f"backbone.smb{number}.blocks.{place}", x, stride, hard=hard)
            if number >= 3:
                x = self.blocks(f"backbone.trans{number - 2}", x)
            maps += [x] * (number >= 2)
        x = F.relu(self.conv_bn("decode_head.linear_fuse", self.aggregate(maps), conv="conv"))
        return self.convolved("decode_head.conv_seg", x)

    def unit(self, place: str, x: Tensor, stride: int, *, hard: bool) -> Tensor:
        act = F.hardswish if hard else F.relu
        y = act(self.conv_bn(f"{place}.expand_conv", x))
        y = act(self.conv_bn(f"{place}.bottleneck_conv", y, stride))
        if f"{place}.mid_se.conv1.weight" in self.state:
            share = F.relu(self.convolved(f"{place}.mid_se.conv1", y.mean((2, 3), keepdim=True)))
            share = self.convolved(f"{place}.mid_se.conv2", share)
            y = y * (0.2 * share + 0.5).clip(0, 1)
        y = self.conv_bn(f"{place}.linear_conv", y)
        return x + y if stride == 1 and x.shape == y.shape else y

    def attention(self, place: str, x: Tensor) -> Tensor:
        half = self.convolved(f"{place}.stride_conv.0", x, 2)
        half = super().attention(place, self.normed(f"{place}.stride_conv.1", half))
        return F.interpolate(half, x.shape[2:], mode="bilinear")

    def listed(self, name: str, number: int, x: Tensor) -> Tensor:
        return self.conv_bn(f"backbone.inj_module.{name}_list.{number}", x, conv="conv")

    def aam(self, maps: list[Tensor]) -> Tensor:
        low = F.interpolate(maps[0], scale_factor=0.5, mode="bilinear")
        middle = F.interpolate(maps[1], low.shape[2:], mode="bilinear")
        gates = [
            torch.sigmoid(self.listed("act_embedding", number, one))
            for number, one in enumerate((low, middle, maps[2]))
        ]
        gate = F.interpolate(gates[2], low.shape[2:], mode="bilinear")
        high = self.listed("embedding", 2, maps[2])
        high = F.interpolate(high, low.shape[2:], mode="bilinear")
        added = self.listed("embedding", 0, low) + self.listed("embedding", 1, middle)
        return gates[0] * gates[1] * gate * added + high

    def aam_x8(self, maps: list[Tensor]) -> Tensor:
        size = maps[0].shape[2:]
        middle = F.interpolate(maps[1], size, mode="bilinear")
        near = torch.sigmoid(self.listed("act_embedding", 0, middle))
        far = torch.sigmoid(self.listed("act_embedding", 1, maps[2]))
        far = F.interpolate(far, size, mode="bilinear")
        high = F.interpolate(self.listed("embedding", 1, maps[2]), size, mode="bilinear")
        return near * far * self.listed("embedding", 0, maps[0]) + high
