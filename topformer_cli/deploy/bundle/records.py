"""What a bundle is made of besides the exported files."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from topformer_cli.results import BenchResult, EvalResult


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The picture that the golden is made of, RGB [H0, W0, 3] of any size, and where it is from."""

    picture: NDArray[np.uint8]
    origin: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Measured numbers of this very model; what is not there the card calls unknown.

    parameters and multiply_adds (one image of the exported size) are counted on the network.
    """

    parameters: int | None = None
    multiply_adds: int | None = None
    evaluations: tuple[EvalResult, ...] = field(default=())
    latencies: tuple[BenchResult, ...] = field(default=())
