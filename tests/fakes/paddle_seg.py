"""PaddleSeg's files, and its forward pass written again under its names.

From PaddlePaddle/PaddleSeg d7975e7: paddleseg/models/topformer.py, backbones/top_transformer.py and
configs/topformer. A .pdparams is what paddle.save writes of a state dict: a pickle of NumPy arrays.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from tests.fakes.official import official_state
from topformer_cli.models.spec import SizeName

STRIDES = {
    "tiny": (1, 2, 1, 2, 1, 2, 1, 2, 1),
    "small": (1, 2, 1, 2, 1, 2, 1, 2, 1, 1),
    "base": (1, 2, 1, 2, 1, 2, 1, 2, 1, 1),
}
OUTPUTS = {"tiny": (2, 4, 6, 8), "small": (2, 4, 6, 9), "base": (2, 4, 6, 9)}
HEADS = {"tiny": 4, "small": 6, "base": 8}
STATISTICS = {".running_mean": "._mean", ".running_var": "._variance"}


def paddle_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our weights under PaddleSeg's names: the authors', with Paddle's statistics."""
    renamed = {}
    for key, value in official_state(weights).items():
        stem, dot, last = key.rpartition(".")
        if last != "num_batches_tracked":
            renamed[stem + STATISTICS.get(dot + last, dot + last)] = value
    return renamed


def save_pdparams(path: Path, weights: Mapping[str, Tensor], protocol: int = 4) -> Path:
    """Write weights of TopFormer under PaddleSeg's names."""
    return write_pdparams(path, paddle_state(weights), protocol)


def write_pdparams(path: Path, tensors: Mapping[str, Tensor], protocol: int = 4) -> Path:
    """Write tensors as paddle.save does, its table of names included."""
    state = {name: value.numpy() for name, value in tensors.items()}
    table = {name: f"tensor_{index}.w_0" for index, name in enumerate(state)}
    content: dict[str, Any] = {**state, "StructuredToParameterName@@": table}
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class PaddleForward:
    """One pass through PaddleSeg's TopFormer, from a state dict with its names."""

    def __init__(self, size: SizeName, state: Mapping[str, Tensor]) -> None:
        self.size = size
        self.state = state

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of its head, before they are resized to the images."""
        tokens = self.pyramid(images)
        x = self.pooled(tokens)
        for number in range(4):
            x = self.block(f"backbone.trans.transformer_blocks.{number}.", x)
        parts = x.split([one.shape[1] for one in tokens], 1)
        injected = [self.injection(i, tokens[i], parts[i]) for i in (1, 2, 3)]
        total = injected[0]
        for one in injected[1:]:
            total = total + resized(one, total)
        fused = F.relu(self.conv_bn("decode_head.linear_fuse.", "conv", total))
        return F.conv2d(
            fused,
            self.state["decode_head.conv_seg.weight"],
            self.state["decode_head.conv_seg.bias"],
        )

    def conv_bn(self, prefix: str, conv: str, x: Tensor, stride: int = 1) -> Tensor:
        """Convolve, as wide a border as half the kernel, and normalise by the kept statistics."""
        kernel = self.state[f"{prefix}{conv}.weight"]
        groups = x.shape[1] // kernel.shape[1]
        y = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2, 1, groups)
        scale, shift, mean, variance = (
            self.state[f"{prefix}bn.{name}"].view(1, -1, 1, 1)
            for name in ("weight", "bias", "_mean", "_variance")
        )
        return (y - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    def pyramid(self, images: Tensor) -> list[Tensor]:
        x = F.relu(self.conv_bn("backbone.tpm.stem.0.", "c", images, 2))
        found = []
        for index, stride in enumerate(STRIDES[self.size]):
            place, before = f"backbone.tpm.layer{index + 1}.conv.", x
            if f"{place}4.c.weight" in self.state:
                x = F.relu(self.conv_bn(f"{place}0.", "c", x))
                x = F.relu(self.conv_bn(f"{place}2.", "c", x, stride))
                x = self.conv_bn(f"{place}4.", "c", x)
            else:
                x = F.relu(self.conv_bn(f"{place}0.", "c", x, stride))
                x = self.conv_bn(f"{place}2.", "c", x)
            x = before + x if stride == 1 and before.shape == x.shape else x
            if index in OUTPUTS[self.size]:
                found.append(x)
        return found

    def pooled(self, tokens: list[Tensor]) -> Tensor:
        """Pool by fixed windows of 16, 8, 4 and 2, which leave a rest out."""
        windows = (16, 8, 4, 2)
        return torch.cat(
            [F.avg_pool2d(x, side, side) for x, side in zip(tokens, windows, strict=True)], 1
        )

    def block(self, prefix: str, x: Tensor) -> Tensor:
        x = x + self.attention(f"{prefix}attn.", x)
        y = self.conv_bn(f"{prefix}mlp.fc1.", "c", x)
        kernel, bias = (self.state[f"{prefix}mlp.dwconv.{name}"] for name in ("weight", "bias"))
        y = F.relu6(F.conv2d(y, kernel, bias, 1, 1, 1, y.shape[1]))
        return x + self.conv_bn(f"{prefix}mlp.fc2.", "c", y)

    def attention(self, prefix: str, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        heads = HEADS[self.size]
        query, key, value = (
            self.conv_bn(f"{prefix}to_{letter}.", "c", x).reshape(batch, heads, -1, height * width)
            for letter in "qkv"
        )
        weights = torch.softmax(query.transpose(2, 3) @ key, -1)
        mixed = (weights @ value.transpose(2, 3)).transpose(2, 3)
        return self.conv_bn(
            f"{prefix}proj.1.", "c", F.relu6(mixed.reshape(batch, -1, height, width))
        )

    def injection(self, number: int, local: Tensor, semantics: Tensor) -> Tensor:
        place = f"backbone.SIM.{number}."
        gate = F.relu6(self.conv_bn(f"{place}global_act.", "conv", semantics) + 3) / 6
        wide = self.conv_bn(f"{place}global_embedding.", "conv", semantics)
        near = self.conv_bn(f"{place}local_embedding.", "conv", local)
        return near * resized(gate, local) + resized(wide, local)


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Resize as paddle's interpolate does with align_corners false and align_mode 0."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)
