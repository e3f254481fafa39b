"""A table of text, and its forms: CSV and Markdown."""

import csv
import io
from dataclasses import dataclass

from topformer_cli.results.kept import NO_SCORE


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows of text; name is that of its file, without the suffix.

    footnotes: (letter, text). quoted: indices of the rows that are the paper's.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    quoted: frozenset[int] = frozenset()

    def csv(self) -> str:
        """Return the header and the rows; lines end as RFC 4180 has them.

        A score that does not exist is an empty cell.
        """
        text = io.StringIO()
        csv.writer(text).writerows((self.columns, *map(_bare, self.rows)))
        return text.getvalue()

    def markdown(self) -> str:
        """Return heading, table, footnotes and notes; the paper's rows are in italics."""
        lines = [f"## {self.title}", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [
            _row([f"*{cell}*" if cell and index in self.quoted else cell for cell in row])
            for index, row in enumerate(map(_cells, self.rows))
        ]
        lines += [""]
        lines += [f"- {letter}: {text}" for letter, text in self.footnotes]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"

    def to_json(self) -> list[dict[str, str]]:
        """Return each row by its columns, as they are in CSV."""
        return [dict(zip(self.columns, _bare(row), strict=True)) for row in self.rows]


def _bare(row: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("" if cell == NO_SCORE else cell for cell in row)


def _cells(row: tuple[str, ...]) -> list[str]:
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in row]


def _row(cells: "list[str] | tuple[str, ...]") -> str:
    return f"| {' | '.join(cells)} |"
