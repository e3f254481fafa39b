"""Every byte for human eyes: results on stdout, progress and notes on stderr.

rich is imported when something is first shown, so that `--help` does not wait for it.
"""

import contextlib
import json
import os
import sys
import textwrap
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from topformer_cli.units import size_text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

BYTES: Final = "B"
"""The unit of progress that is shown as 1.2 GB, with a rate."""

PLAIN_INTERVAL_S = 5.0
PLAIN_SHARE: Final = 0.02
"""Progress lines where the terminal cannot redraw one: at least so many seconds apart, and so much
of the time so far, that days of work fill no log."""


class Update(Protocol):
    """Shows that so much of a total is done; left are the seconds to come, if somebody knows."""

    def __call__(
        self, done: float, total: float, text: str = "", left: float | None = None
    ) -> None:
        """Show it."""
        ...


@dataclass(slots=True)
class _Settings:
    verbosity: int = 0
    log: "Path | None" = None
    stdout_taken: bool = False
    live: "Console | None" = None
    """The console of the progress bar on show: lines printed by any other would run into it."""


_settings = _Settings()


def set_verbosity(level: int) -> None:
    """Set what stderr shows: -1 nothing but errors, 0 the usual, 1 everything."""
    _settings.verbosity = level


@contextlib.contextmanager
def logging_to(path: "Path") -> Iterator[None]:
    """Copy notes and warnings to a plain text file inside the block."""
    _settings.log = path
    try:
        yield
    finally:
        _settings.log = None


def note(text: str) -> None:
    """Show a line of progress on stderr."""
    _log(text)
    if _settings.verbosity >= 0:
        _stderr().print(text, highlight=False, soft_wrap=True, markup=False)


def detail(text: str) -> None:
    """Show a line that only -v asks for."""
    _log(text)
    if _settings.verbosity > 0:
        _stderr().print(text, highlight=False, soft_wrap=True, markup=False, style="dim")


def warn(text: str) -> None:
    """Show a warning on stderr."""
    _log(f"warning: {text}")
    _stderr().print(
        f"warning: {text}", highlight=False, soft_wrap=True, markup=False, style="yellow"
    )


@contextlib.contextmanager
def results_beside(*, picture: bool) -> Iterator[None]:
    """Write results to stderr inside the block where a picture goes to stdout."""
    _settings.stdout_taken = picture
    try:
        yield
    finally:
        _settings.stdout_taken = False


def result(text: str) -> None:
    """Write a line of the result to stdout."""
    _stdout().print(text, highlight=False, soft_wrap=True, markup=False)


def result_json(record: Mapping[str, Any]) -> None:
    """Write the result as JSON to stdout."""
    stream = sys.stderr if _settings.stdout_taken else sys.stdout
    stream.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Collection[int] = (0,),
) -> None:
    """Write a table to stdout; columns are right-aligned but for those whose numbers are left."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Where columns are short of room they stand closer, so that fewer words are broken.
    padding = (0, 1) if fits(columns, rows) else (0, 1, 0, 0)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding)
    for index, column in enumerate(columns):
        grid.add_column(Text(column), justify="left" if index in left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    stdout = _stdout()
    stdout.print(title, style="bold", highlight=False, markup=False)
    stdout.print(grid)


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Say whether a table has room on stdout without a broken line."""
    widest = (max(map(len, cells)) for cells in zip(columns, *rows, strict=True))
    return sum(widest) + 3 * (len(columns) - 1) + 2 <= _stdout().width


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Write labelled texts to stdout, one below the other; no word is broken, a path least."""
    stdout = _stdout()
    indent = max((len(label) for label, _ in pairs), default=0) + 2
    for label, text in pairs:
        lines = textwrap.wrap(
            text, max(stdout.width - indent, 20), break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(lines or [""]):
            head = "" if number else label
            result(f"{head:<{indent}}{line}".rstrip())


@contextlib.contextmanager
def progress(what: str, unit: str = "") -> Iterator[Update]:
    """Show progress; yields its update; a total of 0 is one not known.

    A terminal gets one line that redraws itself, with the time left; anything else gets a plain
    line every few seconds.
    """
    if _settings.verbosity < 0:
        yield _silent
    elif _redraws():
        with _bar(what, unit) as update:
            yield update
    else:
        yield _PlainProgress(what, unit)


def progress_lines(what: str, unit: str = "") -> Update:
    """Return the update of `progress` for what may not happen at all: a line now and then."""
    return _silent if _settings.verbosity < 0 else _PlainProgress(what, unit)


def _silent(done: float, total: float, text: str = "", left: float | None = None) -> None:
    """Show nothing."""


@contextlib.contextmanager
def _bar(what: str, unit: str) -> Iterator[Update]:
    from rich.progress import (
        BarColumn,
        Progress,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Remaining(TimeRemainingColumn):
        """What is told of the time left, else what the speed lets expect."""

        def render(self, task: Task) -> Text:
            left = task.fields["left"]
            return super().render(task) if left is None else Text(clock(left), "progress.remaining")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
        *([TransferSpeedColumn()] if unit == BYTES else []),
        Remaining(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[text]}", style="dim"),
    )
    console = _stderr()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, text="", count="", left=None)

        def update(done: float, total: float, text: str = "", left: float | None = None) -> None:
            count = _count(done, total, unit)
            bar.update(task, completed=done, total=total or None, text=text, count=count, left=left)

        _settings.live = console
        try:
            yield update
        finally:
            _settings.live = None


class _PlainProgress:
    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit
        self.start = self.last = time.monotonic()
        self.first: float | None = None

    def __call__(
        self, done: float, total: float, text: str = "", left: float | None = None
    ) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if now - self.last < max(PLAIN_INTERVAL_S, PLAIN_SHARE * (now - self.start)):
            return
        self.last = now
        rate = (done - self.first) / max(now - self.start, 1e-9)
        speed = f", {size_text(rate)}/s" if self.unit == BYTES and rate > 0 else ""
        if left is None and rate > 0:
            left = (total - done) / rate
        rest = f", {clock(left)} left" if left is not None and done < total else ""
        count = _count(done, total, self.unit)
        note(f"{self.what} {count}{speed}{rest} {text}".rstrip())


def _count(done: float, total: float, unit: str) -> str:
    if unit == BYTES:
        return f"{size_text(done)} of {size_text(total)}" if total else size_text(done)
    return f"{done}/{total} {unit}".rstrip() if total else f"{done} {unit}".rstrip()


def clock(seconds: float) -> str:
    """Return a duration as 0:42, 3:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _redraws() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _stdout() -> "Console":
    return _console(stderr=_settings.stdout_taken)


def _stderr() -> "Console":
    return _settings.live or _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 120
    return Console(file=stream, width=width, emoji=False)


def _log(text: str) -> None:
    if _settings.log is not None:
        with _settings.log.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
