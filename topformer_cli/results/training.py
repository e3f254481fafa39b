"""The lines of metrics.jsonl."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of metrics.jsonl: means over the steps since the last one."""

    step: int
    loss: float
    lr: float
    images_per_s: float
    skipped: int

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {"kind": "step", **asdict(self)}
