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
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_TLS = 1, 2, 3, 4, 7
DT_NEEDED, DT_STRTAB = 1, 5
ANDROID_NOTE: Final = (b"Android\0", 1)
"""Name and type of `.note.android.ident`; its first word is the API level."""


@dataclass(frozen=True, slots=True)
class Elf:
    """The facts of one ELF file.

    interpreter: the dynamic linker that the kernel starts, None in a static program. needed:
    the shared libraries it asks for. is_library: it has no entry point. load_align: the smallest
    alignment of its loaded segments, in bytes; a phone's page must not be larger. tls_align: that
    of its thread-local data, None without any. android_api: the API level it was built for, None
    when it does not say; programs of the Android NDK do.
    """

    machine: int
    bits: int
    interpreter: str | None
    needed: tuple[str, ...]
    is_library: bool
    load_align: int = 0
    tls_align: int | None = None
    android_api: int | None = None

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
    align: int


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


def elf_machine(data: bytes) -> tuple[int, int]:
    """Return machine and bits from the beginning of any ELF file, object files included.

    Raises:
        ValueError: it is none, or not little-endian.
    """
    bits = {1: 32, 2: 64}.get(data[4]) if len(data) >= 20 and data[:4] == b"\x7fELF" else None
    if bits is None or data[5] != 1:
        message = f"class and byte order are {data[4:6].hex(' ')}"
        raise ValueError(message)
    return struct.unpack_from("<H", data, 18)[0], bits


def _read(data: bytes) -> Elf:
    machine, bits = elf_machine(data)
    [kind] = struct.unpack_from("<H", data, 16)
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
        load_align=min((one.align for one in segments if one.kind == PT_LOAD), default=0),
        tls_align=next((one.align for one in segments if one.kind == PT_TLS), None),
        android_api=_android_api(data, segments),
    )


def _segments(data: bytes, bits: int) -> list[_Segment]:
    start_format, start_at, count_at = ("<Q", 32, 54) if bits == 64 else ("<I", 28, 42)
    [start] = struct.unpack_from(start_format, data, start_at)
    width, count = struct.unpack_from("<HH", data, count_at)
    segments = []
    for index in range(count):
        at = start + index * width
        if bits == 64:
            kind, _, *rest = struct.unpack_from("<IIQQQQQQ", data, at)
        else:
            kind, *rest = struct.unpack_from("<IIIIIIII", data, at)
            del rest[5]  # the flags, which stand first in 64 bits
        offset, address, _, size, _, align = rest
        segments.append(_Segment(kind, offset, address, size, align))
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


def _android_api(data: bytes, segments: list[_Segment]) -> int | None:
    for one in segments:
        if one.kind != PT_NOTE:
            continue
        at, end = one.offset, one.offset + one.size
        step = 8 if one.align == 8 else 4
        while at + 12 <= end:
            name_size, size, kind = struct.unpack_from("<III", data, at)
            name = data[at + 12 : at + 12 + name_size]
            content = at + 12 + _padded(name_size, step)
            if (name, kind) == ANDROID_NOTE and size >= 4:
                level: int = struct.unpack_from("<I", data, content)[0]
                return level
            at = content + _padded(size, step)
    return None


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for one in segments:
        if one.kind == PT_LOAD and one.address <= address < one.address + one.size:
            return address - one.address + one.offset
    message = f"no segment holds address {address:#x}"
    raise ValueError(message)


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode("utf-8", errors="replace")
