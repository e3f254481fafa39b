"""Which torch device a command computes on."""

import torch

from topformer_cli.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """Return a torch device; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: this machine, or this build of torch, has no such device.
    """
    if name != "auto":
        device = torch.device(name)
        _require_present(device)
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _require_present(device: torch.device) -> None:
    count = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 1)
    if (device.index or 0) >= count:
        message = f"--device {device}: torch finds {count} such devices here; use auto or cpu"
        raise UsageError(message)
