"""What can be wrong or odd in a set, by kind; prepare and check say it in the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.errors import DataError

SHOWN: Final = 20

Kind = Literal[
    "count", "missing", "no-mask", "no-image", "twice", "empty", "unreadable", "exif",
    "mask-format", "mask-colours", "mask-16-bit", "mask-bits", "mask-alpha", "size", "ids",
    "off-by-one", "all-ignored", "ignored", "category", "broken-box", "empty-box", "tiny-box",
    "outside-box", "crowd", "no-boxes", "folder", "unlisted", "nothing-to-train", "absent",
    "in-two-splits", "similar", "repeated", "changed", "name", "no-picture", "stray", "left-out",
]  # fmt: skip
"""What a finding is about; checks/table.py has a line for each."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd.

    place is a file, or a split. what goes on from there: `is empty`, or `: image id 3 ...`. wrong
    says that the set cannot be used so; anything else is a note. count is how many things it
    stands for, such as boxes of an image.
    """

    kind: Kind
    place: str
    what: str
    remedy: str
    wrong: bool = True
    count: int = 1

    def __str__(self) -> str:
        return f"{self.text()}; {self.remedy}"

    def text(self) -> str:
        """Say where it is and what, without the remedy."""
        space = "" if self.what.startswith(":") else " "
        return f"{self.place}{space}{self.what}"


class LintError(DataError):
    """Something in the data that is wrong, with its kind."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


Faults = list[Finding]
"""Where a check gathers what prepare refuses."""


def settle(problems: Sequence[Finding], faults: Faults | None) -> None:
    """Raise one error for all problems, or add them to faults where those are gathered.

    Raises:
        DataError: there is a problem, and nobody gathers faults.
    """
    if faults is None:
        refuse_all([str(problem) for problem in problems])
    else:
        faults += problems


def refuse_all(problems: Sequence[str]) -> None:
    """Raise one error for all problems found.

    Raises:
        DataError: there is a problem; at most 20 are named and the rest are counted.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise DataError(problems[0])
    lines = [f"{len(problems)} problems in the data; nothing was prepared:"]
    lines += [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    message = "\n".join(lines)
    raise DataError(message)
