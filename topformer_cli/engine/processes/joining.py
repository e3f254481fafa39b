"""How a process joins the others of its training: the environment that torchrun gives it.

RANK, WORLD_SIZE and LOCAL_RANK say where it stands. Gradients travel by nccl between GPUs, one a
process, and by gloo between CPUs.

What a process that fails leaves: its error on stderr, and in the file that torchrun asks for. The
others notice that it is gone, wait a moment so that the launcher sees the failure that came first,
and end too.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.elastic.multiprocessing.errors import get_error_handler
from torch.distributed.rendezvous import rendezvous

from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.processes.world import ALONE, FailedElsewhere, World, exchange
from topformer_cli.errors import LostProcessError, Stopped, UsageError

SILENCE: Final = timedelta(minutes=10)
"""A process that others wait for so long within a training counts as lost; evaluations of uneven
length and the compilation of a first step lie well below."""

PATIENCE: Final = timedelta(hours=12)
"""How long the others wait while the first process fetches a set."""

GRACE_S: Final = 3.0
WATCH_S: Final = 1.0


def place() -> World:
    """Return where the environment says that this process stands.

    Raises:
        UsageError: it holds something else than numbers.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys():
        return ALONE
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    texts = [os.environ.get(name, "0") for name in names]
    try:
        rank, size, local = (int(text) for text in texts)
    except ValueError as error:
        given = " ".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))
        message = f"{given} in the environment: expected numbers, as torchrun sets them"
        raise UsageError(message) from error
    return World(rank, size, local)


def own_device(name: str, world: World) -> torch.device:
    """Return the device of this process: with others beside it, one of its own.

    Raises:
        UsageError: this machine has no such device, or has fewer of them than processes.
    """
    if world.size == 1:
        return resolve_device(name)
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    if kind not in ("cpu", "cuda"):
        message = (
            f"--device {name}: several processes train on cpu, or on cuda with a device for each; "
            "CUDA_VISIBLE_DEVICES chooses which"
        )
        raise UsageError(message)
    if kind == "cpu":
        return torch.device("cpu")
    if world.local >= (count := torch.cuda.device_count()):
        message = (
            f"process {world.local} of this machine (counted from 0) has no CUDA device, torch "
            f"finds {count}; start at most so many, or give --device cpu"
        )
        raise UsageError(message)
    return torch.device("cuda", world.local)


@contextlib.contextmanager
def joined(device_name: str) -> Iterator[World]:
    """Be one of the processes of a training inside the block.

    Raises:
        LostProcessError: another one is gone.
    """
    world = place()
    if world.size == 1:
        yield ALONE
        return
    with contextlib.ExitStack() as stack:
        stack.push(_leave)
        stack.push(_report)
        yield _connected(world, own_device(device_name, world))


def _connected(world: World, device: torch.device) -> World:
    if "TORCHELASTIC_RUN_ID" in os.environ:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    with exchange():
        dist.init_process_group(
            backend, store=_store(world), rank=world.rank, world_size=world.size, timeout=SILENCE
        )
        talk = dist.new_group(timeout=SILENCE, backend="gloo")
        patient = dist.new_group(timeout=PATIENCE, backend="gloo")
    return World(world.rank, world.size, world.local, talk, patient)


def _store(world: World) -> Store:
    """Return where the processes find each other.

    torchrun's own store outlives a restart, with the addresses of processes that are dead: each
    start has to look in a place of its own, or waits for them.
    """
    place = rendezvous("env://", world.rank, world.size, timeout=SILENCE)
    store, _, _ = next(iter(place))
    store.set_timeout(SILENCE)
    return PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _report(kind: object, error: BaseException | None, trace: object) -> bool:  # noqa: ARG001
    """Write an error down for the launcher; wait where it is only that of another process."""
    if isinstance(error, LostProcessError | FailedElsewhere):
        # The launcher ends this process in the meantime, if it is not itself what failed.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(GRACE_S)
    elif isinstance(error, Exception) and not isinstance(error, Stopped):
        # The launcher, when it ends all, must not take the exit code of what failed away.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        get_error_handler().record_exception(error)
    return False


def _leave(kind: object, error: BaseException | None, trace: object) -> bool:  # noqa: ARG001
    """End gloo's threads: one that drops a tensor while Python shuts down aborts the process.

    Not after a signal, which may have come within an exchange that the others still wait for, nor
    after a failure where GPUs exchange: either could take as long as `SILENCE`.
    """
    failed = isinstance(error, Exception | FailedElsewhere)
    if dist.is_initialized() and (error is None or (failed and dist.get_backend() == "gloo")):
        dist.destroy_process_group()
    return False


def _end_with(launcher: int) -> None:
    """Stop, as at SIGTERM, when the launcher was killed: nobody would look after the others."""
    while os.getppid() == launcher:
        time.sleep(WATCH_S)
    os.kill(os.getpid(), signal.SIGTERM)
