"""Other people's names of the tensors of SeaFormer and PP-MobileSeg, and ours.

fudan-zvg/SeaFormer: backbone.smb and backbone.trans, decode_head. PaddleSeg's SeaFormer
(paddleseg/models/seaformer_seg.py) has the head without decode_head and calls convolution and
normalisation _conv and _batch_norm; its PP-MobileSeg (pp_mobileseg.py) has MobileNetV3's blocks in
backbone.smb, strided attention, and backbone.inj_module.
"""

import re
from collections.abc import Collection
from typing import Final

SIGN: Final = "backbone.smb1."
"""What some keys of these networks begin with, and of no other that is known."""

BLOCK_PARTS: Final = {
    "attn.to_q.": "attention.query.",
    "attn.to_k.": "attention.key.",
    "attn.to_v.": "attention.value.",
    "attn.proj.1.": "attention.project.",
    "attn.dwconv.": "attention.depthwise.",
    "attn.pwconv.": "attention.detail.",
    "attn.proj_encode_row.1.": "attention.rows.encode.",
    "attn.proj_encode_column.1.": "attention.columns.encode.",
    "attn.pos_emb_rowq.pos_embed": "attention.rows.query.codes",
    "attn.pos_emb_rowk.pos_embed": "attention.rows.key.codes",
    "attn.pos_emb_columnq.pos_embed": "attention.columns.query.codes",
    "attn.pos_emb_columnk.pos_embed": "attention.columns.key.codes",
    "mlp.fc1.": "feed_forward.expand.",
    "mlp.dwconv.": "feed_forward.depthwise.",
    "mlp.fc2.": "feed_forward.project.",
}
V3_PARTS: Final = {
    "expand_conv": "expand",
    "bottleneck_conv": "depthwise",
    "mid_se.conv1": "squeeze.fc1",
    "mid_se.conv2": "squeeze.fc2",
    "linear_conv": "project",
}
PLACES: Final = {
    r"backbone\.smb1\.(?:stem_block\.0|conv)\.": "encoder.stem.",
    r"backbone\.inj_module\.embedding_list\.": "encoder.aggregation.embed.",
    r"backbone\.inj_module\.act_embedding_list\.": "encoder.aggregation.gate.",
    r"(?:decode_head\.)?linear_fuse\.": "head.fuse.",
    r"decode_head\.conv_seg\.|cls_seg\.": "head.classify.1.",
}
V2: Final = re.compile(r"(backbone\.smb(\d)\.layer(\d+)\.conv\.)(\d)\.(.+)")
V3: Final = re.compile(rf"backbone\.smb(\d)\.blocks\.(\d+)\.({'|'.join(V3_PARTS)})\.(.+)")
BLOCK: Final = re.compile(r"(backbone\.trans(\d)\.transformer_blocks\.(\d+)\.)(.+)")
FUSION: Final = re.compile(r"(?:decode_head\.)?fuse(\d)\.(local_embedding|global_act)\.(.+)")


def are_successors(keys: Collection[str]) -> bool:
    """Say whether a file's keys are of one of these networks."""
    return any(key.startswith(SIGN) for key in keys)


def successors_name(key: str, keys: Collection[str]) -> str:
    """Translate one of a file's keys; one of another kind stays as it is and ends up unexpected."""
    plain = re.sub(r"\.(c|_conv)\.(?=weight$)", ".conv.", key).replace("._batch_norm.", ".bn.")
    if match := V2.fullmatch(plain):
        layer, stage, place, number, rest = match.groups()
        # Without expansion a block begins with its depthwise convolution.
        parts = ["depthwise", "project"]
        if any(one.startswith(f"{layer}4.") for one in keys):
            parts.insert(0, "expand")
        if int(number) % 2 == 0 and int(number) // 2 < len(parts):
            part = parts[int(number) // 2]
            return f"encoder.stages.{int(stage) - 1}.{int(place) - 1}.{part}.{rest}"
    if match := V3.fullmatch(plain):
        stage, place, part, rest = match.groups()
        return f"encoder.stages.{int(stage) - 1}.{place}.{V3_PARTS[part]}.{rest}"
    if match := BLOCK.fullmatch(plain):
        block, stage, place, rest = match.groups()
        strided = f"{block}attn.stride_conv.0.weight" in keys
        return f"encoder.attentions.{int(stage) - 1}.{place}.{_of_block(rest, strided=strided)}"
    if match := FUSION.fullmatch(plain):
        branch = "local" if match[2] == "local_embedding" else "gate"
        return f"head.fusions.{int(match[1]) - 1}.{branch}.{match[3]}"
    for theirs, ours in PLACES.items():
        if match := re.match(theirs, plain):
            return ours + plain[match.end() :]
    return key


def _of_block(rest: str, *, strided: bool) -> str:
    """Translate what follows the place of a block; strided attention has the other inside."""
    rest = rest.replace("attn.stride_conv.", "attention.halve.")
    for theirs, ours in BLOCK_PARTS.items():
        if rest.startswith(theirs):
            inside = "attention." if strided and ours.startswith("attention.") else ""
            return inside + ours + rest.removeprefix(theirs)
    return rest
