"""How many threads torch takes for one operator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute each operator in the thread that calls it.

    So in threads begun inside, if they begin with `heed`. For many short operators: to wake other
    threads costs more than they do, tenfold under load.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def heed() -> None:
    """Take over, in a new thread, how many threads torch is to take; some operators do not ask."""
    torch.get_num_threads()
