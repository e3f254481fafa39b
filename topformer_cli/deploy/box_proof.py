"""Proof that the boxes which a written file leads to are those of the network."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

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


Alone: TypeAlias = tuple[Boxes, Boxes, int]
"""A list of boxes, the one that it is held against, and the place of a box in the first."""


class Proposals(NamedTuple):
    """The network's boxes of one picture before suppression.

    least: of each [n] the lowest score that its level still takes part with, 0 where all do.
    """

    boxes: Boxes
    least: NDArray[Any]


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
    by sample. rule: by which both were chosen. proposals: by the number of a sample, what the
    network chose from; without it no box is excused for a score equal to another one's.
    """

    boxes_of: Callable[[Arrays], Boxes]
    references: Sequence[Boxes]
    rule: SuppressionRule
    tolerance_px: float = TOLERANCE_PX
    proposals: Callable[[int], Proposals] | None = None

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
        unlike = [
            text
            for number, pair in enumerate(compared)
            for text in pair.unexplained(self.proposals and partial(self.proposals, number))
        ]
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

    def unexplained(self, propose: Callable[[], Proposals] | None) -> list[str]:
        """Describe the boxes of one list alone on which rounding did not decide.

        Rounding decides where a score or overlap lies at its limit, and which of two boxes with one
        score suppresses the other; and so on over those that the loser would have suppressed.
        """
        alone = [
            (self.reference, self.found, place)
            for place in sorted(set(range(len(self.reference.scores))) - set(self.same.keys()))
        ] + [
            (self.found, self.reference, place)
            for place in sorted(set(range(len(self.found.scores))) - set(self.same.values()))
        ]
        rest = [one for one in alone if not self._by_rounding(*one)]
        if rest and propose is not None:
            rest = Ties(alone, rest, propose()).unexplained(self.rule)
        return [
            f"{_described(mine, place)}, is {'missing' if mine is self.reference else 'too many'}"
            for mine, _, place in rest
        ]

    def _by_rounding(self, mine: Boxes, other: Boxes, place: int) -> bool:
        score = mine.scores[place]
        full = len(other.scores) >= self.rule.most
        last = other.scores.min(initial=np.inf) if full else -np.inf
        if abs(score - self.rule.score) < MARGIN or score < last + MARGIN:
            return True
        rivals = other.corners[other.classes == mine.classes[place]]
        overlaps = _overlaps(mine.corners[place], rivals)
        return bool((np.abs(overlaps - self.rule.iou) < MARGIN).any())


class Ties:
    """Which boxes of one list alone are there because of others whose scores are equal.

    alone: (its list, the other list, its place) of all boxes without a partner. rest: those for
    which there is no other reason.
    """

    def __init__(self, alone: Sequence[Alone], rest: Sequence[Alone], proposals: Proposals) -> None:
        self.alone, self.rest, self.proposals = alone, rest, proposals

    def unexplained(self, rule: SuppressionRule) -> list[Alone]:
        """Return those of the rest that equal scores do not explain, at any distance."""
        rest = list(self.rest)
        known = {_key(one) for one in self.alone} - {_key(one) for one in rest}
        while True:
            explained = [one for one in rest if self._explained(one, known, rule)]
            if not explained:
                return rest
            known |= {_key(one) for one in explained}
            rest = [one for one in rest if _key(one) not in known]

    def _explained(self, one: Alone, known: Set[tuple[int, int]], rule: SuppressionRule) -> bool:
        mine, other, place = one
        proposal = self._proposal(mine, place)
        if proposal is None:
            return False
        score = mine.scores[place]
        if score < self.proposals.least[proposal] + MARGIN:
            return True
        overlaps = _overlaps(mine.corners[place], other.corners)
        return any(
            (abs(other.scores[rival] - score) < MARGIN or _key(there) in known)
            for there in self.alone
            if there[0] is other
            and other.classes[rival := there[2]] == mine.classes[place]
            and overlaps[rival] > rule.iou - MARGIN
            and other.scores[rival] > score - MARGIN
            and self._proposal(other, rival) is not None
        )

    def _proposal(self, boxes: Boxes, place: int) -> int | None:
        """Return which proposal of the network a box is, None of a box that is none."""
        own = self.proposals.boxes
        far = np.abs(own.corners - boxes.corners[place]).max(axis=1, initial=0)
        far[own.classes != boxes.classes[place]] = np.inf
        far[np.abs(own.scores - boxes.scores[place]) > MARGIN] = np.inf
        return int(far.argmin()) if far.size and far.min() <= TOLERANCE_PX else None


def _key(one: Alone) -> tuple[int, int]:
    mine, _, place = one
    return id(mine), place


def _described(boxes: Boxes, place: int) -> str:
    corners = ", ".join(f"{value:.1f}" for value in boxes.corners[place])
    return f"class {boxes.classes[place]} at ({corners}), score {boxes.scores[place]:.4f}"


def _overlaps(box: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Return the intersections over unions [n] of a box [4] with others [n, 4]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    ious: NDArray[Any] = shared / np.maximum(areas - shared, 1e-30)
    return ious
