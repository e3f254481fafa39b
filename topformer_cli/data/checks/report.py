"""What a check found, as one table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from topformer_cli.data.checks.table import CHECKS, Check
from topformer_cli.data.findings import Finding

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a kind of check, what it found, an example and what to do."""

    check: Check
    state: State
    count: int
    example: str
    remedy: str
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the plain record, with all findings."""
        return {
            "kind": self.check.kind,
            "check": self.check.title,
            "state": self.state,
            "count": self.count,
            "example": self.example,
            "remedy": self.remedy,
            "findings": [asdict(finding) for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check: how many images were looked at, and a line for each kind."""

    name: str
    images: int
    lines: tuple[Line, ...]

    @property
    def wrong(self) -> tuple[Line, ...]:
        """The lines with something wrong."""
        return tuple(line for line in self.lines if line.state == "wrong")

    @property
    def notes(self) -> tuple[Line, ...]:
        """The lines with nothing worse than a note."""
        return tuple(line for line in self.lines if line.state == "note")

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {
            "name": self.name,
            "images": self.images,
            "state": "wrong" if self.wrong else "note" if self.notes else "ok",
            "checks": [line.to_json() for line in self.lines],
        }


def lines(
    checks: Iterable[Check], findings: Sequence[Finding], place: str, shown: dict[str, str]
) -> tuple[Line, ...]:
    """Sort findings into lines; a check without any has a line, too.

    place is the folder that examples are relative to. shown has by kind what stands in place of
    an example where nothing was found.
    """
    by_kind: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    kept = {check.kind for check in checks} | set(by_kind)
    return tuple(
        _line(check, by_kind[check.kind], place, shown.get(check.kind, ""))
        for check in CHECKS
        if check.kind in kept
    )


def _line(check: Check, findings: list[Finding], place: str, shown: str) -> Line:
    if not findings:
        return Line(check, "ok", 0, shown, "", ())
    findings.sort(key=lambda one: (not one.wrong, one.place, one.what))
    first = findings[0]
    plain = check.plain and not first.what.startswith(":")
    example = first.place if plain else first.text()
    return Line(
        check=check,
        state="wrong" if first.wrong else "note",
        count=sum(finding.count for finding in findings),
        example=example.replace(f"{place}/", "") if place else example,
        remedy=first.remedy,
        findings=tuple(findings),
    )
