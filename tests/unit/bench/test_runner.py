import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.bench.elf import read_elf
from topformer_cli.bench.runner import RUNNERS, check_runner, find_runner
from topformer_cli.bench.runners.tnntest import MARK
from topformer_cli.errors import DeviceError

ARM64 = ("arm64-v8a", "armeabi-v7a")
BIONIC = "/system/bin/linker64"


def elf(
    interpreter: str | None = None,
    needed: tuple[str, ...] = (),
    machine: int = 183,
    entry: int = 64,
    bits: int = 64,
) -> bytes:
    """Return a whole ELF file with these headers, and the mark of TNNTest as its content."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    starts = [names.index(name.encode()) for name in needed]
    head, width = (64, 56) if bits == 64 else (52, 32)
    count = 3
    text_at = head + count * width
    text = (interpreter or "").encode() + b"\0"
    names_at = text_at + len(text)
    table_at = names_at + len(names)
    entry_format = "<QQ" if bits == 64 else "<II"
    tags = [(1, start) for start in starts] + [(5, names_at), (0, 0)]
    table = b"".join(struct.pack(entry_format, *tag) for tag in tags)
    total = table_at + len(table) + len(MARK)

    def segment(kind: int, offset: int, size: int) -> bytes:
        if bits == 64:
            return struct.pack("<IIQQQQQQ", kind, 5, offset, offset, offset, size, size, 4096)
        return struct.pack("<IIIIIIII", kind, offset, offset, offset, size, size, 5, 4096)

    segments = segment(1, 0, total)
    segments += segment(3 if interpreter else 0, text_at, len(text))
    segments += segment(2 if needed else 0, table_at, len(table))
    identity = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    numbers = (3, machine, 1, entry, head, 0, 0, head, width, count, 0, 0, 0)
    layout = "<HHIQQQIHHHHHH" if bits == 64 else "<HHIIIIIHHHHHH"
    return identity + struct.pack(layout, *numbers) + segments + text + names + table + MARK


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "build/test").mkdir(parents=True)
    return tmp_path / "build/test/TNNTest"


@given(
    st.none() | st.sampled_from([BIONIC, "/lib/ld-linux-aarch64.so.1"]),
    st.lists(st.from_regex(r"lib[a-z]{1,9}\.so", fullmatch=True), max_size=4, unique=True),
    st.sampled_from([(183, 64), (40, 32), (62, 64), (3, 32), (243, 64)]),
)
def test_headers_are_read_back(
    interpreter: str | None, needed: list[str], kind: tuple[int, int]
) -> None:
    machine, bits = kind
    facts = read_elf(elf(interpreter, tuple(needed), machine, bits=bits), "program")
    assert (facts.interpreter, facts.needed) == (interpreter, tuple(needed))
    assert (facts.machine, facts.bits, facts.is_library) == (machine, bits, False)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=16), st.integers(0, 400))
def test_damaged_headers_never_do_worse_than_a_device_error(
    place: int, patch: bytes, length: int
) -> None:
    data = bytearray(elf(BIONIC, ("libc.so", "libTNN.so")))
    data[place : place + len(patch)] = patch
    messages = []
    for damaged in (bytes(data), bytes(data[:length])):
        try:
            read_elf(damaged, "program")
        except DeviceError as error:
            messages.append(str(error))
    assert all(message.startswith("program is ") for message in messages)


def test_static_and_ndk_programs_are_accepted(program: Path) -> None:
    program.write_bytes(elf())
    assert check_runner(program, ARM64).linkage == "static"
    program.write_bytes(elf(BIONIC, ("libTNN.so", "libc.so", "liblog.so")))
    library = program.parent.parent / "libTNN.so"
    library.write_bytes(elf(needed=("libc.so", "libomp.so"), entry=0))
    beside = program.parent / "libomp.so"
    beside.write_bytes(elf(needed=("libc.so",), entry=0))
    runner = check_runner(program, ARM64)
    assert runner.linkage == "bionic"
    assert runner.libraries == (library, beside)
    beside.unlink()
    with pytest.raises(DeviceError, match=r"needs libomp.so, which is neither beside it"):
        check_runner(program, ARM64)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (elf(machine=62), r"built for x86_64, the phone runs arm64-v8a"),
        (elf(machine=243), r"another processor \(ELF machine 243, 64 bits\)"),
        (elf("/lib/ld-linux-aarch64.so.1", ("libc.so.6",)), r"no Android phone has.*-static"),
        (elf(needed=("libc.so",)), r"names no dynamic linker"),
        (elf(entry=0), r"is a library, not a program"),
        (elf().replace(MARK, b"something else"), r"none of the runners known here \(TNNTest\)"),
        (b"#!/bin/sh\n", r"no compiled program"),
        (elf()[:50], r"damaged ELF file"),
    ],
)
def test_unfit_programs_are_refused_with_the_reason(
    program: Path, content: bytes, words: str
) -> None:
    program.write_bytes(content)
    with pytest.raises(DeviceError, match=words):
        check_runner(program, ARM64)


def test_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"runner .*none cannot be read \(No such file"):
        find_runner(tmp_path / "none", tmp_path, ARM64)


def test_given_once_is_used_from_then_on(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOPFORMER_RUNNER", raising=False)
    cache = tmp_path / "cache"
    program.write_bytes(elf(BIONIC, ("libTNN.so",)))
    (program.parent / "libTNN.so").write_bytes(elf(entry=0))
    given_runner = find_runner(program, cache, ARM64)
    assert given_runner.path.is_relative_to(cache)
    program.unlink()
    kept = find_runner(None, cache, ARM64)
    assert kept == given_runner
    assert [library.name for library in kept.libraries] == ["libTNN.so"]
    with pytest.raises(DeviceError, match="no runner for a phone of ABI x86_64"):
        find_runner(None, cache, ("x86_64",))
    other = tmp_path / "other"
    other.write_bytes(elf() + b"newer")
    monkeypatch.setenv("TOPFORMER_RUNNER", str(other))
    assert find_runner(None, cache, ARM64).path == other
    monkeypatch.delenv("TOPFORMER_RUNNER")
    assert find_runner(None, cache, ARM64) == kept


@pytest.mark.parametrize("damage", ["program", "record"])
def test_damaged_kept_runner_is_never_used(program: Path, tmp_path: Path, damage: str) -> None:
    program.write_bytes(elf())
    kept = find_runner(program, tmp_path, ARM64)
    record = kept.path.parent.parent / "current.json"
    if damage == "program":
        kept.path.write_bytes(elf()[:-3])
    else:
        record.write_text(json.dumps({"kind": "TNNTest"}))
    with pytest.raises(DeviceError, match=r"is damaged; give it again with --runner"):
        find_runner(None, tmp_path, ARM64)


def test_runner_whose_keeping_was_cut_short_does_not_count(program: Path, tmp_path: Path) -> None:
    program.write_bytes(elf())
    kept = find_runner(program, tmp_path, ARM64)
    (kept.path.parent.parent / "current.json").unlink()
    with pytest.raises(DeviceError, match="no runner for a phone"):
        find_runner(None, tmp_path, ARM64)


def test_without_a_runner_the_message_says_where_one_comes_from(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as caught:
        find_runner(None, tmp_path, ARM64)
    message = str(caught.value)
    words = ("TNNTest", "Tencent/TNN", "scripts/build_android.sh", "no prebuilt", "--runner PATH")
    for word in words:
        assert word in message
    assert "\n" not in message


def test_every_runner_file_is_in_the_table() -> None:
    folder = Path(next(iter(RUNNERS.values())).__file__).parent  # type: ignore[attr-defined]
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {module.__name__.rpartition(".")[2] for module in RUNNERS.values()} == files  # type: ignore[attr-defined]
