"""How much memory a process takes on its device, and how much there is."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path
from typing import Final

import torch

_STATUS: Final = Path("/proc/self/status")
_RESET: Final = Path("/proc/self/clear_refs")
_MACHINE: Final = Path("/proc/meminfo")
_LIMIT, _USED = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_MOST_KEPT: Final = 2**31 - 1
"""Numbers of mallopt's parameters (malloc.h), and the most bytes that it can be told."""


def peak_bytes(device: torch.device) -> int:
    """Return the most memory so far: allocated on the device, or resident if that is the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if peak := _kilobytes(_STATUS, "VmHWM"):
        return peak
    # Linux counts kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def begin_peak(device: torch.device) -> int:
    """Let the peak begin anew, where the system can do that, and return what is taken now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "cpu":
        # What was freed and not given back would hide as much of what is taken from now on.
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
        with contextlib.suppress(OSError):
            _RESET.write_text("5")
    return peak_bytes(device)


def keep_freed_memory() -> None:
    """Let glibc keep what a step on the CPU frees, for the next one, which asks for the same.

    By itself it returns large blocks at once, and the system fills those it gives out with zeros.
    Nothing happens where another allocator is at work.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _MOST_KEPT)
        mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def free_bytes(device: torch.device) -> int | None:
    """Return what is left on the device, or of the machine for the CPU; None if nobody knows."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch holds and has not handed out is free, too.
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    left = [one for one in (_kilobytes(_MACHINE, "MemAvailable"), _group_left()) if one is not None]
    return min(left, default=None)


def _kilobytes(path: Path, name: str) -> int | None:
    """Return the value of a line such as `VmHWM:  320860 kB` in bytes."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _group_left() -> int | None:
    """Return what a container may still take."""
    with contextlib.suppress(OSError, ValueError):
        return int(_LIMIT.read_text()) - int(_USED.read_text())
    return None
