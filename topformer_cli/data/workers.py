"""Runs a function over many jobs in processes that end when the one that started them does.

A worker gets one job at a time over a pipe of its own. It ends when the pipe does; one that is busy
watches its parent besides, so that a killed parent leaves nobody behind.
"""

import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, TypeVar

import cv2

from topformer_cli.errors import TopformerError

Job = TypeVar("Job")
Result = TypeVar("Result")

_METHODS: Final = multiprocessing.get_all_start_methods()
_METHOD: Final = "forkserver" if "forkserver" in _METHODS else "spawn"
"""A server imports once for all workers; a fork of this process would copy locked locks."""

_HINTS: Final = {
    -signal.SIGKILL: " (out of memory?)",
    1: " (a script has to call this below `if __name__ == '__main__'`)",
}


def cores() -> int:
    """Return the number of processors that this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def warm_up(function: Callable[..., Any]) -> None:
    """Let the imports of the workers that will call a function begin now, beside other work."""
    if _METHOD == "forkserver":
        _context().set_forkserver_preload([__name__, _home(function)])
        with _uninterrupted():
            multiprocessing.forkserver.ensure_running()


def run_jobs(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Generator[tuple[Job, Result], None, None]:
    """Yield each job with its result, in the order in which they are done.

    One worker is this process itself. With more, function and jobs have to be picklable.

    Raises:
        TopformerError: a worker was killed; besides, whatever function raises.
    """
    if workers <= 1 or multiprocessing.current_process().daemon:  # whose kind has no children
        for job in jobs:
            yield job, function(job)
        return
    crew = _hire(function, workers)
    try:
        yield from _shared_out(crew, iter(jobs))
    finally:
        for worker in crew:
            worker.process.kill()
        for worker in crew:
            worker.process.join()
            worker.pipe.close()


@dataclass(slots=True)
class _Worker(Generic[Job]):
    """A process, this end of its pipe, and what it is busy with."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"
    job: Job | None = None


def _hire(function: Callable[[Job], Result], workers: int) -> list[_Worker[Job]]:
    warm_up(function)
    context = _context()
    crew: list[_Worker[Job]] = []
    for _ in range(workers):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(function, there), daemon=True)
        with _uninterrupted():
            process.start()
        there.close()
        crew.append(_Worker(process, here))
    return crew


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C inside the block, and for good from processes that start in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context() -> Any:  # noqa: ANN401 - a context's type depends on its method
    return multiprocessing.get_context(_METHOD)


def _home(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return inner.__module__


def _shared_out(crew: list[_Worker[Job]], jobs: Iterator[Job]) -> Iterator[tuple[Job, Any]]:
    busy = {worker.pipe: worker for worker in crew if _give(worker, jobs)}
    while busy:
        for pipe in multiprocessing.connection.wait([*busy]):
            assert isinstance(pipe, Connection)
            worker = busy[pipe]
            job, answer = worker.job, _answer(worker)
            assert job is not None
            if not _give(worker, jobs):
                del busy[pipe]
            yield job, answer


def _give(worker: _Worker[Job], jobs: Iterator[Job]) -> bool:
    """Give a worker its next job; return whether there was one."""
    for job in jobs:
        worker.job = job
        # A worker that is gone is noticed where its answer should come from.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(job)
        return True
    return False


def _answer(worker: _Worker[Job]) -> Any:  # noqa: ANN401 - whatever the function returns
    try:
        result, error = worker.pipe.recv()
    except (EOFError, ConnectionResetError) as gone:
        worker.process.join()
        code = worker.process.exitcode
        message = (
            f"a worker process ended with code {code}{_HINTS.get(code or 0, '')}; what is complete "
            "is kept, type the same line again, with --workers 1 if it happens again"
        )
        raise TopformerError(message) from gone
    if error is not None:
        raise error
    return result


def _serve(function: Callable[[Job], Result], pipe: "Connection[Any, Any]") -> None:
    """Be a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C for all
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = pipe.recv()
            answer: tuple[Result | None, Exception | None]
            try:
                answer = (function(job), None)
            except (TopformerError, OSError, MemoryError) as error:
                answer = (None, error)
            pipe.send(answer)


def end_with_parent() -> None:
    """Wait for the end of the process that asked for this one, and end as well."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
