"""What an exported detector ends in, against the network itself."""

import pytest
import torch

from topformer_cli.models.backbones.topformer import TopFormerRetinaNet
from topformer_cli.models.boxes import Found, RawBoxes
from topformer_cli.models.deployed_boxes import Candidates, HeadMaps, raw_boxes
from topformer_cli.models.detector import RetinaNet, select_boxes
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import SIZES
from topformer_cli.sections.detection import DetectionEvaluation

HW = (64, 96)
RULE = DetectionEvaluation(scale=(96, 64), score=0.1, per_level=60, iou=0.5, most=100, every=1)


@pytest.fixture(scope="module")
def network() -> RetinaNet:
    """A network in float64 whose boxes lie all over the input, some beyond its border."""
    torch.manual_seed(0)
    network = TopFormerRetinaNet(SIZES["tiny"], 5).double().eval()
    for convolution in (
        network.head.classification_head.cls_logits,
        network.head.regression_head.bbox_reg,
    ):
        torch.nn.init.normal_(convolution.weight, 0, 0.5)
    torch.nn.init.constant_(network.head.classification_head.cls_logits.bias, -2)
    return network


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(1, 3, *HW, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@torch.inference_mode()
def test_maps_hold_what_is_said_of_every_anchor(network: RetinaNet, images: torch.Tensor) -> None:
    maps = HeadMaps(fix_input_size(network, *HW)).double().eval()(images)
    assert [one.shape[1] for one in maps] == [9 * 5] * 5 + [9 * 4] * 5
    assert [tuple(one.shape[2:]) for one in maps[:5]] == [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)]
    raw, expected = raw_boxes(maps), network(images)
    torch.testing.assert_close(raw.logits, expected.logits)
    torch.testing.assert_close(raw.offsets, expected.offsets)


@torch.inference_mode()
def test_candidates_are_what_suppression_begins_with(
    network: RetinaNet, images: torch.Tensor
) -> None:
    candidates = Candidates(HeadMaps(network), HW, RULE.per_level).eval()
    boxes, scores = candidates(images)
    count = 3 * RULE.per_level + 60 + 9 * 5  # 90 pairs of P6 give 60, P7 has 45
    assert boxes.shape == (1, count, 4)
    assert scores.shape == (1, 5, count)
    assert (scores > 0).sum(1).max() == 1
    # Without suppression, what is left is what the network's own selection keeps without it.
    alone = RULE.model_copy(update={"iou": 1.0, "most": count})
    raw = network(images)
    found = select_boxes(RawBoxes(raw.logits[0], raw.offsets[0]), HW, HW, alone)
    best, classes = scores[0].max(0)
    kept = (best > RULE.score).nonzero()[:, 0]
    kept = kept[best[kept].argsort(descending=True)]
    mine = Found(boxes[0, kept], best[kept], classes[kept])
    assert len(found.scores) > 50
    torch.testing.assert_close(mine.scores, found.scores)
    torch.testing.assert_close(mine.boxes, found.boxes)
    torch.testing.assert_close(mine.labels, found.labels)
