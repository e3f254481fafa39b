"""Our own TNN runner, compiled from the source in this package against a build of TNN."""

import importlib.resources
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.bench.building.compilers import CROSS, Compiler
from topformer_cli.bench.building.tnn_builds import (
    HOW_TO_BUILD,
    TnnBuild,
    find_builds,
    find_headers,
    origin_of,
)
from topformer_cli.bench.programs.elf import Elf, read_elf
from topformer_cli.bench.programs.program import SYSTEM_LIBRARIES, this_abi
from topformer_cli.errors import DeviceError
from topformer_cli.process import Finished, run
from topformer_cli.rundir import atomic_path

SOURCE: Final = "native/topformer_runner.cpp"
COMPILE_S: Final = 900.0
START_S: Final = 60.0
EMULATORS: Final = {
    "arm64-v8a": ("qemu-aarch64-static", "qemu-aarch64"),
    "armeabi-v7a": ("qemu-arm-static", "qemu-arm"),
}
_FAILED: Final = re.compile(r"error|undefined reference|cannot find|undefined symbol")


@dataclass(frozen=True, slots=True)
class Built:
    """A runner that was compiled.

    libraries: copied beside it. tnn: what it was linked with. started: how it was seen to start,
    None where nothing here can start it.
    """

    path: Path
    libraries: tuple[Path, ...]
    abi: str
    tnn: TnnBuild
    origin: str
    compiler: str
    started: str | None


def build_runner(homes: Sequence[Path], compiler: Compiler, out: Path) -> Built:
    """Compile the runner and leave it at `out`, with the libraries that it needs beside it.

    homes: folders with TNN's sources and builds. Of several builds for the compiler's target the
    one without profiler, with fp16, static and newest is taken.

    Raises:
        DeviceError: no headers, no build for this compiler, or it does not compile or start.
    """
    for home in homes:
        if not home.is_dir():
            message = f"{home} is no folder; give TNN's sources or a build of it with --tnn-home"
            raise DeviceError(message)
    headers = find_headers(homes)
    tnn = choose_build(find_builds(homes), compiler, homes)
    origin = origin_of(headers)
    with atomic_path(out) as temporary:  # in the same folder, so that it finds its libraries
        _compile([*_command(compiler, tnn, headers, origin), "-o", str(temporary)], compiler)
        temporary.chmod(0o755)
        elf = read_elf(temporary.read_bytes(), str(out))
        libraries = tuple(_bring(elf, tnn, compiler, out.parent))
        started = _start(temporary, elf, compiler)
    out.chmod(0o755)
    return Built(
        path=out,
        libraries=libraries,
        abi=elf.abi or "unknown",
        tnn=tnn,
        origin=origin,
        compiler=shlex.join(compiler.words),
        started=started,
    )


def choose_build(builds: Sequence[TnnBuild], compiler: Compiler, homes: Sequence[Path]) -> TnnBuild:
    """Return the build that fits a compiler's target best.

    Raises:
        DeviceError: none fits; names those that were found.
    """
    fitting = [one for one in builds if fits(one, compiler)]
    if fitting:
        return max(fitting, key=_preference)
    found = "; ".join(one.describe() for one in builds) or "none at all"
    where = ", ".join(str(home) for home in homes)
    with_it = f"build TNN with {shlex.join(compiler.words)}"
    how = HOW_TO_BUILD if compiler.words == (CROSS,) else with_it
    message = (
        f"no libTNN for {compiler.target} in {where}, which holds {found}; give another --cxx or "
        f"--ndk, or {how}"
    )
    raise DeviceError(message)


def fits(build: TnnBuild, compiler: Compiler) -> bool:
    """Say whether a compiler's programs can be linked with a build and then run.

    A shared library of Linux is of no use on a phone, so it counts on this machine's ABI only.
    """
    if (build.machine, build.android) != (compiler.machine, compiler.android):
        return False
    return build.android or build.is_static or build.abi == this_abi()


def _preference(build: TnnBuild) -> tuple[bool, bool, bool, float]:
    changed = build.library.stat().st_mtime
    return not build.profiler, build.fp16 is True, build.is_static, changed


def _command(compiler: Compiler, tnn: TnnBuild, headers: Path, origin: str) -> Iterator[str]:
    yield from compiler.words
    yield from ("-std=c++11", "-O2", "-I", str(headers))
    yield f'-DTOPFORMER_TNN_ORIGIN="{origin}"'
    yield f"-DTOPFORMER_TNN_OPENMP={int(tnn.openmp is not None)}"
    yield f"-DTOPFORMER_TNN_FP16={ {True: 'true', False: 'false', None: 'null'}[tnn.fp16] }"
    if tnn.profiler:
        yield "-DTNN_PROFILE=1"
    yield str(_source())
    whole = (
        "-Wl,--whole-archive",
        str(tnn.library),
        "-Wl,--no-whole-archive",
    )  # it registers itself
    yield from whole if tnn.is_static else (str(tnn.library), "-Wl,-rpath,$ORIGIN")
    yield from _android(compiler, tnn) if compiler.android else _linux(tnn)


def _android(compiler: Compiler, tnn: TnnBuild) -> Iterator[str]:
    yield from ("-static-libstdc++", "-llog", "-ldl")
    if compiler.machine[1] == 64:
        yield "-Wl,-z,max-page-size=16384"
    if tnn.openmp and tnn.is_static:
        yield from ("-fopenmp", "-static-openmp")


def _linux(tnn: TnnBuild) -> Iterator[str]:
    if tnn.is_static:
        # Whole, as C libraries before glibc 2.34 find their threads by weak symbols.
        yield from ("-static", "-Wl,--whole-archive", "-lpthread", "-Wl,--no-whole-archive")
    if tnn.openmp:
        yield "-fopenmp" if tnn.openmp == "gomp" else "-fopenmp=libomp"
    yield from ("-lpthread", "-ldl", "-lrt")


def _source() -> Path:
    """Return the runner's source in this package."""
    return Path(str(importlib.resources.files("topformer_cli.bench").joinpath(SOURCE)))


def _compile(words: Sequence[str], compiler: Compiler) -> None:
    command = shlex.join(compiler.words)
    try:
        done = run(words, timeout_s=COMPILE_S)
    except TimeoutError as error:
        message = f"{command} did not end within {COMPILE_S:g} s"
        raise DeviceError(message) from error
    if done.returncode != 0:
        message = f"{command} failed: {_first_error(done)}; all of it: {shlex.join(words)}"
        raise DeviceError(message)


def _first_error(done: Finished) -> str:
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if _FAILED.search(line)]
    return (errors or lines or [f"exit code {done.returncode}"])[0]


def _bring(elf: Elf, tnn: TnnBuild, compiler: Compiler, folder: Path) -> Iterator[Path]:
    """Copy what a program needs besides the system's libraries, where it is found."""
    places = [tnn.library.parent, *_ndk_folders(compiler)]
    wanted, met = list(elf.needed), set(SYSTEM_LIBRARIES)
    while wanted:
        name = wanted.pop(0)
        source = next((place / name for place in places if (place / name).is_file()), None)
        if name in met or source is None:
            continue
        met.add(name)
        data = source.read_bytes()
        target = folder / name
        if source.resolve() != target.resolve():
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)
        wanted += read_elf(data, str(source)).needed
        yield target


def _ndk_folders(compiler: Compiler) -> list[Path]:
    """Return where an NDK keeps libomp.so and libc++_shared.so for a target."""
    if compiler.ndk is None:
        return []
    host = compiler.ndk / "toolchains/llvm/prebuilt"
    kinds = {
        (183, 64): ("aarch64", "aarch64-linux-android"),
        (40, 32): ("arm", "arm-linux-androideabi"),
    }
    runtime, triple = kinds.get(compiler.machine, ("x86_64", "x86_64-linux-android"))
    return [
        *sorted(host.glob(f"*/lib*/clang/*/lib/linux/{runtime}"), reverse=True),
        *sorted(host.glob(f"*/sysroot/usr/lib/{triple}")),
    ]


def _start(path: Path, elf: Elf, compiler: Compiler) -> str | None:
    """Return how the program was seen to start; None where nothing here can start it.

    Raises:
        DeviceError: it does not start.
    """
    starter = _starter(elf, compiler)
    if starter is None:
        return None
    try:
        done = run([*starter, str(path.resolve()), "--version"], timeout_s=START_S)
    except (OSError, TimeoutError) as error:
        done = Finished(1, "", str(error))
    if done.returncode != 0 or not done.stdout.startswith("topformer-runner"):
        message = f"the runner for {elf.abi} was built but does not start: {_first_error(done)}"
        raise DeviceError(message)
    return f"under {starter[0]}" if starter else "here"


def _starter(elf: Elf, compiler: Compiler) -> tuple[str, ...] | None:
    if compiler.android:
        return None
    if elf.abi == this_abi():
        return ()
    names = EMULATORS.get(elf.abi or "", ())
    emulator = next((name for name in names if shutil.which(name)), None)
    return (emulator,) if emulator and elf.interpreter is None else None
