"""A compiled program on this machine, with the libraries that it needs besides the system's."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.bench.programs.elf import Elf, read_elf
from topformer_cli.errors import DeviceError

BIONIC_LINKERS: Final = ("/system/bin/linker", "/system/bin/linker64")
SYSTEM_LIBRARIES: Final = frozenset(
    f"lib{name}.so"
    for name in (
        "c", "m", "dl", "log", "android", "z", "EGL", "GLESv1_CM", "GLESv2", "GLESv3",
        "OpenCL", "vulkan", "jnigraphics", "mediandk", "neuralnetworks", "stdc++",
    )
)  # fmt: skip
"""What a phone brings itself; everything else is pushed with the runner."""

MACHINES: Final = {
    "x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64-v8a", "arm64": "arm64-v8a",
    "armv7l": "armeabi-v7a", "armv8l": "armeabi-v7a", "i686": "x86",
}  # fmt: skip
"""The kernel's word for a processor -> Android's."""


@dataclass(frozen=True, slots=True)
class Program:
    """Its bytes, its headers and its libraries.

    libraries: what it needs besides the system's, directly or through one another; None is
    missing.
    """

    path: Path
    data: bytes
    elf: Elf
    libraries: dict[str, Path | None]

    @property
    def built_for(self) -> str:
        """The processor that it is for, in words."""
        machine = f"another processor (ELF machine {self.elf.machine}, {self.elf.bits} bits)"
        return f"built for {self.elf.abi or machine}"

    @property
    def is_bionic(self) -> bool:
        """Whether it is linked to Android's C library."""
        return self.elf.android_api is not None or self.elf.interpreter in BIONIC_LINKERS

    @property
    def is_linux(self) -> bool:
        """Whether it asks for the dynamic linker of another system than Android."""
        return self.elf.interpreter not in (None, *BIONIC_LINKERS)

    def alignment(self) -> int:
        """Return the smallest alignment of the program and of the libraries beside it."""
        elfs = [read_elf(_read(path), str(path)) for path in self.libraries.values() if path]
        return min(elf.load_align for elf in (self.elf, *elfs))


def open_program(path: Path) -> Program:
    """Read a program and find its libraries.

    Raises:
        DeviceError: it cannot be read, or is no ELF program at all.
    """
    data = _read(path)
    elf = read_elf(data, str(path))
    return Program(path, data, elf, dict(_libraries(path, elf)))


def this_abi() -> str:
    """Return Android's name of this machine's processor, or the kernel's where it has none."""
    return MACHINES.get(platform.machine(), platform.machine())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"runner {path} cannot be read ({error.strerror}); give the path of the program"
        raise DeviceError(message) from error


def _libraries(path: Path, elf: Elf) -> Iterator[tuple[str, Path | None]]:
    """Yield the needed libraries that are not the system's, in the order in which they are met.

    TNN's build puts libTNN.so one folder above test/TNNTest.
    """
    wanted, met = list(elf.needed), set(SYSTEM_LIBRARIES)
    while wanted:
        name = wanted.pop(0)
        if name in met:
            continue
        met.add(name)
        places = [folder / name for folder in (path.parent, path.parent.parent)]
        place = next((one for one in places if one.is_file()), None)
        if place is not None:
            wanted += read_elf(_read(place), str(place)).needed
        elif elf.interpreter not in (None, *BIONIC_LINKERS):
            continue  # this machine's loader finds it, or says that it does not
        yield name, place
