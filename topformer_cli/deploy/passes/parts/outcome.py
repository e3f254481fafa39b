"""What a rewrite says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place that looks like the rewrite's and was left as it is, with the reason."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The nodes that a rewrite changed, and the places that it refused.

    padded: output name -> how many of its channels (axis 1) count, where the rewrite added others.
    """

    matched: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    padded: Mapping[str, int] = field(default_factory=dict)
