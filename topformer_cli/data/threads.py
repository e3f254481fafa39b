"""Runs a function over many jobs in threads: jobs that mostly wait, or that leave Python alone."""

import contextlib
import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


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


def in_order(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    threads: int,
    begin: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Yield the results in the order of the jobs; each thread is one job ahead of those asked for.

    begin is what each thread does first. Raises whatever the function raised for the job whose turn
    it is; then no other job is begun.
    """
    left = iter(jobs)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=begin)
    try:
        waiting.extend(pool.submit(function, job) for job in itertools.islice(left, 2 * threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, job) for job in itertools.islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
