"""Builds of TNN that lie on this machine, and what each of them is for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.bench.programs.elf import ABI_OF_MACHINE, elf_machine, read_elf
from topformer_cli.errors import DeviceError
from topformer_cli.process import run

HEADER: Final = Path("tnn/core/tnn.h")
HOW_TO_BUILD: Final = (
    "cmake -S TNN -B TNN/build-aarch64 -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux "
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc "
    "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DTNN_ARM_ENABLE=ON -DTNN_ARM82_ENABLE=ON "
    "-DTNN_BUILD_SHARED=OFF && cmake --build TNN/build-aarch64 --target TNN"
)
"""For a checkout of https://github.com/Tencent/TNN in ./TNN, without the NDK."""

ARCHIVE: Final = b"!<arch>\n"
MEMBER_BYTES: Final = 60
FORWARD: Final = b"_ZN3tnn8Instance7ForwardEv"
START_PROFILE: Final = b"_ZN3tnn8Instance12StartProfileEv"
FP16_KERNEL: Final = b"GEMM_FP16_N8"


@dataclass(frozen=True, slots=True)
class TnnBuild:
    """One library of TNN.

    android: built with the Android NDK. openmp: the OpenMP library that it was compiled for, None
    when it uses one thread only. profiler: whether it can tell the times of layers. fp16: whether
    it has kernels of half precision, None when that cannot be seen.
    """

    library: Path
    machine: tuple[int, int]
    android: bool
    openmp: str | None
    profiler: bool
    fp16: bool | None

    @property
    def is_static(self) -> bool:
        """Whether it is an archive, which becomes part of the program."""
        return self.library.suffix == ".a"

    @property
    def abi(self) -> str:
        """Android's name of its processor."""
        return ABI_OF_MACHINE.get(self.machine, f"ELF machine {self.machine[0]}")

    def describe(self) -> str:
        """Say in a few words what it is."""
        words = [self.abi, "Android" if self.android else "Linux"]
        words += ["static" if self.is_static else "shared"]
        words += [f"OpenMP ({self.openmp})"] if self.openmp else []
        words += ["profiler"] if self.profiler else []
        words += ["fp16"] if self.fp16 else []
        return f"{self.library} ({', '.join(words)})"


def find_builds(homes: Iterable[Path]) -> list[TnnBuild]:
    """Return every library of TNN below these folders; damaged ones are left out."""
    files: dict[Path, Path] = {}
    for home in homes:
        for path in sorted(home.rglob("libTNN.*")):
            if path.is_file() and (path.suffix == ".a" or ".so" in path.suffixes):
                files.setdefault(path.resolve(), path)
    return [build for path in files.values() for build in _builds(path)]


def find_headers(homes: Sequence[Path]) -> Path:
    """Return TNN's `include` folder: in one of the folders, above it, or below it.

    Raises:
        DeviceError: it is in none of them.
    """
    for home in homes:
        near = [home, *home.resolve().parents[:2], *_source_of(home)]
        places = [*(place / "include" for place in near), *near]
        places += [found.parents[2] for found in sorted(home.rglob(str(HEADER)))]
        for place in places:
            if (place / HEADER).is_file():
                return place
    message = (
        f"no include/{HEADER} in {_words(homes)}; give the folder of TNN's sources with --tnn-home"
    )
    raise DeviceError(message)


def origin_of(headers: Path) -> str:
    """Return the commit of TNN's sources, else what its version header says, else `unknown`."""
    root = headers.resolve().parent
    try:
        asked = ("git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD")
        done = run(asked, timeout_s=30)
        words = done.stdout.split("\n")
        if done.returncode == 0 and Path(words[0]).resolve() == root:
            return words[1][:12]
    except (OSError, TimeoutError):
        pass  # no git: the sources came as an archive
    version = headers / "tnn/version.h"
    text = version.read_text(errors="replace") if version.is_file() else ""
    match = re.search(r'commit_hash_tnn = "([0-9a-f]{6,40})"', text)
    return f"{match[1]} (version.h)" if match else "unknown"


def _builds(path: Path) -> Iterator[TnnBuild]:
    try:
        data = path.read_bytes()
        machine = elf_machine(_first_object(data) if path.suffix == ".a" else data)
        needed = () if path.suffix == ".a" else read_elf(data, str(path)).needed
    except (OSError, ValueError, DeviceError):
        return
    if FORWARD not in data:
        return
    yield TnnBuild(
        library=path,
        machine=machine,
        android=b"__ndk1" in data or "libc.so" in needed,
        openmp="gomp" if b"GOMP_parallel" in data else "omp" if b"__kmpc_fork" in data else None,
        profiler=START_PROFILE in data,
        fp16=_fp16(path, data),
    )


def _first_object(data: bytes) -> bytes:
    """Return the beginning of the first ELF file in an archive; ValueError when there is none."""
    if not data.startswith(ARCHIVE):
        message = "no archive"
        raise ValueError(message)
    at = len(ARCHIVE)
    while at + MEMBER_BYTES <= len(data):
        size = int(data[at + 48 : at + 58])
        content = at + MEMBER_BYTES
        if data[content : content + 4] == b"\x7fELF":
            return data[content : content + 64]
        at = content + size + size % 2
    message = "no ELF file in it"
    raise ValueError(message)


def _fp16(path: Path, data: bytes) -> bool | None:
    if FP16_KERNEL in data:
        return True
    if path.suffix == ".a":
        return False  # an archive names all that is in it
    cache = path.parent / "CMakeCache.txt"
    text = cache.read_text(errors="replace") if cache.is_file() else ""
    match = re.search(r"^TNN_ARM82_ENABLE:BOOL=(\w+)$", text, re.MULTILINE)
    return match[1] in ("ON", "1", "TRUE") if match else None


def _source_of(home: Path) -> list[Path]:
    cache = home / "CMakeCache.txt"
    text = cache.read_text(errors="replace") if cache.is_file() else ""
    return [Path(one) for one in re.findall(r"^TNN_SOURCE_DIR:STATIC=(.+)$", text, re.MULTILINE)]


def _words(homes: Sequence[Path]) -> str:
    return ", ".join(str(home) for home in homes)
