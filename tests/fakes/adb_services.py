"""The two services behind a fake device's streams: the shell and the file transfer.

Commands run in the host's /bin/sh with the device's folders rewritten into its root.
Source: AOSP adb, shell_protocol.h and docs/dev/sync.md.
"""

import os
import signal
import struct
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.adb_device import Stream

STDOUT, STDERR, EXIT = 1, 2, 3
GARBAGE = b"\xff\xfe\x00\x1b[31m\x9d"


def serve_shell(stream: "Stream", command: str) -> None:
    """Run a command and send its output; `shell,v2` in frames, `shell` as it is."""
    faults, root = stream.device.faults, stream.device.root
    stream.device.commands.append(command)
    framed = ",v2" in stream.service.partition(":")[0]
    hit = faults.hits(command)
    time.sleep(faults.answer_delay_s)
    process = subprocess.Popen(
        ["/bin/sh", "-c", root.rewrite(command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if framed else subprocess.STDOUT,
        env=root.environment(),
        cwd=root.path,
        start_new_session=True,
    )
    with process:
        watcher = threading.Thread(target=_end_with_stream, args=(stream, process), daemon=True)
        watcher.start()
        _copy_output(stream, process, framed, hit)
        code = process.wait()
        if framed and not (hit and faults.lose_exit):
            code = 128 - code if code < 0 else code
            stream.write(frame(EXIT, bytes([code & 0xFF])))
    stream.closed.set()
    watcher.join()


def frame(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data


def _copy_output(
    stream: "Stream", process: "subprocess.Popen[bytes]", framed: bool, hit: bool
) -> None:
    copies = [threading.Thread(target=_copy, args=(stream, process.stdout, STDOUT, framed, hit))]
    if process.stderr is not None:
        copies.append(
            threading.Thread(target=_copy, args=(stream, process.stderr, STDERR, framed, hit))
        )
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()


def _copy(stream: "Stream", pipe: IO[bytes], kind: int, framed: bool, hit: bool) -> None:
    faults, device = stream.device.faults, stream.device
    with suppress(EOFError, OSError):
        while data := os.read(pipe.fileno(), 32768):
            if hit and faults.garbage:
                data = GARBAGE
            stream.write(frame(kind, data) if framed else data)
            if hit and faults.drop_run:
                device.vanish()
            if hit and faults.during_run:
                happen, faults.during_run = faults.during_run, None
                happen(device)


def _end_with_stream(stream: "Stream", process: "subprocess.Popen[bytes]") -> None:
    """Hang up the command when its stream closes; adbd tells only the process that it started."""
    stream.closed.wait()
    if process.poll() is None:
        process.send_signal(signal.SIGHUP)


def serve_sync(stream: "Stream", _argument: str) -> None:
    """Answer STAT, LST2, STA2, SEND, RECV and LIST until QUIT."""
    while True:
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"QUIT":
            return
        path = stream.read(length).decode()
        if name in (b"STAT", b"STA2", b"LST2"):
            _stat(stream, name, stream.device.root.host_path(path))
        elif name == b"SEND":
            _send(stream, path)
        elif name == b"RECV":
            _receive(stream, stream.device.root.host_path(path))
        elif name == b"LIST":
            _list(stream, stream.device.root.host_path(path))
        else:
            _fail(stream, f"unknown request {name!r}")
            return


def _stat(stream: "Stream", name: bytes, path: Path) -> None:
    try:
        facts, error = path.stat(), 0
    except OSError as missing:
        facts, error = os.stat_result((0,) * 10), missing.errno or 2
    if name == b"STAT":
        answer = (facts.st_mode, facts.st_size, int(facts.st_mtime))
        stream.write(name + struct.pack("<3I", *answer))
        return
    owner = (facts.st_nlink, 2000, 2000)
    times = (int(facts.st_atime), int(facts.st_mtime), int(facts.st_ctime))
    numbers = (error, facts.st_dev, facts.st_ino, facts.st_mode, *owner, facts.st_size, *times)
    stream.write(name + struct.pack("<IQQIIIIQqqq", *numbers))


def _send(stream: "Stream", target: str) -> None:
    """Take a file: DATA blocks until DONE, then OKAY or FAIL with the reason."""
    name, mode = target.rsplit(",", 1)
    path, faults = stream.device.root.host_path(name), stream.device.faults
    content, full = bytearray(), False
    while True:
        kind, length = struct.unpack("<4sI", stream.read(8))
        if kind == b"DONE":
            break
        content += stream.read(length)
        stream.connection.pushed += length
        pushed = stream.connection.pushed
        if faults.drop_push_after is not None and pushed > faults.drop_push_after:
            stream.device.vanish()
        if faults.stall_push_after is not None and pushed > faults.stall_push_after:
            stream.closed.wait()
        full = full or (faults.full_after is not None and pushed > faults.full_after)
    if full:
        path.unlink(missing_ok=True)
        _fail(stream, "write failed: No space left on device")
        return
    if faults.corrupt_push and content:
        content[len(content) // 2] ^= 1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(int(mode) & 0o777)
    except OSError as error:
        _fail(stream, f"couldn't create file: {error.strerror}")
        return
    stream.write(b"OKAY" + struct.pack("<I", 0))


def _receive(stream: "Stream", path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        _fail(stream, f"open failed: {error.strerror}")
        return
    for start in range(0, len(content), 65536):
        part = content[start : start + 65536]
        stream.write(b"DATA" + struct.pack("<I", len(part)) + part)
    stream.write(b"DONE" + struct.pack("<I", 0))


def _list(stream: "Stream", path: Path) -> None:
    for entry in sorted(path.iterdir()) if path.is_dir() else []:
        facts, name = entry.stat(), entry.name.encode()
        numbers = (facts.st_mode, facts.st_size, int(facts.st_mtime), len(name))
        stream.write(b"DENT" + struct.pack("<4I", *numbers) + name)
    stream.write(b"DONE" + struct.pack("<4I", 0, 0, 0, 0))


def _fail(stream: "Stream", reason: str) -> None:
    stream.write(b"FAIL" + struct.pack("<I", len(reason)) + reason.encode())
