"""What is to be measured, and one process of that."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.protocol import CORES, Accelerator, Precision
from topformer_cli.errors import UsageError
from topformer_cli.parity import HALF_TOLERANCE, LABELS_TOLERANCE

TOLERANCES: Final[Mapping[tuple[str, Precision], float]] = {
    ("onnxruntime", "fp32"): 1e-4,
    ("PyTorch", "fp32"): 1e-4,
    ("LiteRT", "fp32"): 5e-4,
    ("LiteRT", "auto"): HALF_TOLERANCE,
    ("TNN", "fp32"): 5e-4,
    ("TNN", "auto"): HALF_TOLERANCE,
}
"""Largest accepted max|difference| / max|reference|.

TNN's ARM kernels (Winograd, fast sigmoid) lie up to 8e-5 away in fp32; fp16 keeps 11 bits.
"""


@dataclass(frozen=True, slots=True, eq=False)
class BenchPlan:
    """One artifact, the fixed input it gets and the output it must give.

    artifact: the file that the runner reads; its other files lie beside it. inputs [1, 3, H, W]
    are normalised float32 or bytes, references are the network's own outputs: logits, an integer
    label map, or the maps or boxes of a detector. output says where the graph ends. core is
    `prime`, `big`, `little`, `any` or a core's number; mask, bare hexadecimal, takes its place.
    parity False leaves the outputs unchecked. tolerance None takes the engine's.
    """

    name: str
    card: Mapping[str, Any]
    artifact: Path
    inputs: NDArray[Any]
    references: Sequence[NDArray[Any]]
    output: str = "logits at 1/8"
    precision: Precision = "fp32"
    threads: int = 1
    core: str = "prime"
    tolerance: float | None = None
    accelerator: Accelerator = "cpu"
    mask: str | None = None
    parity: bool = True
    per_layer: bool = False

    @property
    def detects(self) -> bool:
        """Whether it is a detector, whose outputs have no class at every place."""
        return self.card.get("task") == "detection"

    @property
    def after(self) -> str:
        """What is not done after the graph, for the words of what a latency covers."""
        return "nothing after it" if self.detects else "no resizing and no argmax after it"

    def __post_init__(self) -> None:
        """Refuse a precision, thread count or core that no engine knows."""
        if self.precision not in get_args(Precision):
            message = f"precision {self.precision!r}: choose from {', '.join(get_args(Precision))}"
            raise UsageError(message)
        if self.threads < 1:
            message = f"threads is {self.threads}; it must be at least 1"
            raise UsageError(message)
        if self.core not in CORES and not self.core.isdecimal():
            message = f"core {self.core!r}: give {', '.join(CORES)} or a core's number"
            raise UsageError(message)
        if self.mask is not None and not (
            re.fullmatch(r"[0-9a-f]{1,64}", self.mask) and int(self.mask, 16)
        ):
            message = f"mask {self.mask!r}: give bare hexadecimal such as 80 for core 7"
            raise UsageError(message)

    def bound(self, engine: str) -> float:
        """Return the parity bound of this plan's values, or label map, on an engine.

        Raises:
            UsageError: the engine has no such precision.
        """
        if (engine, self.precision) not in TOLERANCES:
            known = [precision for name, precision in TOLERANCES if name == engine]
            message = f"--precision {self.precision}: {engine} has {', '.join(known)} only"
            raise UsageError(message)
        if self.tolerance is not None:
            return self.tolerance
        if all(np.issubdtype(one.dtype, np.integer) for one in self.references):
            return LABELS_TOLERANCE
        return TOLERANCES[engine, self.precision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One process of a runner, as it is asked for; names are relative to its working folder.

    warmup, warmup_s, iterations, seconds: at least so many inferences and so much time, first
    without and then with counting. residency: path of the core's time_in_state, to be read around
    the timed inferences. shape: of the input, for programs that must be told. device: TNN's word
    for what computes, in place of the one that follows from ABI and accelerator.
    """

    model: str
    input: str
    output: str
    abi: str
    precision: Precision = "fp32"
    threads: int = 1
    accelerator: Accelerator = "cpu"
    warmup: int = 0
    warmup_s: float = 0.0
    iterations: int = 1
    seconds: float = 0.0
    residency: str | None = None
    per_layer: bool = False
    shape: tuple[int, ...] = ()
    device: str | None = None
