"""A program that is to measure, as a runner: refused with the reason when it cannot."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from topformer_cli.bench.programs.judge import kinds_of, require_fit, require_runner
from topformer_cli.bench.programs.program import Program, open_program, this_abi
from topformer_cli.bench.runner import Linkage, Runner
from topformer_cli.errors import DeviceError
from topformer_cli.results import DeviceFacts
from topformer_cli.rundir import file_sha256


def check_runner(path: Path, abis: Sequence[str]) -> Runner:
    """Return a program as a runner for a phone of these ABIs.

    Raises:
        DeviceError: it is missing, no known runner, of another processor, or linked so that
            a phone cannot start it.
    """
    require_fit(path, DeviceFacts(kind="phone", abis=tuple(abis)))
    program = open_program(path)
    linkage: Linkage = "bionic" if program.elf.interpreter else "static"
    return _runner(program, linkage)


def check_host_runner(path: Path, emulator: str | None = None) -> Runner:
    """Return a program as a runner for this machine, started by an emulator if one is named.

    Raises:
        DeviceError: it is no known runner or cannot start here; says what to do.
    """
    program = open_program(path)
    require_runner(program)
    if emulator is None:
        if program.elf.abi != this_abi():
            message = (
                f"{path} is {program.built_for}, this machine is {this_abi()}; name an --emulator "
                "such as qemu-aarch64-static"
            )
            raise DeviceError(message)
    elif shutil.which(emulator) is None:
        message = f"emulator {emulator!r} is not installed; apt install qemu-user-static"
        raise DeviceError(message)
    starter = (emulator,) if emulator else ()
    return _runner(program, "host" if program.elf.interpreter else "static", starter)


def _runner(program: Program, linkage: Linkage, starter: tuple[str, ...] = ()) -> Runner:
    return Runner(
        kind=kinds_of(program)[0],
        path=program.path,
        abi=program.elf.abi or this_abi(),
        linkage=linkage,
        sha256=file_sha256(program.path),
        libraries=tuple(path for _, path in sorted(program.libraries.items()) if path),
        starter=starter,
    )
