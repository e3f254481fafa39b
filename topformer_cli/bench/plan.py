"""What is to be measured, and by which protocol."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import UsageError
from topformer_cli.parity import HALF_TOLERANCE, LABELS_TOLERANCE

Precision = Literal["fp32", "auto"]
"""`auto` leaves the choice to the engine: fp16 where processor and build have it."""

TOLERANCES: Final[Mapping[tuple[str, Precision], float]] = {
    ("onnxruntime", "fp32"): 1e-4,
    ("TNN", "fp32"): 5e-4,
    ("TNN", "auto"): HALF_TOLERANCE,
}
"""Largest accepted max|difference| / max|reference|.

TNN's ARM kernels (Winograd, fast sigmoid) lie up to 8e-5 away in fp32; fp16 keeps 11 bits.
"""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How often the network runs, and for how long at least.

    A phone's TNNTest knows counts only; the times hold for engines that are driven from here.
    deadline_s is the longest that one round may take before it counts as hanging.
    """

    warmup: int = 10
    rounds: int = 5
    iterations: int = 50
    min_warmup_s: float = 1.0
    min_round_s: float = 1.0
    deadline_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse counts that measure nothing."""
        for name in ("rounds", "iterations"):
            if getattr(self, name) < 1:
                message = f"{name} is {getattr(self, name)}; it must be at least 1"
                raise UsageError(message)
        if self.warmup < 0:
            message = f"warmup is {self.warmup}; it must not be negative"
            raise UsageError(message)


@dataclass(frozen=True, slots=True, eq=False)
class BenchPlan:
    """One artifact, the fixed input it gets and the output it must give.

    artifact: a `.onnx` file, or a `.tnnproto` with its `.tnnmodel` beside it. inputs
    [1, 3, H, W] are normalised float32 or bytes, reference is the network's own output: logits, or
    an integer label map. output says where the
    graph ends. core is `prime`, `any` or a core's number. tolerance None takes the engine's.
    """

    name: str
    card: Mapping[str, Any]
    artifact: Path
    inputs: NDArray[Any]
    reference: NDArray[Any]
    output: str = "logits at 1/8"
    precision: Precision = "fp32"
    threads: int = 1
    core: str = "prime"
    protocol: Protocol = Protocol()
    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Refuse a precision, thread count or core that no engine knows."""
        if self.precision not in get_args(Precision):
            message = f"precision {self.precision!r}: choose from {', '.join(get_args(Precision))}"
            raise UsageError(message)
        if self.threads < 1:
            message = f"threads is {self.threads}; it must be at least 1"
            raise UsageError(message)
        if self.core not in ("prime", "any") and not self.core.isdecimal():
            message = f"core {self.core!r}: give prime, any or a core's number"
            raise UsageError(message)

    def bound(self, engine: str) -> float:
        """Return the parity bound of this plan on an engine."""
        if self.tolerance is not None:
            return self.tolerance
        if np.issubdtype(self.reference.dtype, np.integer):
            return LABELS_TOLERANCE
        return TOLERANCES[engine, self.precision]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
