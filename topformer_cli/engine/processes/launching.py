"""Starts the processes of a training on this machine: torchrun's work, within this process."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from topformer_cli.data.workers import cores

STOPPED: Final = frozenset(128 + number for number in (signal.SIGINT, signal.SIGTERM))


def launch(words: Sequence[str], processes: int, tell: Callable[[str], None]) -> int:
    """Run a command line of this program in several processes; return the exit code.

    That is the code of the process that failed first, of which tell is told; 128 + its number for
    a signal, which goes on to all processes.
    """
    # Where nobody said otherwise they share the cores; each would take all of them.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    command = (sys.executable, "-u", "-m", "topformer_cli", *words)
    try:
        elastic_launch(config, command[0])(*command[1:])
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        rank, failure = _first(error.failures)
        code = failure.exitcode if failure.exitcode >= 0 else 128 - failure.exitcode
        if code not in STOPPED:
            tell(_words(rank, failure))
        return code
    return 0


def _first(failures: dict[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """Return what failed first; times are whole seconds, and the launcher then ends all others."""
    return min(
        failures.items(),
        key=lambda item: (item[1].exitcode == -signal.SIGTERM, item[1].timestamp),
    )


def _words(rank: int, failure: ProcessFailure) -> str:
    if failure.exitcode >= 0:
        return f"process {rank} ended with exit code {failure.exitcode}; what it said stands above"
    hint = " (out of memory?)" if failure.exitcode == -signal.SIGKILL else ""
    return (
        f"process {rank} was ended by {failure.signal_name()}{hint}; the last saved state is "
        "whole: go on with `topformer train --resume auto`"
    )
