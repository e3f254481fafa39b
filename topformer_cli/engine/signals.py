"""SIGINT, SIGTERM and SIGHUP ask a loop to save and end; a second one ends it at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

STOPPING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Asked(BaseException):
    """A signal came while nothing was being changed: what was waited for is given up.

    Not an Exception, so that no library takes it for one of its own.
    """


class StopFlag:
    """The signal that arrived, or None."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._waiting = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Remember the first signal; let a second one, of whatever kind, act as usual."""
        self.signal_number = number
        for one in STOPPING:
            if signal.getsignal(one) == self.on_signal:
                usual = signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL
                signal.signal(one, usual)
        if self._waiting:
            raise Asked

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Give up what the block does as soon as a signal comes, or came before.

        The block must leave nothing half changed when it ends anywhere.

        Raises:
            Asked: a signal came.
        """
        self._waiting = True
        try:
            if self.signal_number is not None:
                raise Asked
            yield
        finally:
            self._waiting = False


@contextlib.contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Turn the signals into a flag inside the block (in the main thread).

    A signal that is ignored, as SIGHUP under `nohup`, stays so.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {
        number: handler
        for number in STOPPING
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, flag.on_signal)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
