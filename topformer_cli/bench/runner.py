"""Which program measures on the phone: checked before use, then kept in the cache by ABI.

<cache>/runners/<abi>/<first 16 of sha256>/TNNTest [libTNN.so ...]
<cache>/runners/<abi>/current.json          names the folder above and the hashes
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from topformer_cli.bench.elf import Elf, read_elf
from topformer_cli.bench.plan import BenchPlan, file_sha256
from topformer_cli.bench.runners import tnntest
from topformer_cli.errors import DeviceError
from topformer_cli.predictor import FloatArray
from topformer_cli.results import Round
from topformer_cli.rundir import atomic_path, write_json

Linkage = Literal["static", "bionic"]


class RunnerModule(Protocol):
    """What bench needs to know of a program that runs models on a phone."""

    ENGINE: str
    COVERS: str
    INPUT_NAME: str
    OUTPUT_NAME: str

    def recognises(self, program: bytes) -> bool:
        """Say whether these bytes are this program."""
        ...

    def model_files(self, artifact: Path) -> tuple[Path, ...]:
        """Return the files that make up the model, the given one first."""
        ...

    def encode_input(self, inputs: FloatArray) -> bytes:
        """Return the input file's content."""
        ...

    def arguments(self, plan: BenchPlan, abi: str) -> tuple[str, ...]:
        """Return the arguments, with file names relative to the working folder."""
        ...

    def parse_round(self, stdout: str, stderr: str, iterations: int) -> Round:
        """Return what one process measured; MeasurementError when it failed."""
        ...

    def decode_output(self, content: bytes) -> dict[str, FloatArray]:
        """Return the output tensors by name; MeasurementError when incomplete."""
        ...


RUNNERS: Final[Mapping[str, RunnerModule]] = {"TNNTest": tnntest}

BIONIC_LINKERS: Final = ("/system/bin/linker", "/system/bin/linker64")
SYSTEM_LIBRARIES: Final = frozenset(
    f"lib{name}.so"
    for name in (
        "c", "m", "dl", "log", "android", "z", "EGL", "GLESv1_CM", "GLESv2", "GLESv3",
        "OpenCL", "vulkan", "jnigraphics", "mediandk", "neuralnetworks", "stdc++",
    )
)  # fmt: skip
"""What a phone brings itself; everything else is pushed with the runner."""

HOW_TO_GET: Final = (
    "what is needed is TNN's own test program TNNTest, built for the phone's processor; TNN "
    "publishes no prebuilt one. It comes from the sources at https://github.com/Tencent/TNN with "
    "TNN_TEST_ENABLE and TNN_ARM_ENABLE on and OpenMP off: with the Android NDK TNN's "
    "scripts/build_android.sh leaves it in build64/test/TNNTest (libTNN.so beside it is taken "
    "along), and a static aarch64 Linux build of it needs no NDK. Give it once with --runner PATH"
)


@dataclass(frozen=True, slots=True)
class Runner:
    """A checked program: kind is a key of `RUNNERS`, libraries are pushed beside it."""

    kind: str
    path: Path
    abi: str
    linkage: Linkage
    sha256: str
    libraries: tuple[Path, ...] = ()

    @property
    def module(self) -> RunnerModule:
        """How this kind of program is driven."""
        return RUNNERS[self.kind]

    @property
    def version(self) -> str:
        """The program as results name it."""
        return f"{self.kind} {self.linkage} {self.abi} {self.sha256[:12]}"


def find_runner(given: Path | None, cache_dir: Path, abis: Sequence[str]) -> Runner:
    """Return the program that measures on a phone of these ABIs (the phone's own order).

    A given one is checked, kept in the cache and used from then on; TOPFORMER_RUNNER
    overrides the cache without changing it.

    Raises:
        DeviceError: there is none, or it cannot run on this phone; says why and what to do.
    """
    if given is not None:
        return _keep(check_runner(given, abis), cache_dir)
    if override := os.environ.get("TOPFORMER_RUNNER"):
        return check_runner(Path(override), abis)
    for abi in abis:
        if (kept := _kept(cache_dir, abi)) is not None:
            return kept
    message = f"no runner for a phone of ABI {_words(abis)}: {HOW_TO_GET}"
    raise DeviceError(message)


def check_runner(path: Path, abis: Sequence[str]) -> Runner:
    """Judge a program before a byte of it is pushed.

    Raises:
        DeviceError: it is missing, no known runner, of another processor, or linked so that
            a phone cannot start it.
    """
    data = _read(path)
    elf = read_elf(data, str(path))
    if elf.is_library:
        message = f"{path} is a library, not a program; give test/TNNTest of the same build"
        raise DeviceError(message)
    if elf.abi is None or elf.abi not in abis:
        built_for = elf.abi or f"another processor (ELF machine {elf.machine}, {elf.bits} bits)"
        message = (
            f"{path} is built for {built_for}, the phone runs {_words(abis)}; build it for that"
        )
        raise DeviceError(message)
    linkage = _linkage(path, elf)
    libraries = _libraries(path, elf)
    kinds = [kind for kind, module in RUNNERS.items() if module.recognises(data)]
    if not kinds:
        message = f"{path} is none of the runners known here ({', '.join(RUNNERS)}); {HOW_TO_GET}"
        raise DeviceError(message)
    return Runner(kinds[0], path, elf.abi, linkage, file_sha256(path), libraries)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"runner {path} cannot be read ({error.strerror}); give the path of TNNTest"
        raise DeviceError(message) from error


def _linkage(path: Path, elf: Elf) -> Linkage:
    if elf.interpreter is None:
        if elf.needed:
            message = f"{path} needs {_words(elf.needed)} but names no dynamic linker; relink it"
            raise DeviceError(message)
        return "static"
    if elf.interpreter in BIONIC_LINKERS:
        return "bionic"
    message = (
        f"{path} asks for {elf.interpreter}, which no Android phone has: it is linked to a Linux "
        "C library; link it with -static, or build it with the Android NDK"
    )
    raise DeviceError(message)


def _libraries(path: Path, elf: Elf) -> tuple[Path, ...]:
    """Return the non-system libraries that a program needs, directly or through one another.

    TNN's build puts libTNN.so one folder above test/TNNTest.
    """
    found: dict[str, Path] = {}
    wanted = [name for name in elf.needed if name not in SYSTEM_LIBRARIES]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        places = [folder / name for folder in (path.parent, path.parent.parent)]
        place = next((one for one in places if one.is_file()), None)
        if place is None:
            message = (
                f"{path} needs {name}, which is neither beside it nor one folder above; copy it"
            )
            raise DeviceError(message)
        found[name] = place
        needed = read_elf(_read(place), str(place)).needed
        wanted += [one for one in needed if one not in SYSTEM_LIBRARIES]
    return tuple(found[name] for name in sorted(found))


def _keep(runner: Runner, cache_dir: Path) -> Runner:
    home = cache_dir / "runners" / runner.abi
    folder = home / runner.sha256[:16]
    kept = []
    for source in (runner.path, *runner.libraries):
        kept.append(folder / source.name)
        with atomic_path(kept[-1]) as temporary:
            shutil.copyfile(source, temporary)
    hashes = {path.name: file_sha256(path) for path in kept}
    record = {
        "kind": runner.kind,
        "linkage": runner.linkage,
        "program": kept[0].name,
        "folder": folder.name,
        "sha256": hashes,
        "origin": str(runner.path.resolve()),
    }
    write_json(home / "current.json", record)
    return Runner(runner.kind, kept[0], runner.abi, runner.linkage, runner.sha256, tuple(kept[1:]))


def _kept(cache_dir: Path, abi: str) -> Runner | None:
    note = cache_dir / "runners" / abi / "current.json"
    if not note.is_file():
        return None
    try:
        return _recall(json.loads(note.read_text()), note.parent, abi)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the kept runner at {note.parent} is damaged; give it again with --runner PATH"
        raise DeviceError(message) from error


def _recall(record: Mapping[str, Any], home: Path, abi: str) -> Runner:
    folder, program = home / record["folder"], record["program"]
    hashes = {name: file_sha256(folder / name) for name in record["sha256"]}
    if hashes != record["sha256"] or record["kind"] not in RUNNERS:
        message = "hashes or kind differ from the record"
        raise ValueError(message)
    libraries = tuple(folder / name for name in sorted(hashes) if name != program)
    kind, linkage = record["kind"], record["linkage"]
    return Runner(kind, folder / program, abi, linkage, hashes[program], libraries)


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or "unknown"
