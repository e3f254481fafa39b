"""How two outputs of one network are compared, for export, evaluation and bench alike."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import ParityError

EXPORT_TOLERANCE = 1e-5
"""Largest accepted max|difference| / max|reference| of an exported fp32 file."""
HALF_TOLERANCE = 5e-2
"""The same where weights or arithmetic have half precision, which keeps 11 bits."""
LABELS_TOLERANCE = 1e-3
"""Largest accepted share of positions at which rounding decides between two classes."""
ROUNDINGS = 3
"""An exported file may differ by this many times the network's own float32 rounding error."""
WIDEST_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an output lies from its reference.

    relative is max|difference| / max|reference|; labels_equal is the share of positions whose
    argmax over the class axis is the same, None of an output that has no such axis.
    """

    max_abs: float
    mean_abs: float
    relative: float
    cosine: float
    labels_equal: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)


def compare(reference: NDArray[Any], output: NDArray[Any], class_axis: int = 1) -> Parity:
    """Compare an output with its reference.

    Raises:
        ParityError: the shapes differ, or one of them holds a value that is not finite.
    """
    if reference.shape != output.shape:
        message = f"output shape {output.shape} differs from the reference's {reference.shape}"
        raise ParityError(message)
    for name, values in (("output", output), ("reference", reference)):
        if wrong := int((~np.isfinite(values)).sum()):
            message = f"{wrong} of {values.size} {name} values are nan or inf"
            raise ParityError(message)
    if not reference.size:
        return Parity(max_abs=0.0, mean_abs=0.0, relative=0.0, cosine=1.0, labels_equal=1.0)
    a, b = reference.astype(np.float64), output.astype(np.float64)
    difference = np.abs(a - b)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return Parity(
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        relative=float(difference.max() / max(float(np.abs(a).max()), 1e-30)),
        cosine=float((a * b).sum() / norm) if norm else 1.0,
        labels_equal=float((a.argmax(class_axis) == b.argmax(class_axis)).mean()),
    )


def compare_labels(reference: NDArray[Any], labels: NDArray[Any]) -> Parity:
    """Compare a label map with the logits that it should be the argmax of.

    Shapes: reference logits [N, C, H, W], labels [N, 1, H, W]. A difference is what the chosen
    class lacks to the highest logit: rounding decides between two classes that are as good as
    equal, and only that is forgiven. mean_abs is its mean; cosine is that of the label maps.

    Raises:
        ParityError: the shapes do not go together, or a label is no class.
    """
    expected = (reference.shape[0], 1, *reference.shape[2:])
    if labels.shape != expected:
        message = f"label map of shape {labels.shape} instead of {expected}"
        raise ParityError(message)
    if labels.min() < 0 or labels.max() >= reference.shape[1]:
        message = f"labels {labels.min()} to {labels.max()} for {reference.shape[1]} classes"
        raise ParityError(message)
    best = reference.argmax(1)[:, None]
    lost = np.take_along_axis(reference, best, 1) - np.take_along_axis(
        reference, labels.astype(np.int64), 1
    )
    scores = compare(best.astype(np.float64), labels.astype(np.float64))
    return Parity(
        max_abs=float(lost.max()),
        mean_abs=float(lost.mean()),
        relative=float(lost.max() / max(float(np.abs(reference).max()), 1e-30)),
        cosine=scores.cosine,
        labels_equal=float((best == labels).mean()),
    )


def compare_label_maps(reference: NDArray[Any], labels: NDArray[Any]) -> Parity:
    """Compare two label maps of one shape; a difference is the share of positions that differ.

    Raises:
        ParityError: the shapes differ.
    """
    if reference.shape != labels.shape:
        message = f"label map of shape {labels.shape} instead of {reference.shape}"
        raise ParityError(message)
    share = float((reference != labels).mean()) if labels.size else 0.0
    axis = min(1, labels.ndim - 1)
    cosine = compare(reference.astype(np.float64), labels.astype(np.float64), axis).cosine
    return Parity(share, share, share, cosine, 1 - share)


def agreement(reference: NDArray[Any], output: NDArray[Any], *, classes: bool = True) -> Parity:
    """Compare what two runtimes gave: label maps if the reference is one, else values that count.

    classes says whether axis 1 is that of classes, as it is not in a detector's maps.

    Raises:
        ParityError: the shapes do not go together, or a value is not finite.
    """
    if np.issubdtype(reference.dtype, np.integer):
        found = compare_label_maps(reference, output)
    else:
        found = compare(reference, counted(output, reference), min(1, reference.ndim - 1))
    return found if classes else replace(found, labels_equal=None)


def counted(output: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    """Return the channels (axis 1) of an output that count, where a file pads them.

    An exported TNN file may end in more channels than there are classes, for a faster kernel.
    """
    return output[:, : reference.shape[1]] if min(output.ndim, reference.ndim) > 1 else output


def tolerance_for(rounding: float) -> float:
    """Return the bound for a network whose own float32 rounding moves its output so far.

    An exported file cannot be closer to the function than the network itself is in float32: where
    that comes near the usual bound (weights that were never trained), the bound gives way.
    """
    return min(max(EXPORT_TOLERANCE, ROUNDINGS * rounding), WIDEST_TOLERANCE)


def require(parity: Parity, what: str, tolerance: float = EXPORT_TOLERANCE) -> None:
    """Refuse an output that lies further from its reference than the tolerance.

    Raises:
        ParityError: names what was compared, the figure and the bound.
    """
    if parity.relative > tolerance:
        equal = parity.labels_equal
        labels = "" if equal is None else f" (labels equal: {equal:.4%})"
        message = (
            f"{what}: max difference is {parity.relative:.2e} of max|reference|, "
            f"above {tolerance:.0e}{labels}"
        )
        raise ParityError(message)
