"""How two outputs of one network are compared, for export, evaluation and bench alike."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import ParityError

EXPORT_TOLERANCE = 1e-5
"""Largest accepted max|difference| / max|reference| of an exported fp32 file."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an output lies from its reference.

    relative is max|difference| / max|reference|; labels_equal is the share of positions whose
    argmax over the class axis is the same.
    """

    max_abs: float
    mean_abs: float
    relative: float
    cosine: float
    labels_equal: float

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


def require(parity: Parity, what: str, tolerance: float = EXPORT_TOLERANCE) -> None:
    """Refuse an output that lies further from its reference than the tolerance.

    Raises:
        ParityError: names what was compared, the figure and the bound.
    """
    if parity.relative > tolerance:
        message = (
            f"{what}: max difference is {parity.relative:.2e} of max|reference|, "
            f"above {tolerance:.0e} (labels equal: {parity.labels_equal:.4%})"
        )
        raise ParityError(message)
