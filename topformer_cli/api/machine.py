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
    """Look at packages, processor, disk, data sets, phones, their runners, and compilers."""
    looks: tuple[Callable[[Places], Finding | list[Finding]], ...] = (
        _python, _packages, _processor, _disk, _sets, _phone, _runner, _toolchains
    )  # fmt: skip
    found = [look(places) for look in looks]
    return [one for some in found for one in (some if isinstance(some, list) else [some])]


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


def _phone(_: Places) -> list[Finding]:
    from topformer_cli.bench.phone.discover import PAIRING, choose_devices

    try:
        phones = choose_devices(("all",))
    except DeviceError as error:
        wireless = Finding("phone over Wi-Fi", PAIRING)
        return [Finding("phone", "none ready", str(error)), wireless]
    found = []
    for phone in phones:
        facts = phone.facts()
        words = f"{facts.name}, Android {facts.release}, {', '.join(facts.abis)}"
        found.append(Finding("phone", f"{phone.serial}: {words}"))
    return found


def _runner(places: Places) -> list[Finding]:
    from topformer_cli.bench.programs.store import HOW_TO_GET, kept_runners

    try:
        kept = kept_runners(cache_dir(places.cache))
    except DeviceError as error:
        return [Finding("phone runner", "damaged", str(error))]
    if not kept:
        return [Finding("phone runner", "none kept", HOW_TO_GET)]
    return [Finding("phone runner", f"{one.module.ENGINE}: {one.version}") for one in kept]


def _toolchains(_: Places) -> list[Finding]:
    from topformer_cli.bench.building.toolchains import examine_toolchains

    return [Finding(one.what, one.found, one.remedy) for one in examine_toolchains()]
