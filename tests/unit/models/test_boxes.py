"""Anchors, offsets and matching: against torchvision where it agrees, else against the rule."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou

from topformer_cli.models import boxes as module
from topformer_cli.models.boxes import (
    ANCHORS,
    NEGATIVE,
    SCALES,
    STRIDES,
    UNDECIDED,
    anchor_boxes,
    decode_boxes,
    encode_boxes,
    level_sizes,
    match_anchors,
    real_anchors,
)

CPU = torch.device("cpu")


def random_boxes(count: int, seed: int, side: float = 200.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * side
    return torch.cat((corner, corner + 1 + torch.rand(count, 2, generator=generator) * side), 1)


def test_anchors_are_torchvisions_before_rounding() -> None:
    sizes = tuple(tuple(4 * stride * scale for scale in SCALES) for stride in STRIDES)
    generator = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))
    maps = [torch.zeros(1, 1, *size) for size in level_sizes(256, 384)]
    images = SimpleNamespace(tensors=torch.zeros(1, 3, 256, 384), image_sizes=[(256, 384)])
    (theirs,) = generator(images, maps)
    assert torch.equal(torch.cat(anchor_boxes(256, 384, CPU)).round(), theirs)


def test_levels_that_do_not_divide_keep_their_stride() -> None:
    assert level_sizes(800, 1344)[-2:] == [(13, 21), (7, 11)]
    p6 = anchor_boxes(800, 1344, CPU)[3].view(13, 21, ANCHORS, 4)
    torch.testing.assert_close(p6[1, 0, 0] - p6[0, 0, 0], torch.tensor([0.0, 64, 0, 64]))


def test_real_anchors_leave_out_cells_of_the_batchs_padding() -> None:
    flags = real_anchors((96, 160), (64, 160), CPU)
    whole = [rows * columns * ANCHORS for rows, columns in level_sizes(96, 160)]
    own = [rows * columns * ANCHORS for rows, columns in level_sizes(64, 160)]
    assert len(flags) == sum(whole)
    assert int(flags.sum()) == sum(own)
    assert not flags[own[0] : whole[0]].any()
    assert real_anchors((96, 160), (96, 160), CPU).all()


def test_offsets_are_torchvisions_and_lead_back() -> None:
    anchors, boxes = random_boxes(50, 0), random_boxes(50, 1)
    coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
    offsets = encode_boxes(boxes, anchors)
    torch.testing.assert_close(offsets, coder.encode_single(boxes, anchors))
    torch.testing.assert_close(decode_boxes(offsets, anchors), boxes, rtol=1e-4, atol=1e-3)
    theirs = coder.decode_single(offsets * 0.3, anchors)
    torch.testing.assert_close(decode_boxes(offsets * 0.3, anchors), theirs)


def test_decoded_sizes_stay_within_bounds() -> None:
    anchor = torch.tensor([[0.0, 0, 10, 10]])
    (box,) = decode_boxes(torch.tensor([[0.0, 0, 100, -100]]), anchor)
    assert (box[2] - box[0]).item() == pytest.approx(625)
    assert (box[3] - box[1]).item() == pytest.approx(0.16, rel=1e-3)


def by_the_rule(anchors: Tensor, boxes: Tensor) -> list[int]:
    overlaps = box_iou(boxes, anchors)
    found = []
    for column in overlaps.t():
        value, index = column.max(dim=0)
        found.append(int(index) if value >= 0.5 else UNDECIDED if value >= 0.4 else NEGATIVE)
    for number, row in enumerate(overlaps):
        for anchor in (row == row.max()).nonzero()[:, 0].tolist():
            if row.max() > 0:
                found[anchor] = number
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000), st.booleans())
def test_matching_follows_the_rule(count: int, seed: int, whole: bool) -> None:
    anchors, boxes = torch.cat(anchor_boxes(64, 96, CPU)), random_boxes(count, seed, 60.0)
    if whole:  # equal overlaps occur with whole numbers
        boxes = boxes.round()
    assert match_anchors(anchors, boxes).tolist() == by_the_rule(anchors, boxes)


def test_matching_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    anchors, boxes = torch.cat(anchor_boxes(128, 128, CPU)), random_boxes(30, 3, 80.0)
    at_once = match_anchors(anchors, boxes)
    monkeypatch.setattr(module, "_CHUNK_ELEMENTS", 7 * len(anchors))
    assert torch.equal(match_anchors(anchors, boxes), at_once)
    assert {NEGATIVE, UNDECIDED} < set(at_once.tolist())


def test_without_boxes_every_anchor_is_negative() -> None:
    matched = match_anchors(torch.cat(anchor_boxes(64, 64, CPU)), torch.zeros(0, 4))
    assert (matched == NEGATIVE).all()


def test_a_box_that_touches_no_anchor_claims_none() -> None:
    anchors = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8]])
    far, near = [500.0, 500, 510, 510], [0.0, 0, 8, 8]
    assert match_anchors(anchors, torch.tensor([near, far])).tolist() == [0, NEGATIVE]
    assert math.isfinite(float(encode_boxes(torch.tensor([near]), anchors[:1]).sum()))
