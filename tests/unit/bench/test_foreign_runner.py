"""A program for another processor, through the whole chain, executed by qemu-user."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.device_root import QEMU
from tests.fakes.runners import AFFINE_C
from tests.unit.bench.conftest import StartDevice, measured, on_phone
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.programs.check import check_runner
from topformer_cli.bench.programs.store import find_runner
from topformer_cli.bench.runner import Runner
from topformer_cli.errors import DeviceError, ParityError

COMPILER = shutil.which("aarch64-linux-gnu-gcc")
PHONE_ABIS = ("arm64-v8a", "armeabi-v7a")


def compiled(folder: Path, *flags: str) -> Path:
    if COMPILER is None:
        pytest.skip("no aarch64-linux-gnu-gcc on this machine")
    source, program = folder / "affine.c", folder / "TNNTest"
    source.write_text(AFFINE_C)
    command = [COMPILER, "-O1", *flags, "-o", str(program), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return program


@pytest.fixture
def aarch64_runner(tmp_path: Path) -> Runner:
    if QEMU is None:
        pytest.skip("no qemu-aarch64 on this machine")
    (tmp_path / "build").mkdir()
    program = compiled(tmp_path / "build", "-static")
    return find_runner(program, tmp_path / "cache", PHONE_ABIS)


def test_aarch64_program_is_pushed_run_and_checked(
    start_device: StartDevice, phone_plan: BenchPlan, aarch64_runner: Runner
) -> None:
    device = start_device()
    result = measured(on_phone(device, phone_plan, aarch64_runner))
    assert aarch64_runner.linkage == "static"
    assert len(result.rounds) == 3
    assert result.emulated
    assert result.core.verified
    assert result.parity is not None
    assert result.parity["relative"] < 1e-6
    assert result.engine_version.startswith("TNNTest static arm64-v8a")
    assert device.root.remains() == []


def test_aarch64_program_that_computes_something_else_is_refused(
    start_device: StartDevice, phone_plan: BenchPlan, aarch64_runner: Runner
) -> None:
    device = start_device()
    plan = replace(phone_plan, references=[-phone_plan.references[0]])
    with pytest.raises(ParityError, match=r"net.tnnproto in TNN on"):
        on_phone(device, plan, aarch64_runner).run()
    assert device.root.remains() == []


def test_program_linked_to_a_linux_c_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"/lib/ld-linux-aarch64.so.1, which no Android.*-static"):
        check_runner(compiled(tmp_path), PHONE_ABIS)


def test_library_in_the_place_of_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="is a library, not a program"):
        check_runner(compiled(tmp_path, "-shared", "-fPIC", "-nostdlib"), PHONE_ABIS)
