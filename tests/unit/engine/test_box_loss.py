"""The detection loss against torchvision's parts, and what must not change it."""

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import sigmoid_focal_loss

from topformer_cli.engine import box_loss as module
from topformer_cli.engine.box_loss import BoxTargets, focal_loss
from topformer_cli.engine.box_loss import detection_loss as sum_and_positives
from topformer_cli.models.boxes import (
    NEGATIVE,
    UNDECIDED,
    anchor_boxes,
    match_anchors,
    real_anchors,
)

CPU = torch.device("cpu")
CLASSES = 3
BOXES = torch.tensor([[8.0, 8, 44, 40], [60, 20, 90, 60], [4, 4, 20, 28]])
CATEGORIES = torch.tensor([2, 0, 1])


def targets(size: tuple[int, int], owners: list[int], images: int = 2) -> BoxTargets:
    count = len(owners)
    sizes = torch.tensor([size] * images)
    return BoxTargets(size, BOXES[:count], CATEGORIES[:count], torch.tensor(owners), sizes)


def outputs(size: tuple[int, int], images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    anchors = sum(len(level) for level in anchor_boxes(*size, CPU))
    logits = torch.randn(images, anchors, CLASSES, generator=generator) * 2 - 2
    return logits, torch.randn(images, anchors, 4, generator=generator) * 0.1


def reference(logits: Tensor, offsets: Tensor, wanted: BoxTargets) -> Tensor:
    """torchvision's losses, summed over the batch and divided by its positive anchors."""
    anchors = torch.cat(anchor_boxes(*wanted.size, CPU))
    total, positives = torch.zeros(()), 0
    for number in range(len(logits)):
        mine = wanted.owners == number
        matched = match_anchors(anchors, wanted.boxes[mine])
        chosen = matched >= 0
        one_hot = torch.zeros_like(logits[number])
        one_hot[chosen, wanted.categories[mine][matched[chosen]]] = 1
        counted = matched != UNDECIDED
        total = total + sigmoid_focal_loss(
            logits[number][counted], one_hot[counted], reduction="sum"
        )
        encoded = BoxCoder((1.0, 1.0, 1.0, 1.0)).encode_single(
            wanted.boxes[mine][matched[chosen]], anchors[chosen]
        )
        total = total + (offsets[number][chosen] - encoded).abs().sum()
        positives += max(int(chosen.sum()), 1)
    return total / positives


def detection_loss(logits: Tensor, offsets: Tensor, wanted: BoxTargets) -> Tensor:
    total, positives = sum_and_positives(logits, offsets, wanted)
    return total / positives


@pytest.mark.parametrize("owners", [[0, 0, 1], [1, 1], []], ids=["both", "one empty", "none"])
def test_loss_and_gradient_are_those_of_torchvisions_parts(owners: list[int]) -> None:
    size = (64, 96)
    raw = [one.requires_grad_() for one in outputs(size, 2)]
    ours = detection_loss(raw[0], raw[1], targets(size, owners))
    ours_gradient = torch.autograd.grad(ours, raw)
    theirs = reference(raw[0], raw[1], targets(size, owners))
    theirs_gradient = torch.autograd.grad(theirs, raw)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(ours_gradient, theirs_gradient, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-8)


def restated(logits: Tensor, offsets: Tensor, wanted: BoxTargets) -> Tensor:
    """The loss anchor by anchor and class by class as the papers write it, in double precision."""
    anchors = torch.cat(anchor_boxes(*wanted.size, CPU))
    total, positives = torch.zeros((), dtype=torch.float64), 0
    for number in range(len(logits)):
        mine = wanted.owners == number
        boxes, categories = wanted.boxes[mine].double(), wanted.categories[mine]
        matched = match_anchors(anchors, wanted.boxes[mine])
        positives += max(int((matched >= 0).sum()), 1)
        for place in (matched != UNDECIDED).nonzero()[:, 0].tolist():
            target = torch.zeros(CLASSES, dtype=torch.float64)
            if matched[place] >= 0:
                target[categories[matched[place]]] = 1
                box, anchor = boxes[matched[place]], anchors[place].double()
                size, own = box[2:] - box[:2], anchor[2:] - anchor[:2]
                shift = (box[2:] + box[:2] - anchor[2:] - anchor[:2]) / 2 / own
                encoded = torch.cat((shift, (size / own).log()))
                total = total + (offsets[number, place].double() - encoded).abs().sum()
            p = logits[number, place].double().sigmoid()
            right = p * target + (1 - p) * (1 - target)
            weight = 0.25 * target + 0.75 * (1 - target)
            total = total - (weight * (1 - right) ** 2 * right.log()).sum()
    return total / positives


def test_loss_and_gradient_are_exact() -> None:
    size = (32, 64)
    raw = [one.requires_grad_() for one in outputs(size, 2)]
    ours = detection_loss(raw[0], raw[1], targets(size, [0, 1, 1]))
    theirs = restated(raw[0], raw[1], targets(size, [0, 1, 1]))
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-6)
    found, wanted = torch.autograd.grad(ours, raw), torch.autograd.grad(theirs, raw)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)


def test_positives_are_those_of_the_whole_batch() -> None:
    # An image with few objects weighs little beside one with many; torchvision weighs them alike.
    size = (64, 96)
    logits, offsets = outputs(size, 2)
    both = detection_loss(logits, offsets, targets(size, [0, 0, 1]))
    one = detection_loss(logits[:1], offsets[:1], targets(size, [0, 0], 1))
    assert both != pytest.approx(float(one))
    anchors = torch.cat(anchor_boxes(*size, CPU))
    first, second = (
        int((match_anchors(anchors, part) >= 0).sum()) for part in (BOXES[:2], BOXES[2:])
    )
    last = BoxTargets(size, BOXES[2:], CATEGORIES[2:], torch.tensor([0]), torch.tensor([size]))
    other = detection_loss(logits[1:], offsets[1:], last)
    mixed = (float(one) * first + float(other) * second) / (first + second)
    assert float(both) == pytest.approx(mixed, rel=1e-5)


def test_padding_to_the_batchs_size_changes_nothing() -> None:
    small, large = (64, 96), (96, 160)
    wanted = targets(large, [0, 0], 1)
    wanted = BoxTargets(
        large, wanted.boxes, wanted.categories, wanted.owners, torch.tensor([small])
    )
    logits, offsets = outputs(large, 1)
    before = detection_loss(logits, offsets, wanted)
    off = real_anchors(large, small, CPU).logical_not()
    logits[0, off] += 9
    offsets[0, off] -= 9
    assert detection_loss(logits, offsets, wanted) == before


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_tiles_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(50, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(-2, 4, (50,), generator=torch.Generator().manual_seed(1))
    whole = focal_loss(logits, labels)
    (gradient,) = torch.autograd.grad(whole, logits)
    monkeypatch.setitem(module._ROWS, "cpu", rows)
    tiled = focal_loss(logits, labels)
    torch.testing.assert_close(tiled, whole)
    torch.testing.assert_close(torch.autograd.grad(tiled, logits)[0], gradient)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_scored_in_full(kind: torch.dtype) -> None:
    logits = torch.randn(40, 4).to(kind).requires_grad_()
    labels = torch.full((40,), NEGATIVE)
    labels[3], labels[5] = 1, UNDECIDED
    loss = focal_loss(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, focal_loss(logits.detach().float(), labels))
    assert logits.grad is not None
    assert logits.grad.dtype == kind
