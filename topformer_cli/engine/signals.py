"""SIGINT and SIGTERM ask a loop to save and end; a second one ends it at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StopFlag:
    """The signal that arrived, or None."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Remember the first signal; let a second one act as usual."""
        self.signal_number = number
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )


@contextlib.contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Turn SIGINT and SIGTERM into a flag inside the block (in the main thread)."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, flag.on_signal) for number in numbers}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
