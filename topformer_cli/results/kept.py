"""What is read back of an evaluation's record, of whatever task and version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from topformer_cli.results.comparison import Comparison
from topformer_cli.results.evaluation import FIXED, Headline

HEADLINES: Final = {"miou": "mIoU", "ap": "AP", "top1": "top-1"}
"""Key of a headline in a record -> its name."""

NO_SCORE: Final = "no score"
"""What stands in the place of a score that does not exist."""

_WHY_NONE: Final = {"miou": "no pixel is labelled", "ap": "no object is labelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvaluation:
    """A score with its conditions; comparison is None where the record has none.

    headline: None where there is no score. flaws say why it may stand beside no other score: there
    is none, or images are left out.
    """

    model: str
    weights: str
    dataset: str
    split: str
    images: int
    protocol: str
    headline: Headline | None
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None
    flaws: tuple[str, ...] = ()

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
                headline=_headline(key, record[key]),
                notes=tuple(map(str, record.get("notes", ()))),
                comparison=Comparison.from_json(record.get("comparison")),
                flaws=tuple(_flaws(key, record)),
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def of_file(self) -> bool:
        """Whether it is of an exported file by its own protocol, which no printed score is by."""
        return self.protocol.startswith(f"{FIXED}: ")

    @property
    def score(self) -> str:
        """The score for people, which says that there is none, or that it is not of all images."""
        if self.headline is None:
            return NO_SCORE
        return f"{self.headline} (incomplete)" if self.flaws else str(self.headline)

    @property
    def conditions(self) -> str:
        """Data, protocol and weights, and what else is to be known, in one line."""
        images = f"{self.dataset} {self.split}, {self.images} images"
        condition = self.comparison.condition if self.comparison else ""
        weights = f"weights {self.weights}"
        told = (images, *self.flaws, self.protocol, weights, *self.notes, condition)
        return "; ".join(word for word in told if word)


def _headline(key: str, value: Any) -> Headline | None:  # noqa: ANN401 - a file holds anything
    return None if value is None else Headline(key, HEADLINES[key], float(value))


def _flaws(key: str, record: Mapping[str, Any]) -> Iterator[str]:
    if record[key] is None:
        why = _WHY_NONE.get(key)
        yield f"{NO_SCORE}: {why}" if why else NO_SCORE
    if left_out := len(record.get("left_out") or ()):
        total = int(record["images"]) + left_out
        yield f"incomplete: {left_out} of {total} images left out"
