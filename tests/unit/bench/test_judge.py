import platform
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.elf_file import BIONIC, ElfFile
from topformer_cli.bench.programs.check import check_host_runner, check_runner
from topformer_cli.bench.programs.elf import read_elf
from topformer_cli.bench.programs.judge import judge, require_fit
from topformer_cli.bench.programs.program import this_abi
from topformer_cli.bench.runners.native import MARK
from topformer_cli.errors import DeviceError
from topformer_cli.results import DeviceFacts

WHAT = MARK + b"1 TNN f0cb081\0"
PLAIN = ElfFile(content=WHAT)
NDK = ElfFile(
    interpreter=BIONIC, needed=("libTNN.so", "libc.so", "liblog.so"), align=0x4000, tls=64, api=21,
    content=WHAT,
)  # fmt: skip
LIBRARY = ElfFile(entry=0, needed=("libc.so",), align=0x4000)
ARM64 = ("arm64-v8a", "armeabi-v7a")
PHONE = DeviceFacts(kind="phone", abis=ARM64, page_bytes=0x4000, sdk=35)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "build/test").mkdir(parents=True)
    return tmp_path / "build/test/topformer-runner"


def put(path: Path, file: ElfFile) -> Path:
    path.write_bytes(file.write())
    return path


@given(
    st.builds(
        ElfFile,
        interpreter=st.none() | st.sampled_from([BIONIC, "/lib/ld-linux-aarch64.so.1"]),
        needed=st.lists(
            st.from_regex(r"lib[a-z]{1,9}\.so", fullmatch=True), max_size=4, unique=True
        ).map(tuple),
        machine=st.sampled_from([183, 40, 62, 3, 243]),
        bits=st.sampled_from([32, 64]),
        align=st.sampled_from([4096, 16384, 65536]),
        tls=st.none() | st.sampled_from([8, 32, 64]),
        api=st.none() | st.integers(1, 40),
    )
)
def test_headers_are_read_back(file: ElfFile) -> None:
    facts = read_elf(file.write(), "program")
    assert (facts.interpreter, facts.needed) == (file.interpreter, file.needed)
    assert (facts.machine, facts.bits, facts.is_library) == (file.machine, file.bits, False)
    assert (facts.load_align, facts.tls_align) == (file.align, file.tls)
    assert facts.android_api == file.api


@given(st.integers(0, 500), st.binary(min_size=1, max_size=16), st.integers(0, 500))
def test_damaged_headers_never_do_worse_than_a_device_error(
    place: int, patch: bytes, length: int
) -> None:
    data = bytearray(NDK.write())
    data[place : place + len(patch)] = patch
    messages = []
    for damaged in (bytes(data), bytes(data[:length])):
        try:
            read_elf(damaged, "program")
        except DeviceError as error:
            messages.append(str(error))
    assert all(message.startswith("program is ") for message in messages)


def test_static_and_ndk_programs_are_accepted(program: Path) -> None:
    assert check_runner(put(program, PLAIN), ARM64).linkage == "static"
    put(program, NDK)
    library = put(program.parent.parent / "libTNN.so", replace(LIBRARY, needed=("libomp.so",)))
    beside = put(program.parent / "libomp.so", LIBRARY)
    runner = check_runner(program, ARM64)
    assert (runner.kind, runner.linkage, runner.abi) == ("topformer-runner", "bionic", "arm64-v8a")
    assert runner.libraries == (library, beside)
    beside.unlink()
    with pytest.raises(DeviceError, match=r"needs libomp.so, which is neither.*OPENMP_ENABLE=OFF"):
        check_runner(program, ARM64)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (replace(PLAIN, machine=62), r"built for x86_64, the phone runs arm64-v8a"),
        (replace(PLAIN, machine=243), r"another processor \(ELF machine 243, 64 bits\)"),
        (
            replace(PLAIN, interpreter="/lib/ld-linux-aarch64.so.1", needed=("libc.so.6",)),
            r"no Android phone has.*-static",
        ),
        (replace(PLAIN, needed=("libc.so",)), r"names no dynamic linker"),
        (replace(PLAIN, entry=0), r"is a library, not a program"),
        (
            replace(PLAIN, content=b"", align=65536),
            r"none of the runners known here \(TNNTest, topformer-run",
        ),
        (replace(PLAIN, align=4096), r"aligned to 0x1000, the phone's pages are 0x4000.*page-size"),
        (replace(PLAIN, align=0x4000, api=36), r"built for API level 36, the phone has 35"),
        (replace(PLAIN, align=0x4000, api=21, tls=8), r"aligned to 8, bionic asks for 64.*API"),
        (
            replace(PLAIN, align=0x4000, interpreter=BIONIC, tls=16, machine=40, bits=32),
            r"aligned to 16, bionic asks for 32",
        ),
    ],
)
def test_unfit_programs_are_refused_with_the_reason(
    program: Path, content: ElfFile, words: str
) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        require_fit(put(program, content), PHONE)
    assert str(caught.value).startswith(str(program))


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", PLAIN.write()[:50]])
def test_what_is_no_program_is_refused(program: Path, content: bytes) -> None:
    program.write_bytes(content)
    with pytest.raises(DeviceError, match=r"no compiled program|damaged ELF file"):
        check_runner(program, ARM64)


def test_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"runner .*none cannot be read \(No such file"):
        check_runner(tmp_path / "none", ARM64)


def test_small_pages_of_a_library_count_too(program: Path) -> None:
    put(program, NDK)
    put(program.parent / "libTNN.so", replace(LIBRARY, align=4096))
    with pytest.raises(DeviceError, match=r"aligned to 0x1000, the phone's pages are 0x4000"):
        require_fit(program, PHONE)
    require_fit(program, replace(PHONE, page_bytes=4096))
    require_fit(program, replace(PHONE, page_bytes=None))


def test_thread_data_of_a_linux_program_is_no_concern_of_bionic(program: Path) -> None:
    put(program, replace(PLAIN, align=0x10000, tls=8))
    require_fit(program, PHONE)
    [found] = [one for one in judge(program, PHONE) if one.what == "thread data"]
    assert (found.found, found.remedy) == ("aligned to 8", "")


def test_judgement_says_which_phones_fit(program: Path) -> None:
    findings = {one.what: one.found for one in judge(put(program, replace(PLAIN, align=65536)))}
    assert findings["fits"] == "phones that run arm64-v8a, pages of 4 KB or 16 KB"
    assert findings["runner"] == "topformer-runner, TNN f0cb081"
    put(program, replace(NDK, needed=("libc.so",), align=4096))
    findings = {one.what: one.found for one in judge(program)}
    assert findings["fits"] == (
        "phones that run arm64-v8a, pages of 4 KB, Android API level 21 and later"
    )


def test_judgement_of_what_fits_nothing_names_every_reason(program: Path) -> None:
    put(program, replace(NDK, machine=243, tls=8, content=b""))
    wrong = [one.what for one in judge(program) if one.remedy]
    assert wrong == ["machine", "libraries", "runner"]
    assert [one.what for one in judge(put(program, LIBRARY))] == ["form", "machine"]


@pytest.fixture
def own() -> ElfFile:
    machines = {"x86_64": 62, "arm64-v8a": 183}
    if this_abi() not in machines:
        pytest.skip(f"no machine number here for {platform.machine()}")
    libraries = ("libc.so.6", "libTNN.so.0")
    linker = "/lib/ld-linux.so"
    return replace(PLAIN, machine=machines[this_abi()], interpreter=linker, needed=libraries)


def test_program_for_this_machine_is_a_host_runner(program: Path, own: ElfFile) -> None:
    put(program, own)
    library = put(program.parent / "libTNN.so.0", LIBRARY)
    runner = check_host_runner(program)
    assert (runner.linkage, runner.libraries, runner.starter) == ("host", (library,), ())
    fits = {one.what: one.found for one in judge(program)}
    assert fits["fits"] == "this machine: --device host"
    with pytest.raises(DeviceError, match="which no Android phone has"):
        check_runner(program, (this_abi(),))


def test_program_for_another_machine_needs_an_emulator(program: Path, own: ElfFile) -> None:
    put(program, replace(PLAIN, machine=245 - own.machine))
    with pytest.raises(DeviceError, match=r"built for .*, this machine is .*--emulator"):
        check_host_runner(program)
    with pytest.raises(DeviceError, match=r"'no-such-emulator' is not installed"):
        check_host_runner(program, "no-such-emulator")
    assert check_host_runner(program, "sh").starter == ("sh",)
    with pytest.raises(DeviceError, match="none of the runners"):
        check_host_runner(put(program, replace(own, content=b"")))
