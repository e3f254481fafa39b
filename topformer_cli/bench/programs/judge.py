"""Whether a program can measure on a machine, judged from its file before a byte of it is pushed.

Sources: the System V ABI; bionic's linker (interpreter, alignment of thread-local data); Android's
guide to 16 KB pages; the list of libraries that the NDK promises on every phone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.bench.programs.program import BIONIC_LINKERS, Program, open_program, this_abi
from topformer_cli.bench.runner import RUNNERS
from topformer_cli.bench.runners import native
from topformer_cli.errors import DeviceError
from topformer_cli.results import DeviceFacts

TLS_ALIGN: Final = {"arm64-v8a": 64, "armeabi-v7a": 32}
"""What bionic asks of a program's thread-local data: it keeps its own words before it."""

PAGE_SIZES: Final = (4096, 16384)
"""Those of Android phones, in bytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; remedy is empty where nothing stands in the way."""

    what: str
    found: str
    remedy: str = ""


def judge(path: Path, phone: DeviceFacts | None = None) -> list[Finding]:
    """Return what a program's file says about where it runs, held against a phone if one is given.

    Raises:
        DeviceError: it cannot be read, or is no ELF program at all.
    """
    program = open_program(path)
    looks: tuple[Callable[[Program, DeviceFacts | None], Finding], ...] = (
        _form, _machine, _linkage, _needed, _pages, _thread_data, _level, _kind
    )  # fmt: skip
    if program.elf.is_library:
        looks = (_form, _machine)
    findings = [look(program, phone) for look in looks]
    if phone is None and not any(one.remedy for one in findings):
        findings.append(Finding("fits", _phones(program)))
    return findings


def require_fit(path: Path, phone: DeviceFacts) -> None:
    """Refuse a program that cannot run on a phone; what the phone does not tell is no obstacle.

    Raises:
        DeviceError: names the first thing that stands in the way, and what to do.
    """
    _require(path, judge(path, phone))


def require_runner(program: Program) -> None:
    """Refuse what is no program or no runner that is known here, whatever machine it is for.

    Raises:
        DeviceError: names the reason and what to do.
    """
    _require(program.path, [_form(program, None), _kind(program, None)])


def _require(path: Path, findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.remedy:
            message = f"{path}: {finding.found}; {finding.remedy}"
            raise DeviceError(message)


def _form(program: Program, _: DeviceFacts | None) -> Finding:
    if program.elf.is_library:
        return Finding(
            "form", "is a library, not a program", "give the program of the same build, such as "
            "test/TNNTest, or `topformer runner build` one",
        )  # fmt: skip
    return Finding("form", f"program, {len(program.data) / 1e6:.1f} MB")


def _machine(program: Program, phone: DeviceFacts | None) -> Finding:
    built, abi = program.built_for, program.elf.abi
    if phone is not None and abi not in phone.abis:
        found = f"{built}, the phone runs {_words(phone.abis)}"
        return Finding("machine", found, "build it for that")
    if abi is None:
        return Finding("machine", built, "no phone has it; build it for arm64-v8a")
    return Finding("machine", built)


def _linkage(program: Program, phone: DeviceFacts | None) -> Finding:
    elf = program.elf
    if elf.interpreter is None and elf.needed and not elf.is_library:
        found = f"needs {_words(elf.needed)} but names no dynamic linker"
        return Finding("linkage", found, "relink it")
    if elf.interpreter is None:
        return Finding("linkage", "static: the kernel starts it, whatever the phone's C library")
    if elf.interpreter in BIONIC_LINKERS:
        return Finding("linkage", f"bionic, by {elf.interpreter}")
    if phone is None and elf.abi == this_abi():
        return Finding("linkage", f"Linux, by {elf.interpreter}: for this machine, not for phones")
    found = (
        f"asks for {elf.interpreter}, which no Android phone has: it is linked to a Linux C library"
    )
    remedy = "link it with -static, or build it with the Android NDK"
    return Finding("linkage", found, remedy)


def _needed(program: Program, _: DeviceFacts | None) -> Finding:
    missing = [name for name, place in program.libraries.items() if place is None]
    if missing:
        found = f"needs {missing[0]}, which is neither beside it nor one folder above"
        remedy = f"copy {_words(missing)} there"
        if "omp" in missing[0]:
            remedy += ", or build TNN with TNN_OPENMP_ENABLE=OFF, which one thread does not need"
        return Finding("libraries", found, remedy)
    own = [f"{name} ({place})" for name, place in program.libraries.items()]
    system = [name for name in program.elf.needed if name not in program.libraries]
    parts = [*own, *(f"{name} (the system's)" for name in system)]
    return Finding("libraries", _words(parts) if parts else "none needed")


def _pages(program: Program, phone: DeviceFacts | None) -> Finding:
    align = program.alignment()
    found = f"segments aligned to {align:#x}"
    if phone is not None and phone.page_bytes is not None and align < phone.page_bytes:
        return Finding(
            "pages",
            f"{found}, the phone's pages are {phone.page_bytes:#x}",
            "link program and libTNN.so with -Wl,-z,max-page-size=16384 (NDK r28 does so itself)",
        )
    fitting = [f"{size // 1024} KB" for size in PAGE_SIZES if size <= align]
    return Finding("pages", f"{found}: phones with pages of {' or '.join(fitting) or 'no size'}")


def _thread_data(program: Program, _: DeviceFacts | None) -> Finding:
    elf = program.elf
    least = TLS_ALIGN.get(elf.abi or "", 0) if program.is_bionic else 0
    if elf.tls_align is not None and elf.tls_align < least:
        return Finding(
            "thread data",
            f"thread-local data is aligned to {elf.tls_align}, bionic asks for {least}",
            "build with API level 29 or higher, or with NDK r22 or newer",
        )
    aligned = "none" if elf.tls_align is None else f"aligned to {elf.tls_align}"
    return Finding("thread data", aligned)


def _level(program: Program, phone: DeviceFacts | None) -> Finding:
    level = program.elf.android_api
    if level is None:
        return Finding("API level", "none noted")
    if phone is not None and phone.sdk is not None and phone.sdk < level:
        found = f"built for API level {level}, the phone has {phone.sdk}"
        return Finding("API level", found, f"build it for API level {phone.sdk} or lower")
    return Finding("API level", f"{level} and later")


def _kind(program: Program, _: DeviceFacts | None) -> Finding:
    kinds = kinds_of(program)
    if not kinds:
        found = f"none of the runners known here ({', '.join(RUNNERS)})"
        return Finding("runner", found, "build one with `topformer runner build --tnn-home DIR`")
    origin = native.origin_of(program.data)
    return Finding("runner", f"{kinds[0]}, TNN {origin}" if origin else kinds[0])


def kinds_of(program: Program) -> list[str]:
    """Return the keys of `RUNNERS` that the program may be."""
    return [kind for kind, module in RUNNERS.items() if module.recognises(program.data)]


def _phones(program: Program) -> str:
    if program.is_linux:
        return "this machine: --device host"
    sizes = " or ".join(f"{size // 1024} KB" for size in PAGE_SIZES if size <= program.alignment())
    words = [f"phones that run {program.elf.abi}", f"pages of {sizes}"]
    if program.elf.android_api is not None:
        words.append(f"Android API level {program.elf.android_api} and later")
    return ", ".join(words)


def _words(names: Sequence[str]) -> str:
    return ", ".join(names) or "unknown"
