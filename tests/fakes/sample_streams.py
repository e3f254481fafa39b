"""Invented streams of inference times of which median, drift and speeds are known."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topformer_cli.results import Round

Times = NDArray[np.float64]


def round_of(samples_ms: Sequence[float]) -> Round:
    """Return the round of a row of timed inferences, in ms."""
    return Round(
        iterations=len(samples_ms),
        min_ms=min(samples_ms),
        max_ms=max(samples_ms),
        mean_ms=statistics.fmean(samples_ms),
        samples_ms=tuple(samples_ms),
        median_ms=statistics.median(samples_ms),
    )


@dataclass(frozen=True, slots=True)
class Machine:
    """How a machine scatters.

    median_ms: the true one. noise: standard deviation of the logarithm. memory: correlation of
    neighbours. outliers: share of inferences that take three times as long. own: standard
    deviation of what each process has for itself. count, rounds: inferences a round, rounds.
    """

    median_ms: float
    noise: float
    memory: float
    outliers: float
    own: float
    count: int
    rounds: int = 5

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Machine":
        """Draw one of the kind that phones are."""
        return cls(
            median_ms=float(np.exp(rng.uniform(0, np.log(200)))),
            noise=rng.uniform(0.005, 0.02),
            memory=rng.choice([0.0, 0.3, 0.6, 0.8]),
            outliers=rng.choice([0.0, 0.005, 0.02]),
            own=rng.choice([0.0, 0.003, 0.008]),
            count=int(rng.integers(50, 501)),
        )

    def stream(self, rng: np.random.Generator) -> Times:
        """Return times of shape [rounds, inferences]."""
        logarithms = self.noise * correlated(rng, (self.rounds, self.count), self.memory)
        logarithms += self.own * rng.standard_normal((self.rounds, 1))
        times: Times = self.median_ms * np.exp(logarithms)
        return np.where(rng.random(times.shape) < self.outliers, 3 * times, times)


def correlated(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> Times:
    """Return standard normal rows whose neighbours correlate by `memory`."""
    values: Times = rng.standard_normal(shape)
    fresh = np.sqrt(1 - memory**2)
    for index in range(1, shape[1]):
        values[:, index] = memory * values[:, index - 1] + fresh * values[:, index]
    return values


def with_samples(times: Times) -> tuple[Round, ...]:
    """Return the rounds of a runner that tells every inference."""
    return tuple(round_of(row.tolist()) for row in times)


def without_samples(times: Times) -> tuple[Round, ...]:
    """Return the rounds of a runner that tells min, max and mean of a process."""
    return tuple(
        Round(len(row), float(row.min()), float(row.max()), float(row.mean())) for row in times
    )
