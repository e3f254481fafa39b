"""The lines of metrics.jsonl."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of metrics.jsonl: means over the steps since the last one.

    skipped are steps whose gradients were not finite, corrupt the images that could not be read
    since the run began. wait_share is the part of the time, 0..1, in which the loop waited for
    batches; memory_mb the most memory so far (10^6 bytes): allocated on the device, or resident if
    that is the CPU; eta_s the seconds to the end of the run, evaluations included. Records of older
    runs lack these.
    """

    step: int
    loss: float
    lr: float
    images_per_s: float
    skipped: int
    corrupt: int = 0
    wait_share: float | None = None
    memory_mb: float | None = None
    eta_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {"kind": "step", **asdict(self)}
