"""When boxes count as the network's own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.deploy.box_proof import Boxes, BoxProof, Proposals
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


EVEN = SuppressionRule(score=0.05, iou=0.5, most=100)
STEP = 10.0


def row_of(scores: list[float]) -> Boxes:
    """Boxes of 40x40 in a row, each of which overlaps its neighbours by 0.6."""
    return boxes(*((STEP * n, 0, STEP * n + 40, 40, score, 0) for n, score in enumerate(scores)))


def suppressed(proposed: Boxes, order: list[int]) -> Boxes:
    """What is left of boxes that are looked at in an order."""
    kept: list[int] = []
    for place in order:
        if all(abs(place - one) > 1 for one in kept):
            kept.append(place)
    return Boxes(*(part[kept] for part in proposed))


def tied(proposed: Boxes, least: float = 0.0) -> BoxProof:
    reference = suppressed(proposed, list(range(len(proposed.scores))))
    all_of_them = Proposals(proposed, np.full(len(proposed.scores), least))
    return BoxProof(Boxes._make, [reference], EVEN, proposals=lambda _: all_of_them)


@given(st.permutations(range(7)))
def test_equal_scores_may_suppress_each_other_in_any_order(order: list[int]) -> None:
    proposed = row_of([0.3] * 7)
    found = suppressed(proposed, order)
    record = tied(proposed).judge([list(found)], "net").record
    assert (record.expected, record.found) == (4, len(found.scores))
    strict = replace(tied(proposed), proposals=None)
    if sorted(found.corners[:, 0]) != sorted(strict.references[0].corners[:, 0]):
        with pytest.raises(ParityError, match="not the network's"):
            strict.judge([list(found)], "net")


def test_what_the_loser_would_have_suppressed_may_stay() -> None:
    # 0 and 1 are equal: whoever wins, 2 is weaker than 1, and 3 than 2.
    proposed = row_of([0.5, 0.5, 0.4, 0.3])
    record = tied(proposed).judge([list(suppressed(proposed, [1, 0, 2, 3]))], "net").record
    assert (record.expected, record.found, record.same) == (2, 2, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        [0, 2, 3],  # 3 overlaps 2, which is stronger and there
        [0],  # nothing suppresses 2
        [1, 3],  # 1 is weaker than 0
    ],
)
def test_equal_scores_excuse_nothing_else(wrong: list[int]) -> None:
    proposed = row_of([0.6, 0.5, 0.4, 0.3])
    found = Boxes(*(part[wrong] for part in proposed))
    with pytest.raises(ParityError, match="not the network's"):
        tied(proposed).judge([list(found)], "net")


def test_a_file_that_suppresses_nothing_is_refused() -> None:
    proposed = row_of([0.3] * 7)
    with pytest.raises(ParityError, match="is too many"):
        tied(proposed).judge([list(proposed)], "net")


def test_boxes_that_the_network_never_proposed_are_refused() -> None:
    proposed = row_of([0.3] * 7)
    found = suppressed(proposed, [1, 3, 5])
    moved = found._replace(corners=found.corners + 2.0)
    with pytest.raises(ParityError, match="not the network's"):
        tied(proposed).judge([list(moved)], "net")


def test_equal_scores_at_the_end_of_a_level_are_in_any_order() -> None:
    proposed = row_of([0.6, 0.1, 0.3, 0.1, 0.3])
    found = Boxes(*(part[[0, 2]] for part in proposed))
    tied(proposed, least=0.3).judge([list(found)], "net")
    with pytest.raises(ParityError, match="is missing"):
        tied(proposed, least=0.2).judge([list(found)], "net")
