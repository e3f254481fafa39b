"""Loader processes: how they are started, and what it means when one of them fails."""

import multiprocessing
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import cv2

from topformer_cli.data.workers import end_with_parent, warm_up
from topformer_cli.errors import DataError, TopformerError

Made = TypeVar("Made")

_ENDED: Final = re.compile(r"worker \(pid\(s\) ([\d, ]+)\) exited unexpectedly")
_RAISED: Final = "Caught "
"""How torch begins the text of an error that it carries over from a loader process."""


def loader_options(workers: int, needed: Callable[..., Any]) -> dict[str, Any]:
    """Return what a DataLoader is told about its processes, which all need a function's module.

    They never see Ctrl-C: the loop answers it and ends them.
    """
    if not workers:
        return {}
    warm_up(needed)
    context = multiprocessing.get_context("forkserver")
    # The loader's own first process would wait here until the server has loaded the module, and
    # a loader that is interrupted while it starts them cannot clear up.
    first = context.Process(target=_nothing)
    first.start()
    first.join()
    return {
        "num_workers": workers,
        "multiprocessing_context": context,
        "worker_init_fn": _begin,
    }


def told_plainly(batches: Iterator[Made], workers: int) -> Iterator[Made]:
    """Pass on what loader processes make; an error of theirs becomes one line.

    Raises:
        DataError: a process failed in a way that nobody foresaw.
        TopformerError: a process was ended from outside.
    """
    try:
        yield from batches
    except (OSError, EOFError, RuntimeError) as error:
        ended = _ENDED.search(str(error))
        # A batch on its way is lost with its process before torch notices.
        if ended or isinstance(error, ConnectionError | EOFError):
            message = (
                f"loader process{f' {ended[1]}' if ended else ''} was ended from outside, most "
                f"often for want of memory; try fewer --workers (now {workers})"
            )
            raise TopformerError(message) from error
        if not str(error).startswith(_RAISED):
            raise
        message = f"a loader process failed: {_last_words(error)}"
        raise DataError(message) from error


def _last_words(error: Exception) -> str:
    """Return the text of an error under the traceback that torch puts before it."""
    text = str(error).strip()
    if not text.startswith(_RAISED):
        return text
    return text.splitlines()[-1].partition(": ")[2]


def _nothing() -> None:
    pass


def _begin(_worker: int) -> None:
    # Torch's own watch looks at the server, which itself lives as long as one of these does.
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
