"""The detection network: its parts, the choice of boxes, and what it costs beside Table 11."""

from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.retinanet import RetinaNet as Torchvisions

from topformer_cli.models.backbones.topformer import TopFormerRetinaNet
from topformer_cli.models.boxes import ANCHORS, RawBoxes, anchor_boxes, level_sizes
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.detector import RetinaNet, select_boxes
from topformer_cli.models.spec import SIZES, Norm, SizeName

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Selection:
    score: float = 0.05
    per_level: int = 1000
    iou: float = 0.5
    most: int = 100


def small_network(norm: Norm = "plain") -> RetinaNet:
    torch.manual_seed(0)
    return TopFormerRetinaNet(SIZES["tiny"], 3, norm=norm)


def test_every_anchor_gets_logits_and_offsets() -> None:
    raw = small_network().eval()(torch.zeros(2, 3, 64, 96))
    anchors = sum(rows * columns * ANCHORS for rows, columns in level_sizes(64, 96))
    assert raw.logits.shape == (2, anchors, 3)
    assert raw.offsets.shape == (2, anchors, 4)
    assert raw.logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_coarse_levels_start_from_the_tokens(size: SizeName) -> None:
    # In base tokens are as wide as the pyramid; torchvision's block would start from P5.
    width = SIZES[size].width
    neck = TopFormerRetinaNet(SIZES[size], 1).neck
    tokens = [torch.rand(1, width, side, side) for side in (8, 4, 2)]
    levels = list(neck(OrderedDict(zip("abc", tokens, strict=True))).values())
    assert [level.shape[2] for level in levels] == [8, 4, 2, 1, 1]
    extra = neck.extra_blocks
    assert torch.equal(levels[3], extra.p6(tokens[2]))
    assert torch.equal(levels[4], extra.p7(levels[3]))


def statistics(network: RetinaNet) -> list[Tensor]:
    return [buffer.clone() for buffer in network.buffers() if buffer.is_floating_point()]


@pytest.mark.parametrize(("norm", "learns"), [("frozen", False), ("plain", True), ("sync", True)])
def test_only_frozen_normalisation_keeps_its_statistics(norm: Norm, learns: bool) -> None:
    network = small_network(norm).train()
    before = statistics(network)
    network(torch.rand(2, 3, 64, 64)).logits.sum().backward()
    changed = [
        not torch.equal(one, other) for one, other in zip(before, statistics(network), strict=True)
    ]
    assert all(changed) if learns else not any(changed)
    stem = cast("nn.BatchNorm2d", network.get_submodule("token_pyramid.stem.bn"))
    assert stem.weight.grad is not None
    assert network.head.training
    assert not network.eval().head.training


def test_synchronised_normalisation_has_the_same_weights() -> None:
    plain, sync = small_network(), small_network("sync")
    assert any(isinstance(module, nn.SyncBatchNorm) for module in sync.modules())
    sync.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(plain.train()(images).logits, sync.train()(images).logits)


def raw_boxes(size: tuple[int, int], classes: int, seed: int) -> RawBoxes:
    generator = torch.Generator().manual_seed(seed)
    anchors = sum(len(level) for level in anchor_boxes(*size, CPU))
    return RawBoxes(
        torch.randn(anchors, classes, generator=generator) * 2 - 3,
        torch.randn(anchors, 4, generator=generator) * 0.1,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "selection", [Selection(), Selection(score=0.3, per_level=50, iou=0.3, most=20)]
)
def test_boxes_are_chosen_as_torchvision_does(seed: int, selection: Selection) -> None:
    size = (64, 96)
    raw = raw_boxes(size, 4, seed)
    anchors = anchor_boxes(*size, CPU)
    lengths = [len(level) for level in anchors]
    settings = SimpleNamespace(
        score_thresh=selection.score,
        topk_candidates=selection.per_level,
        nms_thresh=selection.iou,
        detections_per_img=selection.most,
        box_coder=BoxCoder(weights=(1.0, 1.0, 1.0, 1.0)),
    )
    outputs = {
        "cls_logits": [part[None] for part in torch.split(raw.logits, lengths)],
        "bbox_regression": [part[None] for part in torch.split(raw.offsets, lengths)],
    }
    (theirs,) = Torchvisions.postprocess_detections(settings, outputs, [anchors], [size])
    ours = select_boxes(raw, size, size, selection)
    torch.testing.assert_close(ours.boxes, theirs["boxes"])
    torch.testing.assert_close(ours.scores, theirs["scores"])
    assert ours.labels.tolist() == theirs["labels"].tolist()
    assert 0 < len(ours.boxes) <= selection.most


def test_boxes_stay_on_the_image_and_have_a_size() -> None:
    boxes = select_boxes(raw_boxes((64, 96), 4, 0), (64, 96), (40, 50), Selection()).boxes
    assert (boxes >= 0).all()
    assert boxes[:, 2].max() <= 50
    assert boxes[:, 3].max() <= 40
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_nothing_above_the_score_is_no_box() -> None:
    raw = raw_boxes((64, 64), 2, 0)
    found = select_boxes(RawBoxes(raw.logits - 50, raw.offsets), (64, 64), (64, 64), Selection())
    assert [part.shape for part in found] == [(0, 4), (0,), (0,)]


# Backbone and all: giga multiply-adds, and millions of parameters.
TABLE_11: dict[SizeName, tuple[float, float, float, float]] = {
    "tiny": (2.1, 160, 1.0, 10.5),
    "small": (3.7, 162, 2.9, 12.3),
    "base": (5.5, 163, 4.8, 14.0),
}


@pytest.mark.parametrize("size", SIZES)
def test_cost_beside_table_11(size: SizeName) -> None:
    rows = {row.part: row for row in cost_by_part(TopFormerRetinaNet(SIZES[size], 80), 800, 1333)}
    neck, head = rows.pop("feature pyramid"), rows.pop("head")
    whole = rows.pop("all")
    backbone_adds, all_adds, backbone_millions, all_millions = TABLE_11[size]
    assert sum(row.multiply_adds for row in rows.values()) / 1e9 == pytest.approx(
        backbone_adds, abs=0.2
    )
    assert whole.multiply_adds / 1e9 == pytest.approx(all_adds, rel=0.01)
    assert head.parameters == 6_463_220
    backbone = sum(row.parameters for row in rows.values()) / 1e6
    assert backbone == pytest.approx(backbone_millions, abs=0.4)
    # No width of the pyramid's inputs gives the paper's three rows: pyramid and head come to 9.2,
    # 9.4 and 9.6 million here, to 9.5, 9.4 and 9.2 there.
    rest = (neck.parameters + head.parameters) / 1e6
    assert rest == pytest.approx(all_millions - backbone_millions, abs=0.42)
