"""Which compilers and builds of TNN are on this machine, and what is missing, for `doctor`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from topformer_cli.bench.building.build import fits
from topformer_cli.bench.building.compilers import (
    CROSS,
    INSTALL,
    INSTALL_HOST,
    NDK_HINT,
    Compiler,
    choose_compiler,
    find_ndks,
    system_kind,
)
from topformer_cli.bench.building.tnn_builds import HOW_TO_BUILD, TnnBuild, find_builds
from topformer_cli.bench.programs.judge import Finding
from topformer_cli.errors import DeviceError

HOST_COMPILERS: Final = ("c++", "g++", "clang++")
NDK_ABIS: Final = ("arm64-v8a", "armeabi-v7a")
HOME: Final = "TNN_HOME"


def examine_toolchains(environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Return what was found: compilers for phones and for this machine, and builds of TNN."""
    phone = [*_cross(), *_ndks(environment)]
    host = _first(HOST_COMPILERS)
    findings = [_for_phones(phone), _for_this_machine(host)]
    home = environment.get(HOME)
    if not home or not Path(home).is_dir():
        found = f"{HOME} is {home}, which is no folder" if home else f"{HOME} is not set"
        remedy = (
            f"git clone https://github.com/Tencent/TNN, then {HOW_TO_BUILD}, and set {HOME} to the "
            "folder; needed for a runner that is built, not for `topformer runner fetch`"
        )
        return [*findings, Finding("TNN", found, remedy)]
    builds = find_builds([Path(home)])
    compilers = [*phone, *([host] if host else [])]
    return [*findings, *(_tnn(builds, compilers, Path(home)))]


def _for_phones(compilers: Sequence[Compiler]) -> Finding:
    words = dict.fromkeys(f"NDK {one.ndk}" if one.ndk else one.words[0] for one in compilers)
    if words:
        return Finding("compiler for phones", ", ".join(words))
    install = INSTALL[system_kind()]
    remedy = install if NDK_HINT in install else f"{install}; or {NDK_HINT}"
    return Finding("compiler for phones", "none", remedy)


def _for_this_machine(compiler: Compiler | None) -> Finding:
    what = "compiler for this machine"
    if compiler is None:
        return Finding(what, "none", INSTALL_HOST[system_kind()])
    return Finding(what, f"{compiler.words[0]} for {compiler.target}")


def _tnn(
    builds: Sequence[TnnBuild], compilers: Sequence[Compiler], home: Path
) -> Iterator[Finding]:
    if not builds:
        yield Finding("TNN", f"{home} holds no libTNN", HOW_TO_BUILD)
    for build in builds:
        fitting = [one for one in compilers if _fits(build, one)]
        if fitting:
            yield Finding("TNN", f"{build.describe()}: {' '.join(fitting[0].words)}")
        else:
            yield Finding("TNN", f"{build.describe()}: no compiler here makes programs for it")


def _fits(build: TnnBuild, compiler: Compiler) -> bool:
    try:
        return fits(build, compiler)
    except DeviceError:  # a compiler that makes no ELF programs
        return False


def _cross() -> Iterator[Compiler]:
    if (compiler := _first((CROSS,))) is not None:
        yield compiler


def _ndks(environment: Mapping[str, str]) -> Iterator[Compiler]:
    for ndk in find_ndks(environment):
        for abi in NDK_ABIS:
            try:
                yield choose_compiler(None, ndk, abi)
            except DeviceError:
                continue  # an NDK without this ABI, or that this machine cannot start


def _first(commands: Sequence[str]) -> Compiler | None:
    for command in commands:
        try:
            return choose_compiler(command, None, NDK_ABIS[0])
        except DeviceError:
            continue
    return None
