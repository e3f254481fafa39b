"""Agreement with the authors' own segmentor: every intermediate, the logits and the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.data.catalog import DATASETS
from topformer_cli.engine.resize import upsampled_labels
from topformer_cli.errors import DataError
from topformer_cli.models.checkpoint import Checkpoint, build_from
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.topformer import Stages

TOLERANCE = 1e-4
"""Of the reference's standard deviation."""


@dataclass(frozen=True, slots=True)
class Official:
    """The authors' file, what it gives for one input, and what ours gives."""

    path: Path
    checkpoint: Checkpoint
    record: Mapping[str, Any]
    stages: Stages
    fixed_logits: Tensor


@pytest.fixture(scope="module")
def official(shared: Path) -> Official:
    path = shared / "golden" / "official_tiny_mmseg.pth"
    record = torch.load(shared / "golden" / "official_tiny_480x672.pt", weights_only=True)
    checkpoint = read_weights(Request(path, known_sets=tuple(DATASETS.values())))
    network = build_from(checkpoint, str(path)).eval()
    with torch.inference_mode():
        stages = network.stages(record["input"])
        fixed_logits = fix_input_size(network, 480, 672)(record["input"])
    return Official(path, checkpoint, record, stages, fixed_logits)


def farthest(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.std())


def assert_all_agree(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs, strict=True):
        assert farthest(mine, reference) <= TOLERANCE


def test_tokens_and_injected_semantics_agree_at_every_scale(official: Official) -> None:
    reference = official.record["intermediate"]
    assert_all_agree(official.stages.tokens, reference["tpm"])
    assert_all_agree(official.stages.injected, reference["sim"])


def test_pooled_tokens_and_semantics_agree(official: Official) -> None:
    reference = official.record["intermediate"]
    assert farthest(official.stages.pooled, reference["ppa"]) <= TOLERANCE
    assert farthest(official.stages.semantics, reference["trans"]) <= TOLERANCE


def test_logits_agree_with_and_without_folding(official: Official) -> None:
    reference = official.record["head_logits"]
    assert farthest(official.stages.logits, reference) <= TOLERANCE
    assert farthest(official.fixed_logits, reference) <= TOLERANCE


def test_labels_at_full_size_are_the_same(official: Official) -> None:
    labels = upsampled_labels(official.stages.logits[0], (480, 672))
    # Where the authors' own two best classes are equal but for rounding, either may win.
    wide = F.interpolate(official.record["head_logits"], (480, 672), mode="bilinear")[0]
    first, second = wide.topk(2, 0).values
    told = first - second > TOLERANCE * wide.std()
    assert told.float().mean() > 0.999
    assert torch.equal(labels[told], official.record["full_argmax"][0][told])


def test_every_key_finds_its_place(official: Official) -> None:
    report = "376 tensors matched, none missing, none unexpected"
    assert official.checkpoint.origin["report"] == report
    assert official.checkpoint.origin["file"] == official.path.name


def test_card_is_read_off_the_shapes(official: Official) -> None:
    spec = official.checkpoint.spec
    assert (spec.size, spec.fuse, spec.dataset) == ("tiny", "depthwise", "ade20k")
    assert spec.classes == DATASETS["ade20k"].classes
    assert len(spec.palette) == 150


def test_another_size_is_refused(official: Official) -> None:
    with pytest.raises(DataError, match=r"holds TopFormer-tiny, not base; use --size tiny"):
        read_weights(Request(official.path, "base"))
