"""C++ compilers for phones and for this machine, and where they come from."""

import os
import platform
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.errors import DeviceError, UsageError
from topformer_cli.process import run

CROSS: Final = "aarch64-linux-gnu-g++"
LOWEST_API: Final = 21
"""The first Android with 64-bit processors."""

NDK_PREFIX: Final[Mapping[str, str]] = {
    "arm64-v8a": "aarch64-linux-android",
    "armeabi-v7a": "armv7a-linux-androideabi",
    "x86_64": "x86_64-linux-android",
}
NDK_VARIABLES: Final = ("ANDROID_NDK", "ANDROID_NDK_HOME", "ANDROID_NDK_ROOT")
SDK_VARIABLES: Final = ("ANDROID_HOME", "ANDROID_SDK_ROOT")

MACHINES: Final = ((r"aarch64|arm64", (183, 64)), (r"arm", (40, 32)), (r"x86_64|amd64", (62, 64)),
                   (r"i\d86", (3, 32)))  # fmt: skip
"""First word of a compiler's target -> ELF machine and bits."""

NDK_HINT: Final = "the Android NDK from developer.android.com/ndk, then set ANDROID_NDK to it"
INSTALL: Final[Mapping[str, str]] = {
    "debian": "sudo apt install g++-aarch64-linux-gnu",
    "fedora": f"Fedora's cross compiler has no C library; take {NDK_HINT}",
    "arch": "sudo pacman -S aarch64-linux-gnu-gcc",
    "darwin": "brew install --cask android-ndk, then set ANDROID_NDK to its folder",
    "windows": "wsl --install, then in it: sudo apt install g++-aarch64-linux-gnu",
}
"""Kind of system -> how a compiler for phones comes onto it."""

INSTALL_HOST: Final[Mapping[str, str]] = {
    "debian": "sudo apt install g++",
    "fedora": "sudo dnf install gcc-c++",
    "arch": "sudo pacman -S gcc",
    "darwin": "xcode-select --install",
    "windows": "wsl --install, then in it: sudo apt install g++",
}


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler: the words that start it and the target that it names (-dumpmachine)."""

    words: tuple[str, ...]
    target: str
    ndk: Path | None = None

    @property
    def android(self) -> bool:
        """Whether it links programs to Android's C library."""
        return "android" in self.target

    @property
    def machine(self) -> tuple[int, int]:
        """The ELF machine and bits of what it makes.

        Raises:
            DeviceError: it makes no ELF programs, or for a processor that no phone has.
        """
        for pattern, machine in MACHINES:
            if re.match(pattern, self.target) and not re.search("darwin|mingw|msvc", self.target):
                return machine
        message = (
            f"{shlex.join(self.words)} makes programs for {self.target}, not for Linux or Android; "
            f"take {NDK_HINT}"
        )
        raise DeviceError(message)


def choose_compiler(cxx: str | None, ndk: Path | None, abi: str) -> Compiler:
    """Return the compiler that is meant: a command, one of an NDK, or the system's for arm64.

    Raises:
        UsageError: both are given, or the system's cannot make programs for the ABI.
        DeviceError: it is not there or does not work; says how to get one.
    """
    if cxx is not None and ndk is not None:
        message = "--cxx and --ndk: give one of them"
        raise UsageError(message)
    if ndk is not None:
        return _asked((str(ndk_compiler(ndk, abi)),), ndk)
    if cxx is not None:
        return _asked(tuple(shlex.split(cxx)))
    if abi != "arm64-v8a":
        message = f"--abi {abi} needs --ndk DIR or --cxx CMD"
        raise UsageError(message)
    return _asked((CROSS,))


def ndk_compiler(ndk: Path, abi: str) -> Path:
    """Return the NDK's C++ compiler for an ABI, of the lowest API level from 21 that it has.

    Raises:
        DeviceError: there is none.
    """
    pattern = f"toolchains/llvm/prebuilt/*/bin/{NDK_PREFIX[abi]}*-clang++*"
    levels = {
        int(match[1]): path
        for path in sorted(ndk.glob(pattern))
        if (match := re.search(r"android(?:eabi)?(\d+)-clang\+\+(?:\.cmd)?$", path.name))
        and int(match[1]) >= LOWEST_API
        and (path.suffix == ".cmd") == (platform.system() == "Windows")
    }
    if not levels:
        message = (
            f"no compiler {ndk / pattern}; give the folder that holds `toolchains`: {NDK_HINT}"
        )
        raise DeviceError(message)
    return levels[min(levels)]


def find_ndks(environment: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the NDKs that the environment names, and those of an SDK, newest first."""
    named = [environment[name] for name in NDK_VARIABLES if environment.get(name)]
    yield from (Path(one) for one in dict.fromkeys(named) if Path(one).is_dir())
    for name in SDK_VARIABLES:
        if sdk := environment.get(name):
            yield from sorted((Path(sdk) / "ndk").glob("*"), key=_version, reverse=True)


def system_kind() -> str:
    """Return a key of `INSTALL`: the family of this system; `debian` where it is not known."""
    system = platform.system().lower()
    if system in INSTALL:
        return system
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "debian"
    family = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".replace("rhel", "fedora")
    return next((kind for kind in INSTALL if kind in family.split()), "debian")


def _asked(words: tuple[str, ...], ndk: Path | None = None) -> Compiler:
    command = shlex.join(words)
    if not words or shutil.which(words[0]) is None:
        remedy = INSTALL[system_kind()] if words == (CROSS,) else "give another with --cxx"
        message = f"compiler {command!r} is not installed; {remedy}"
        raise DeviceError(message)
    try:
        done = run([*words, "-dumpmachine"], timeout_s=60)
    except (OSError, TimeoutError) as error:
        message = f"compiler {command!r} does not start ({error})"
        raise DeviceError(message) from error
    target = done.stdout.strip()
    if done.returncode != 0 or not re.fullmatch(r"[\w.-]+", target):
        message = f"{command!r} does not answer -dumpmachine; give a g++ or clang++ with --cxx"
        raise DeviceError(message)
    return Compiler(words, target, ndk)


def _version(path: Path) -> list[int]:
    return [int(word) for word in re.findall(r"\d+", path.name)]
