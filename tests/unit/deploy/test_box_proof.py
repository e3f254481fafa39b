"""When boxes count as the network's own."""

import numpy as np
import pytest

from topformer_cli.deploy.box_proof import Boxes, BoxProof
from topformer_cli.deploy.suppression import SuppressionRule
from topformer_cli.errors import ParityError

RULE = SuppressionRule(score=0.05, iou=0.5, most=3)


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


ONE, OTHER = (10, 10, 50, 40, 0.9, 2), (100, 20, 300, 220, 0.4, 2)
EXPECTED = boxes(ONE, OTHER)


def proof(tolerance_px: float = 1e-3) -> BoxProof:
    return BoxProof(Boxes._make, [EXPECTED], RULE, tolerance_px)


def test_boxes_that_hardly_moved_are_the_same() -> None:
    corners = EXPECTED.corners[::-1] + 5e-4  # in another order
    held = proof().judge([[corners, EXPECTED.scores[::-1], EXPECTED.classes]], "net.onnx")
    assert (held.record.expected, held.record.found, held.record.same) == (2, 2, 2)
    assert held.record.px == pytest.approx(5e-4)
    assert held.parity.labels_equal == 1
    assert held.parity.relative <= held.bound == pytest.approx(1e-3 / 300)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (boxes((10.01, 10, 50, 40, 0.9, 2), OTHER), r"a box lies 1.00e-02 pixels from"),
        (boxes(OTHER), r"1 boxes are not .* of 2; the first: class 2 at \(10.0, .* is missing"),
        (boxes(ONE, OTHER, (0, 0, 9, 9, 0.3, 0)), r".*class 0 at .* score 0.3000, is too many"),
        (boxes((10, 10, 50, 40, 0.9, 1), OTHER), r"2 boxes are not the network's"),
        (boxes(ONE, ONE, OTHER), r".*class 2 at \(10.0, .* is too many"),
    ],
)
def test_other_boxes_are_refused(found: Boxes, said: str) -> None:
    with pytest.raises(ParityError, match=f"^net.onnx: {said}"):
        proof().judge([list(found)], "net.onnx")


@pytest.mark.parametrize(
    "more",
    [
        (0, 0, 9, 9, 0.05005, 0),  # just above the score
        (10, 10, 50, 69.9999, 0.8, 2),  # overlaps the first by just one half
    ],
)
def test_a_box_that_rounding_decides_on_may_be_there(more: tuple[float, ...]) -> None:
    found = boxes(ONE, OTHER, more)
    record = proof().judge([list(found)], "net.onnx").record
    assert (record.expected, record.found, record.same) == (2, 3, 2)


def test_weights_in_less_precision_may_move_boxes() -> None:
    record = proof(float("inf")).judge([list(boxes((10.5, 10, 50, 40, 0.8, 2)))], "net").record
    assert (record.same, record.px) == (1, 0.5)
    assert record.score == pytest.approx(0.1)


def test_no_boxes_on_either_side_are_no_difference() -> None:
    nothing = boxes()
    held = BoxProof(Boxes._make, [nothing], RULE).judge([list(nothing)], "net")
    assert (held.record.expected, held.record.same, held.record.px) == (0, 0, 0)
