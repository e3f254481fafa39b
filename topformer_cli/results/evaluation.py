"""What evaluations of all tasks have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

FIXED: Final = "fixed"
"""The protocol of an exported file, which has one input size."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The number by which checkpoints are compared, in percent, the higher the better.

    key is its name in records and files, name the one that people read.
    """

    key: str
    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f}"


class Result(Protocol):
    """What an evaluation found, whatever the task; shares are percentages.

    weights says where the network came from, protocol how images were brought to its input.
    """

    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def weights(self) -> str: ...  # noqa: D102
    @property
    def dataset(self) -> str: ...  # noqa: D102
    @property
    def split(self) -> str: ...  # noqa: D102
    @property
    def images(self) -> int: ...  # noqa: D102
    @property
    def protocol(self) -> str: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def headline(self) -> Headline:
        """The number that decides which checkpoint is best."""
        ...

    @property
    def scores(self) -> Mapping[str, float]:
        """The numbers of the whole split by their keys in the record."""
        ...

    def summary(self) -> str:
        """Return the scores in one line."""
        ...

    def table(self) -> "ResultTable":
        """Return what is known of each class, as text."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        ...


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Columns and rows as text, the first column a name."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def percent(value: float | None) -> str:
    """Return a percentage, or a dash for what does not exist."""
    return "–" if value is None else f"{value:.2f}"
