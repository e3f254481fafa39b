"""What is read back of an evaluation's record, of whatever task and version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from topformer_cli.results.comparison import Comparison
from topformer_cli.results.evaluation import FIXED, Headline

HEADLINES: Final = {"miou": "mIoU", "ap": "AP", "top1": "top-1"}
"""Key of a headline in a record -> its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvaluation:
    """A score with its conditions; comparison is None where the record has none."""

    model: str
    weights: str
    dataset: str
    split: str
    images: int
    protocol: str
    headline: Headline
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None

    @classmethod
    def from_json(cls, record: Any) -> Self | None:  # noqa: ANN401 - a file holds anything
        """Read what is known of a record; None if it is of no evaluation."""
        if not isinstance(record, Mapping):
            return None
        key = next((key for key in HEADLINES if key in record), None)
        if key is None:
            return None
        try:
            return cls(
                model=str(record["model"]),
                weights=str(record["weights"]),
                dataset=str(record["dataset"]),
                split=str(record["split"]),
                images=int(record["images"]),
                protocol=str(record["protocol"]),
                headline=Headline(key, HEADLINES[key], float(record[key] or 0.0)),
                notes=tuple(map(str, record.get("notes", ()))),
                comparison=Comparison.from_json(record.get("comparison")),
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def of_file(self) -> bool:
        """Whether it is of an exported file by its own protocol, which no printed score is by."""
        return self.protocol.startswith(f"{FIXED}: ")

    @property
    def conditions(self) -> str:
        """Data, protocol and weights, and what else is to be known, in one line."""
        images = f"{self.dataset} {self.split}, {self.images} images"
        condition = self.comparison.condition if self.comparison else ""
        told = (images, self.protocol, f"weights {self.weights}", *self.notes, condition)
        return "; ".join(word for word in told if word)
