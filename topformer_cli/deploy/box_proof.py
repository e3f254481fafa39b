"""Proof that the boxes which a written file leads to are those of the network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.manifest import BoxRecord
from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.suppression import SuppressionRule
from topformer_cli.errors import ParityError
from topformer_cli.parity import Parity

TOLERANCE_PX: Final = 1e-3
"""Pixels of the input by which a corner may move."""

CLOSE: Final = 1.0
"""Pixels within which a box of the same class is taken for the same one."""

MARGIN: Final = 1e-4
"""Scores and overlaps that lie so close to what decides over a box are decided by rounding."""


class Boxes(NamedTuple):
    """Boxes of one picture: corners [n, 4] in pixels of the input, scores [n], classes [n]."""

    corners: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]


@dataclass(frozen=True, slots=True)
class BoxesHeld:
    """How the boxes of all samples agree: the record, and the corners of those in both."""

    record: BoxRecord
    parity: Parity
    bound: float


@dataclass(frozen=True, slots=True, eq=False)
class BoxProof:
    """What the boxes of a written file are held against.

    boxes_of: what a host makes of the outputs for one sample. references: the network's own boxes,
    by sample. rule: by which both were chosen.
    """

    boxes_of: Callable[[Arrays], Boxes]
    references: Sequence[Boxes]
    rule: SuppressionRule
    tolerance_px: float = TOLERANCE_PX

    def judge(self, outputs: Sequence[Arrays], what: str) -> BoxesHeld:
        """Compare the boxes of all samples.

        Raises:
            ParityError: a box has moved further than tolerance_px, or is in one list only and not
                by rounding.
        """
        compared = [
            _Pair(reference, self.boxes_of(arrays), self.rule)
            for reference, arrays in zip(self.references, outputs, strict=True)
        ]
        moved = np.concatenate([pair.moved() for pair in compared])
        record = BoxRecord(
            expected=sum(len(pair.reference.scores) for pair in compared),
            found=sum(len(pair.found.scores) for pair in compared),
            same=len(moved),
            px=float(moved.max(initial=0)),
            score=max((pair.score_difference() for pair in compared), default=0.0),
        )
        if np.isfinite(self.tolerance_px):
            self._require(compared, record, what)
        scale = max(float(np.abs(pair.reference.corners).max(initial=0)) for pair in compared)
        parity = Parity(
            max_abs=record.px,
            mean_abs=float(moved.mean()) if len(moved) else 0.0,
            relative=record.px / max(scale, 1e-30),
            cosine=1.0,
            labels_equal=record.same / max(record.expected, record.found, 1),
        )
        return BoxesHeld(record, parity, self.tolerance_px / max(scale, 1e-30))

    def _require(self, compared: Sequence["_Pair"], record: BoxRecord, what: str) -> None:
        unlike = [text for pair in compared for text in pair.unexplained()]
        if unlike:
            message = (
                f"{what}: {len(unlike)} boxes are not the network's, of {record.expected}; the "
                f"first: {unlike[0]}"
            )
            raise ParityError(message)
        if record.px > self.tolerance_px:
            message = (
                f"{what}: a box lies {record.px:.2e} pixels from the network's, more than "
                f"{self.tolerance_px:g}"
            )
            raise ParityError(message)


class _Pair:
    """Two lists of boxes of one picture, and which of them are the same."""

    def __init__(self, reference: Boxes, found: Boxes, rule: SuppressionRule) -> None:
        self.reference, self.found, self.rule = reference, found, rule
        self.same: dict[int, int] = {}
        """Place in the reference -> place in what was found."""
        distances = np.abs(reference.corners[:, None] - found.corners[None]).max(axis=2, initial=0)
        distances[reference.classes[:, None] != found.classes[None]] = np.inf
        for place, row in enumerate(distances):
            row[list(self.same.values())] = np.inf
            if row.size and row.min() < CLOSE:
                self.same[place] = int(row.argmin())

    def moved(self) -> NDArray[Any]:
        """Return how far [same] the corners moved, in pixels."""
        mine, theirs = list(self.same), list(self.same.values())
        difference = self.reference.corners[mine] - self.found.corners[theirs]
        largest: NDArray[Any] = np.abs(difference).max(axis=1, initial=0)
        return largest

    def score_difference(self) -> float:
        """Return the largest difference of two scores."""
        mine, theirs = list(self.same), list(self.same.values())
        difference = self.reference.scores[mine] - self.found.scores[theirs]
        return float(np.abs(difference).max(initial=0))

    def unexplained(self) -> list[str]:
        """Describe the boxes of one list alone whose score or overlap rounding did not decide."""
        told = []
        for mine, other, known, whose in (
            (self.reference, self.found, self.same.keys(), "missing"),
            (self.found, self.reference, self.same.values(), "too many"),
        ):
            for place in sorted(set(range(len(mine.scores))) - set(known)):
                if not self._by_rounding(mine, place, other):
                    corners = ", ".join(f"{value:.1f}" for value in mine.corners[place])
                    told.append(
                        f"class {mine.classes[place]} at ({corners}), score "
                        f"{mine.scores[place]:.4f}, is {whose}"
                    )
        return told

    def _by_rounding(self, mine: Boxes, place: int, other: Boxes) -> bool:
        score = mine.scores[place]
        full = len(other.scores) >= self.rule.most
        last = other.scores.min(initial=np.inf) if full else -np.inf
        if abs(score - self.rule.score) < MARGIN or score < last + MARGIN:
            return True
        rivals = other.corners[other.classes == mine.classes[place]]
        overlaps = _overlaps(mine.corners[place], rivals)
        return bool((np.abs(overlaps - self.rule.iou) < MARGIN).any())


def _overlaps(box: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Return the intersections over unions [n] of a box [4] with others [n, 4]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    ious: NDArray[Any] = shared / np.maximum(areas - shared, 1e-30)
    return ious
