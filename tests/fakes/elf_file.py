"""Whole ELF files with headers of any content, as no compiler at hand would write them."""

import struct
from dataclasses import dataclass

BIONIC = "/system/bin/linker64"
LOAD, DYNAMIC, INTERPRETER, NOTE, THREAD_DATA, NOTHING = 1, 2, 3, 4, 7, 0


@dataclass(frozen=True, kw_only=True)
class ElfFile:
    """Headers of a program; api: of an Android note, tls: alignment of thread-local data."""

    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    machine: int = 183
    bits: int = 64
    entry: int = 64
    align: int = 4096
    tls: int | None = None
    api: int | None = None
    content: bytes = b""

    def write(self) -> bytes:
        """Return the bytes of the file."""
        wide = self.bits == 64
        head, width = (64, 56) if wide else (52, 32)
        text = (self.interpreter or "").encode() + b"\0"
        names = b"\0" + b"".join(name.encode() + b"\0" for name in self.needed)
        note = struct.pack("<III", 8, 4, 1) + b"Android\0" + struct.pack("<I", self.api or 0)
        text_at = head + 5 * width
        names_at = text_at + len(text)
        note_at = names_at + len(names)
        table_at = note_at + len(note)
        tags = [(1, names.index(name.encode())) for name in self.needed] + [(5, names_at), (0, 0)]
        table = b"".join(struct.pack("<QQ" if wide else "<II", *tag) for tag in tags)
        total = table_at + len(table) + len(self.content)
        segments = b"".join(
            self._segment(*one)
            for one in (
                (LOAD, 0, total, self.align),
                (INTERPRETER if self.interpreter else NOTHING, text_at, len(text), 1),
                (DYNAMIC if self.needed else NOTHING, table_at, len(table), 8),
                (NOTE if self.api is not None else NOTHING, note_at, len(note), 4),
                (THREAD_DATA if self.tls is not None else NOTHING, 0, 0, self.tls or 0),
            )
        )
        identity = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
        numbers = (3, self.machine, 1, self.entry, head, 0, 0, head, width, 5, 0, 0, 0)
        layout = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
        header = identity + struct.pack(layout, *numbers)
        return header + segments + text + names + note + table + self.content

    def _segment(self, kind: int, offset: int, size: int, align: int) -> bytes:
        if self.bits == 64:
            return struct.pack("<IIQQQQQQ", kind, 5, offset, offset, offset, size, size, align)
        return struct.pack("<IIIIIIII", kind, offset, offset, offset, size, size, 5, align)
