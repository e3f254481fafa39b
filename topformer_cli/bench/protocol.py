"""How often and for how long a network runs; plain values, for commands as well."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.errors import UsageError

Precision = Literal["fp32", "auto"]
"""`auto` leaves the choice to the engine: fp16 where processor and build have it."""

Accelerator = Literal["cpu", "gpu"]

CORES: Final = ("prime", "big", "little", "any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How often the network runs, for how long at least, and how it cools in between.

    A round is one process of the runner: at least `warmup` inferences and `warmup_s` seconds that
    do not count, then at least `iterations` and `round_s` that do. Before each round but the first
    the CPU cools to `cool_margin_c` above where it began, for at most `cool_s`. sustained_s: rounds
    follow one another without cooling until so much time is over. retries: how often a throttled
    round may be repeated. deadline_s is the longest that a
    process may take beyond the times above before it counts as hanging.
    """

    warmup: int = 10
    warmup_s: float = 3.0
    rounds: int = 5
    iterations: int = 50
    round_s: float = 3.0
    cool_margin_c: float = 3.0
    cool_s: float = 60.0
    sustained_s: float | None = None
    retries: int = 0
    deadline_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse counts that measure nothing and times that are none."""
        for name in ("rounds", "iterations"):
            if getattr(self, name) < 1:
                message = f"{name} is {getattr(self, name)}; it must be at least 1"
                raise UsageError(message)
        for name in ("warmup", "warmup_s", "round_s", "cool_margin_c", "cool_s", "retries"):
            if not 0 <= getattr(self, name) < math.inf:
                message = f"{name} is {getattr(self, name)}; it must not be negative"
                raise UsageError(message)
        if self.sustained_s is not None and not 0 < self.sustained_s < math.inf:
            message = f"sustained_s is {self.sustained_s}; it must be above 0"
            raise UsageError(message)


AUTHORS_PROTOCOL: Final = Protocol(warmup=5, warmup_s=0.0, iterations=16, round_s=0.0, cool_s=5.0)
"""The counts of the script that the paper's authors name, see paper.py.

Five rounds of them in place of one, so that their spread is seen."""
