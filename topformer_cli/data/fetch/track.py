"""How far one download has come: written by its thread, read by the one that shows it."""

import queue
import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class Track:
    """done and total are bytes of the archive, checked those that were read back, None before.

    stop is set when the download should end at the next chunk.
    """

    name: str
    stop: threading.Event
    total: int | None
    done: int = 0
    checked: int | None = None
    notes: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)

    def note(self, text: str) -> None:
        """Leave a line for the user."""
        self.notes.put(f"{self.name}: {text}")

    def wait(self, seconds: float) -> bool:
        """Wait unless the stop comes first; return whether it came."""
        return self.stop.wait(seconds)
