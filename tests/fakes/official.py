"""Checkpoints as the authors' tools write them, made from our own networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PYRAMID = {"expand": 0, "depthwise": 2, "project": 4}
BLOCK = {
    "attention.query": "attn.to_q",
    "attention.key": "attn.to_k",
    "attention.value": "attn.to_v",
    "attention.project": "attn.proj.1",
    "feed_forward.expand": "mlp.fc1",
    "feed_forward.depthwise": "mlp.dwconv",
    "feed_forward.project": "mlp.fc2",
}


def official_key(name: str) -> str:
    """Return the authors' name of one of our tensors."""
    part, _, rest = name.partition(".")
    if part == "token_pyramid":
        return _pyramid_key(rest)
    if part == "semantics_extractor":
        number, module, branch, last = rest.split(".", 3)
        short = last.replace("conv.", "c.")
        return f"backbone.trans.transformer_blocks.{number}.{BLOCK[f'{module}.{branch}']}.{short}"
    if part == "semantics_injection":
        number, branch, last = rest.split(".", 2)
        branch = branch.replace("global_attention", "global_act")
        return f"backbone.SIM.{int(number) + 1}.{branch}.{last}"
    head, _, last = rest.partition(".")
    return f"decode_head.{ {'fuse': 'linear_fuse', 'classify': 'conv_seg'}[head] }.{last}"


def _pyramid_key(rest: str) -> str:
    if rest.startswith("stem."):
        return "backbone.tpm.stem.0." + rest.removeprefix("stem.").replace("conv.", "c.")
    _, index, branch, last = rest.split(".", 3)
    place = PYRAMID[branch] - (2 if index == "0" else 0)  # the first block has no expansion
    return f"backbone.tpm.layer{int(index) + 1}.conv.{place}.{last.replace('conv.', 'c.')}"


def official_state(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict under the authors' names."""
    return {official_key(name): value for name, value in weights.items()}


def official_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a classifier's state dict under the names of the authors' ImageNet files."""
    return {
        name.replace("head.linear.", "head.l.")
        if name.startswith("head.")
        else official_key(name).removeprefix("backbone."): value
        for name, value in weights.items()
    }


def save_official(
    path: Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None
) -> Path:
    """Write a segmentation checkpoint as mmcv does."""
    torch.save({"meta": dict(meta or {}), "state_dict": official_state(weights)}, path)
    return path
