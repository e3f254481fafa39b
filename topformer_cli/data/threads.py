"""Runs a function over many jobs that mostly wait, such as for the network."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

Job = TypeVar("Job")


def at_once(
    jobs: Sequence[Job], function: Callable[[Job], object], threads: int
) -> Generator[Job, None, None]:
    """Yield each job when a thread is done with it.

    Raises whatever the function raised first; then no other job is begun.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Job, BaseException | None]] = queue.SimpleQueue()
    stop = threading.Event()
    for job in jobs:
        waiting.put(job)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while not stop.is_set():
                job = waiting.get_nowait()
                try:
                    function(job)
                except BaseException as error:  # noqa: BLE001 - raised again below
                    done.put((job, error))
                else:
                    done.put((job, None))

    # Daemons, not a pool: nobody waits for a silent server when the program is to end.
    for _ in range(min(threads, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in jobs:
            job, error = done.get()
            if error is not None:
                raise error
            yield job
    finally:
        stop.set()
