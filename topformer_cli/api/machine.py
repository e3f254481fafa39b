"""What is there and what is missing on this machine, for `topformer doctor`."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from topformer_cli.api.places import Places
from topformer_cli.cache import cache_dir
from topformer_cli.errors import DeviceError

PACKAGES: Final = ("torch", "onnx", "onnxruntime", "onnxscript", "datasets", "adbutils")
LOW_DISK_GB: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; remedy is empty where nothing needs doing."""

    what: str
    found: str
    remedy: str = ""


def examine(places: Places) -> list[Finding]:
    """Look at packages, processor, disk, data sets, phones and phone runners."""
    looks: tuple[Callable[[Places], Finding], ...] = (
        _python, _packages, _processor, _disk, _sets, _phone, _runner
    )  # fmt: skip
    return [look(places) for look in looks]


def _python(_: Places) -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.platform()}")


def _packages(_: Places) -> Finding:
    versions, missing = [], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    remedy = f"pip install {' '.join(missing)}" if missing else ""
    return Finding("packages", ", ".join(versions), remedy)


def _processor(_: Places) -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("training on", torch.cuda.get_device_name())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("training on", f"the CPU, {cores} cores; the paper's schedules want a GPU")


def _disk(places: Places) -> Finding:
    cache = cache_dir(places.cache)
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    remedy = f"free some space, or point TOPFORMER_HOME at another disk than {existing}"
    return Finding("cache", f"{cache}, {free:.0f} GB free", remedy if free < LOW_DISK_GB else "")


def _sets(places: Places) -> Finding:
    from topformer_cli.data.store import prepared_names

    names = prepared_names(cache_dir(places.cache))
    remedy = "" if names else "topformer data fetch ade20k"
    return Finding("prepared data", ", ".join(names) or "none", remedy)


def _phone(_: Places) -> Finding:
    from topformer_cli.bench.discover import choose_device

    try:
        phone = choose_device(os.environ.get("ANDROID_SERIAL"))
        facts = phone.facts()
    except DeviceError as error:
        return Finding("phone", "none ready", str(error))
    return Finding("phone", f"{facts.name}, Android {facts.release}, {', '.join(facts.abis)}")


def _runner(places: Places) -> Finding:
    from topformer_cli.bench.runner import find_runner

    try:
        runner = find_runner(None, cache_dir(places.cache), ("arm64-v8a", "armeabi-v7a"))
    except DeviceError as error:
        return Finding("phone runner", "none kept", str(error))
    return Finding("phone runner", runner.version)
