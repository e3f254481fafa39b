"""What a compiled program says about where it can run, read from its ELF headers.

Source: the System V ABI, chapters 4 and 5, and Android's bionic for the meaning of the
interpreter. Only what decides about running on a phone is read.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from topformer_cli.errors import DeviceError

ABI_OF_MACHINE: Final[Mapping[tuple[int, int], str]] = {
    (183, 64): "arm64-v8a",
    (40, 32): "armeabi-v7a",
    (62, 64): "x86_64",
    (3, 32): "x86",
}
"""(e_machine, bits) -> Android ABI."""

PROGRAM_TYPES: Final = (2, 3)  # ET_EXEC, ET_DYN (position-independent programs and libraries)
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


@dataclass(frozen=True, slots=True)
class Elf:
    """The facts of one ELF file.

    interpreter: the dynamic linker that the kernel starts, None in a static program. needed:
    the shared libraries it asks for. is_library: it has no entry point.
    """

    machine: int
    bits: int
    interpreter: str | None
    needed: tuple[str, ...]
    is_library: bool

    @property
    def abi(self) -> str | None:
        """The Android ABI, None for a processor that Android has none for."""
        return ABI_OF_MACHINE.get((self.machine, self.bits))


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def read_elf(data: bytes, name: str) -> Elf:
    """Read the headers of an ELF file.

    Raises:
        DeviceError: the bytes are no complete little-endian ELF program or library.
    """
    if data[:4] != b"\x7fELF":
        message = f"{name} is no compiled program for Android or Linux (no ELF header)"
        raise DeviceError(message)
    try:
        return _read(data)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        message = f"{name} is a damaged ELF file ({error}); copy or build it again"
        raise DeviceError(message) from error


def _read(data: bytes) -> Elf:
    bits = {1: 32, 2: 64}.get(data[4])
    if bits is None or data[5] != 1:
        message = f"class {data[4]}, byte order {data[5]}"
        raise ValueError(message)
    kind, machine = struct.unpack_from("<HH", data, 16)
    if kind not in PROGRAM_TYPES:
        message = f"type {kind} is neither program nor library"
        raise ValueError(message)
    segments = _segments(data, bits)
    interpreters = [_text(data, one.offset) for one in segments if one.kind == PT_INTERP]
    [entry] = struct.unpack_from("<Q" if bits == 64 else "<I", data, 24)
    return Elf(
        machine=machine,
        bits=bits,
        interpreter=interpreters[0] if interpreters else None,
        needed=_needed(data, bits, segments),
        is_library=entry == 0,
    )


def _segments(data: bytes, bits: int) -> list[_Segment]:
    start_format, start_at, count_at = ("<Q", 32, 54) if bits == 64 else ("<I", 28, 42)
    [start] = struct.unpack_from(start_format, data, start_at)
    width, count = struct.unpack_from("<HH", data, count_at)
    segments = []
    for index in range(count):
        at = start + index * width
        if bits == 64:
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, size = struct.unpack_from("<IIIII", data, at)
        segments.append(_Segment(kind, offset, address, size))
    return segments


def _needed(data: bytes, bits: int, segments: list[_Segment]) -> tuple[str, ...]:
    entries = [
        entry for one in segments if one.kind == PT_DYNAMIC for entry in _table(data, bits, one)
    ]
    names = [value for tag, value in entries if tag == DT_NEEDED]
    if not names:
        return ()
    [strings] = [value for tag, value in entries if tag == DT_STRTAB][:1] or [0]
    base = _file_offset(strings, segments)
    return tuple(_text(data, base + name) for name in names)


def _table(data: bytes, bits: int, segment: _Segment) -> list[tuple[int, int]]:
    word = struct.Struct("<QQ" if bits == 64 else "<II")
    table = data[segment.offset : segment.offset + segment.size]
    return list(word.iter_unpack(table[: len(table) // word.size * word.size]))


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for one in segments:
        if one.kind == PT_LOAD and one.address <= address < one.address + one.size:
            return address - one.address + one.offset
    message = f"no segment holds address {address:#x}"
    raise ValueError(message)


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", errors="replace")
