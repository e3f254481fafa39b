"""Every error a user can meet, and the exit code each one ends the command with.

    TopformerError            1  unexpected
    ├── LostProcessError      1  another process of a training is gone
    ├── UsageError            2  a wrong argument
    │   └── RecipeError       2  a wrong recipe or -o override
    ├── DataError             3  data missing, invalid, or not the data it should be
    ├── ExportError           4  a model that cannot be converted
    │   └── ParityError       4  a converted model that does not compute the same
    ├── DeviceError           5  phone, runner or transfer
    ├── MeasurementError      6  a run that crashed or whose numbers cannot be trusted
    └── ThresholdError        7  --fail-under was missed
    Stopped                 130  SIGINT; 143 SIGTERM; 129 SIGHUP

A message is one line that names the value, the place and the remedy.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class TopformerError(Exception):
    """The base of every error that is shown to the user without a traceback."""

    exit_code: ClassVar[int] = 1


class LostProcessError(TopformerError):
    """Another process of the same training is gone, or silent for too long."""


class UsageError(TopformerError):
    """A wrong argument, or arguments that do not go together."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe file or an override that does not describe a run."""


class DataError(TopformerError):
    """Data that is missing, invalid, or not the data it is said to be."""

    exit_code = 3


class ExportError(TopformerError):
    """A model that cannot be converted; nothing was written."""

    exit_code = 4


class ParityError(ExportError):
    """A converted model whose output differs from the reference."""


class DeviceError(TopformerError):
    """A phone, a runner or a transfer that failed."""

    exit_code = 5


class MeasurementError(TopformerError):
    """A measurement that crashed or must not be believed.

    `partial` is the plain record of what was complete before that, when there is any.
    """

    exit_code = 6

    def __init__(self, message: str, partial: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.partial = partial


class ThresholdError(TopformerError):
    """A result below the `--fail-under` threshold."""

    exit_code = 7


class Stopped(TopformerError):  # noqa: N818 - being asked to stop is not an error
    """The run was asked to stop by a signal and saved what it had.

    The exit code is 128 + the signal's number: 130 for SIGINT, 143 for SIGTERM.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_exit_code = 128 + signal_number


def add_to(error: BaseException, text: str) -> None:
    """Add to what is shown of an error; an interruption, which has no text, gets a note."""
    if isinstance(error, TopformerError):
        error.args = (f"{error}; {text}",)
    else:
        error.add_note(text)


def did_you_mean(word: str, known: Sequence[str] | Mapping[Any, Any]) -> str:
    """Return `; did you mean ...?` for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def together(errors: Sequence[TopformerError]) -> TopformerError:
    """Return the first of some errors, which then also says what the others say."""
    first, *others = errors
    for other in others:
        add_to(first, str(other))
    return first


def exit_code_of(error: TopformerError) -> int:
    """Return the exit code that ends the command for this error."""
    return error.signal_exit_code if isinstance(error, Stopped) else error.exit_code
