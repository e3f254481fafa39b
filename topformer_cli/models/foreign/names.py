"""Other people's names of TopFormer's tensors, and ours.

hustvl/TopFormer: backbone.tpm, backbone.trans, backbone.SIM, decode_head; its ImageNet files lack
`backbone.` and have tpm, trans, head.bn, head.l (BR-IDL/PaddleViT, which converts those files).
PaddleSeg (paddleseg/models/topformer.py and backbones/top_transformer.py) has the authors' names,
but for the statistics of batch normalisation, and no counters beside them; its convolutions have
the same layout. torchvision's and timm's names are those of our networks with their backbones;
open-mmlab's ResNet (V1c, mmseg/models/backbones/resnet.py) calls its beginning otherwise, and
nvidia/mit-b0 has the names from before transformers 5, which renames them as it reads
(transformers/conversion_mapping.py). Those of TopFormer's successors are in `successors`.
"""

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from topformer_cli.models.foreign.files import WeightFile
from topformer_cli.models.foreign.successors import are_successors, successors_name

BLOCK_PARTS: Final = {
    "attn.to_q": "attention.query",
    "attn.to_k": "attention.key",
    "attn.to_v": "attention.value",
    "attn.proj.1": "attention.project",
    "mlp.fc1": "feed_forward.expand",
    "mlp.dwconv": "feed_forward.depthwise",
    "mlp.fc2": "feed_forward.project",
}
PREFIXES: Final = {
    "backbone.tpm.stem.0.": "token_pyramid.stem.",
    "decode_head.linear_fuse.": "head.fuse.",
    "decode_head.conv_seg.": "head.classify.",
    "head.bn.": "head.bn.",
    "head.l.": "head.linear.",
}
PADDLE: Final = {"._mean": ".running_mean", "._variance": ".running_var"}
"""How Paddle's names of statistics end, and torch's."""

BARE: Final = ("tpm.", "trans.")
"""What keys of the ImageNet files begin with, where those for segmentation have `backbone.`."""

BLOCK = re.compile(
    r"backbone\.trans\.transformer_blocks\.(\d+)\.([a-z0-9_.]+?)\.((c|bn)\..+|weight|bias)"
)
INJECTION = re.compile(
    r"backbone\.SIM\.([123])\.(local_embedding|global_embedding|global_act)\.(.+)"
)
BOTTLENECK = re.compile(r"backbone\.tpm\.layer(\d+)\.conv\.(\d)\.(.+)")
V1C: Final = {
    "0": "conv1.0.0",
    "1": "conv1.0.1",
    "3": "conv1.1.0",
    "4": "conv1.1.1",
    "6": "conv1.2",
    "7": "bn1",
}
"""A place in the stem of open-mmlab's ResNet -> what it is called here."""
STEM = re.compile(r"stem\.(\d)\.(.+)")

SEGFORMER: Final = "segformer.encoder."
SEGFORMER_PLACES: Final = {
    r"segformer\.encoder\.patch_embeddings\.(\d)\.": r"segformer.stages.\1.patch_embeddings.",
    r"segformer\.encoder\.block\.(\d)\.": r"segformer.stages.\1.blocks.",
    r"segformer\.encoder\.layer_norm\.(\d)\.": r"segformer.stages.\1.layer_norm.",
}
SEGFORMER_PARTS: Final = {
    "attention.self.query": "attention.q_proj",
    "attention.self.key": "attention.k_proj",
    "attention.self.value": "attention.v_proj",
    "attention.self.sr": "attention.sequence_reduction.sequence_reduction",
    "attention.self.layer_norm": "attention.sequence_reduction.layer_norm",
    "attention.output.dense": "attention.o_proj",
    "mlp.dense1": "mlp.fc1",
    "mlp.dense2": "mlp.fc2",
    "layer_norm_1": "layernorm_before",
    "layer_norm_2": "layernorm_after",
}
"""What a block's parts were called before transformers 5 -> what they are since."""
COUNTER: Final = "num_batches_tracked"


def our_names(file: WeightFile) -> dict[str, Tensor]:
    """Return a file's tensors under our names; what is of another kind keeps its own."""
    paddle = file.form == "PaddlePaddle"
    tensors = {_of_torch(key) if paddle else key: one for key, one in file.tensors.items()}
    if are_successors(tensors):
        return {successors_name(key, tensors): one for key, one in tensors.items()}
    return {_rename(key): one for key, one in tensors.items()}


def counters_for(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return, at 0, the counters of batch normalisation that a file does not keep.

    Paddle knows none, and nothing but a mean over all batches ever reads them.
    """
    places = [name.removesuffix("running_mean") for name in tensors if ".running_mean" in name]
    return {
        f"{place}{COUNTER}": torch.tensor(0)
        for place in places
        if f"{place}{COUNTER}" not in tensors
    }


def _of_torch(key: str) -> str:
    for paddle, ours in PADDLE.items():
        if key.endswith(paddle):
            return key.removesuffix(paddle) + ours
    return key


def _rename(key: str) -> str:
    """Translate a key of others; one of another kind stays as it is and ends up unexpected."""
    if key.startswith(SEGFORMER):
        return _since_transformers_5(key)
    if (match := STEM.fullmatch(key)) and match[1] in V1C:
        return f"{V1C[match[1]]}.{match[2]}"
    key = f"backbone.{key}" if key.startswith(BARE) else key
    if match := BOTTLENECK.fullmatch(key):
        index, place, rest = int(match[1]) - 1, int(match[2]), match[3]
        parts = ("depthwise", "project") if index == 0 else ("expand", "depthwise", "project")
        if place % 2 == 0 and place // 2 < len(parts):
            return f"token_pyramid.bottlenecks.{index}.{parts[place // 2]}.{_conv(rest)}"
    if match := INJECTION.fullmatch(key):
        branch = "global_attention" if match[2] == "global_act" else match[2]
        return f"semantics_injection.{int(match[1]) - 1}.{branch}.{match[3]}"
    if (match := BLOCK.fullmatch(key)) and match[2] in BLOCK_PARTS:
        return f"semantics_extractor.{match[1]}.{BLOCK_PARTS[match[2]]}.{_conv(match[3])}"
    for prefix, ours in PREFIXES.items():
        if key.startswith(prefix):
            return ours + _conv(key.removeprefix(prefix))
    return key


def _since_transformers_5(key: str) -> str:
    for before, after in SEGFORMER_PLACES.items():
        key = re.sub(before, after, key)
    for part, now in SEGFORMER_PARTS.items():
        key = key.replace(f".{part}.", f".{now}.")
    return key


def _conv(rest: str) -> str:
    return "conv." + rest[2:] if rest.startswith("c.") else rest
