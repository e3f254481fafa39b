"""SeaFormer's tensors under its authors' names, and its forward pass written again under them.

From fudan-zvg/SeaFormer: seaformer-seg/mmseg/models, backbones/seaformer.py and
decode_heads/light_head.py, local_configs/seaformer. PaddleSeg's port (paddleseg/models,
seaformer_seg.py and backbones/seaformer.py) is the same function under other names.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

STRIDES = ((1, 2, 1), (2, 1), (2, 1), (2,), (2,))
HEADS = {"tiny": 4, "small": 6, "base": 8, "large": 8}
STAGES_WITH_ATTENTION = {"tiny": 2, "small": 2, "base": 2, "large": 3}

BLOCK = {
    "attention.query": "attn.to_q",
    "attention.key": "attn.to_k",
    "attention.value": "attn.to_v",
    "attention.project": "attn.proj.1",
    "attention.depthwise": "attn.dwconv",
    "attention.detail": "attn.pwconv",
    "attention.rows.encode": "attn.proj_encode_row.1",
    "attention.columns.encode": "attn.proj_encode_column.1",
    "attention.rows.query.codes": "attn.pos_emb_rowq.pos_embed",
    "attention.rows.key.codes": "attn.pos_emb_rowk.pos_embed",
    "attention.columns.query.codes": "attn.pos_emb_columnq.pos_embed",
    "attention.columns.key.codes": "attn.pos_emb_columnk.pos_embed",
    "feed_forward.expand": "mlp.fc1",
    "feed_forward.depthwise": "mlp.dwconv",
    "feed_forward.project": "mlp.fc2",
}
HEAD = {"fuse.": "linear_fuse.", "classify.1.": "conv_seg."}
PADDLE = {".running_mean": "._mean", ".running_var": "._variance"}


def seaformer_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights under the authors' names."""
    return {_theirs(name, weights): one for name, one in weights.items()}


def paddle_seaformer_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights under the names of PaddleSeg's port."""
    found = {}
    for name, one in seaformer_state(weights).items():
        if name.endswith("num_batches_tracked"):
            continue
        theirs = re.sub(r"\.(c|conv)\.(?=weight$)", "._conv.", name)
        theirs = theirs.replace(".bn.", "._batch_norm.").removeprefix("decode_head.")
        found[_statistics(theirs).replace("conv_seg.", "cls_seg.")] = one
    return found


def _statistics(name: str) -> str:
    for ours, paddle in PADDLE.items():
        name = name.replace(ours, paddle)
    return name


def _theirs(name: str, weights: Mapping[str, Tensor]) -> str:
    part, _, rest = name.partition(".")
    if part == "head":
        return f"decode_head.{_of_head(rest)}"
    kind, _, rest = rest.partition(".")
    if kind == "stem":
        return f"backbone.smb1.stem_block.0.{_short(rest)}"
    stage, place, rest = rest.split(".", 2)
    if kind == "attentions":
        return f"backbone.trans{int(stage) + 1}.transformer_blocks.{place}.{block_name(rest)}"
    branch, _, rest = rest.partition(".")
    number = 2 * ["expand", "depthwise", "project"].index(branch)
    if f"encoder.stages.{stage}.{place}.expand.conv.weight" not in weights:
        number -= 2
    layer = f"backbone.smb{int(stage) + 1}.layer{int(place) + 1}"
    return f"{layer}.conv.{number}.{_short(rest)}"


def _of_head(rest: str) -> str:
    for ours, theirs in HEAD.items():
        if rest.startswith(ours):
            return theirs + rest.removeprefix(ours)
    _, index, branch, last = rest.split(".", 3)
    return f"fuse{int(index) + 1}.{'local_embedding' if branch == 'local' else 'global_act'}.{last}"


def block_name(rest: str) -> str:
    """Return the authors' name of a tensor of a block with attention."""
    for ours, theirs in BLOCK.items():
        if rest == ours or rest.startswith(f"{ours}."):
            return theirs + _short(rest.removeprefix(ours))
    raise KeyError(rest)


def _short(rest: str) -> str:
    return re.sub(r"(^|\.)conv\.", r"\1c.", rest)


class Forward:
    """What passes through networks with this attention have in common, from a state dict."""

    def __init__(self, state: Mapping[str, Tensor], heads: int) -> None:
        self.state, self.heads = state, heads

    def convolved(self, place: str, x: Tensor, stride: int = 1) -> Tensor:
        """Convolve with as wide a border as half the kernel; by a bias where there is one."""
        kernel, bias = self.state[f"{place}.weight"], self.state.get(f"{place}.bias")
        groups = x.shape[1] // kernel.shape[1]
        return F.conv2d(x, kernel, bias, stride, kernel.shape[-1] // 2, 1, groups)

    def normed(self, place: str, x: Tensor) -> Tensor:
        """Normalise by the kept statistics, under torch's names or Paddle's."""
        own = "running_mean", "running_var"
        mean, variance = own if f"{place}.{own[0]}" in self.state else ("_mean", "_variance")
        scale, shift, mean_, variance_ = (
            self.state[f"{place}.{name}"].view(1, -1, 1, 1)
            for name in ("weight", "bias", mean, variance)
        )
        return (x - mean_) / torch.sqrt(variance_ + 1e-5) * scale + shift

    def conv_bn(self, place: str, x: Tensor, stride: int = 1, conv: str = "c") -> Tensor:
        return self.normed(f"{place}.bn", self.convolved(f"{place}.{conv}", x, stride))

    def blocks(self, place: str, x: Tensor) -> Tensor:
        number = 0
        while f"{place}.transformer_blocks.{number}.mlp.dwconv.weight" in self.state:
            x = self.block(f"{place}.transformer_blocks.{number}", x)
            number += 1
        return x

    def block(self, place: str, x: Tensor) -> Tensor:
        x = x + self.attention(f"{place}.attn", x)
        hidden = self.convolved(f"{place}.mlp.dwconv", self.conv_bn(f"{place}.mlp.fc1", x))
        return x + self.conv_bn(f"{place}.mlp.fc2", F.relu6(hidden))

    def attention(self, place: str, x: Tensor) -> Tensor:
        q, k, v = (self.conv_bn(f"{place}.to_{letter}", x) for letter in "qkv")
        detail = F.relu6(self.conv_bn(f"{place}.dwconv", torch.cat([q, k, v], 1)))
        detail = self.conv_bn(f"{place}.pwconv", detail)
        rows = self.along(f"{place}.pos_emb_row", (q.mean(3), k.mean(3), v.mean(3)))
        columns = self.along(f"{place}.pos_emb_column", (q.mean(2), k.mean(2), v.mean(2)))
        rows = self.conv_bn(f"{place}.proj_encode_row.1", F.relu6(rows.unsqueeze(3)))
        columns = self.conv_bn(f"{place}.proj_encode_column.1", F.relu6(columns.unsqueeze(2)))
        mixed = self.conv_bn(f"{place}.proj.1", F.relu6(v + (rows + columns)))
        return F.relu6(mixed + 3) / 6 * detail

    def along(self, names: str, means: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Attend among the places of one side; all are [B, C, N]."""
        q, k, v = means
        q, k = self.placed(f"{names}q", q), self.placed(f"{names}k", k)
        q, k, v = (one.unflatten(1, (self.heads, -1)).transpose(2, 3) for one in (q, k, v))
        weights = torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, -1)
        return (weights @ v).transpose(2, 3).flatten(1, 2)

    def placed(self, name: str, x: Tensor) -> Tensor:
        """Add the codes of the places, drawn out to as many as there are."""
        codes = self.state[f"{name}.pos_embed"]
        return x + F.interpolate(codes, x.shape[2], mode="linear", align_corners=False)


class SeaFormerForward(Forward):
    """One pass through SeaFormer, from a state dict with the authors' names."""

    def __init__(self, size: str, state: Mapping[str, Tensor]) -> None:
        super().__init__(state, HEADS[size])
        self.first = len(STRIDES) - STAGES_WITH_ATTENTION[size] + 1

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits, before they are resized to the images."""
        x = F.relu(self.conv_bn("backbone.smb1.stem_block.0", images, 2))
        maps = []
        for number, strides in enumerate(STRIDES, 1):
            for layer, stride in enumerate(strides, 1):
                x = self.inverted(f"backbone.smb{number}.layer{layer}.conv", x, stride)
            maps += [x] * (number == 2)
            if number >= self.first:
                x = self.blocks(f"backbone.trans{number - self.first + 1}", x)
                maps.append(x)
        x = maps[0]
        for number, coarse in enumerate(maps[1:], 1):
            gate = self.conv_bn(f"decode_head.fuse{number}.global_act", coarse, conv="conv")
            gate = F.interpolate(F.relu6(gate + 3) / 6, x.shape[2:], mode="bilinear")
            x = self.conv_bn(f"decode_head.fuse{number}.local_embedding", x, conv="conv") * gate
        x = F.relu(self.conv_bn("decode_head.linear_fuse", x, conv="conv"))
        return self.convolved("decode_head.conv_seg", x)

    def inverted(self, place: str, x: Tensor, stride: int) -> Tensor:
        before = x
        last = 4 if f"{place}.4.c.weight" in self.state else 2
        for number in range(0, last, 2):
            x = F.relu(self.conv_bn(f"{place}.{number}", x, stride if number == last - 2 else 1))
        x = self.conv_bn(f"{place}.{last}", x)
        return before + x if stride == 1 and before.shape == x.shape else x
