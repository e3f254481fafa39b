"""What is found by trying a training out: its plan, and where the time of a step goes."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """What one real optimisation step takes on the device, in bytes.

    peak is the most that was taken during it: allocated on the device, or how much the resident
    memory of the process grew if that is the CPU. free is what was left before, None where nobody
    knows. fits says whether the step went through; if it did not, peak is that of the largest
    device_batch that did, which is 0 if none does.
    """

    device: str
    peak: int
    free: int | None
    fits: bool
    device_batch: int

    @property
    def short(self) -> bool:
        """Whether there is not enough, or next to nothing would be left."""
        return not self.fits or (self.free is not None and self.peak > 0.9 * self.free)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskNeed:
    """What a run writes by kind, in bytes, and what is free where it goes."""

    checkpoints: int
    pictures: int
    decoded: int
    free: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.checkpoints + self.pictures + self.decoded

    @property
    def short(self) -> bool:
        """Whether it does not fit."""
        return self.total > self.free


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFound:
    """Medians of a few real steps, batches waited for included, and of a few images evaluated.

    Times are in seconds. evaluations counts those of the whole recipe, of images each.
    """

    steps: int
    step_s: float
    images_per_s: float
    wait_share: float
    evaluations: int
    evaluation_s: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a recipe means on this machine.

    share is this process's part of the batch, in parts of device_batch images at most. pixels is
    where decoded images come from, decoded_bytes what all of them take.
    """

    set_name: str
    train_images: int
    val_images: int
    device: str
    workers: int
    processes: int
    batch: int
    share: int
    parts: int
    steps_per_epoch: float
    epochs: float
    schedule: str
    pixels: str
    decoded_bytes: int
    memory: MemoryNeed
    speed: SpeedFound | None
    disk: DiskNeed

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TimePart:
    """A named part of the time of a step, as a mean in seconds and as a share of it, 0..1."""

    name: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """An operator's own time per step in seconds, and how often a step calls it."""

    name: str
    seconds: float
    calls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProfile:
    """Where the time of a step goes: parts, which add up to all of it, and the dearest operators.

    trace is the path of a Chrome trace of traced further steps.
    """

    device: str
    steps: int
    batch: int
    step_s: float
    parts: tuple[TimePart, ...]
    operators: tuple[OperatorTime, ...]
    traced: int
    trace: str

    @property
    def images_per_s(self) -> float:
        """Images a second at this rate."""
        return self.batch / self.step_s

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {**asdict(self), "images_per_s": self.images_per_s}
