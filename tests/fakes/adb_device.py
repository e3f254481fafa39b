"""The device end of the adb wire protocol, enough for the real adb server and no more.

A packet is 24 little-endian header bytes (command, arg0, arg1, length, sum of the bytes, command
with all bits flipped) and its data. A stream opens with OPEN, each WRTE waits for its OKAY, CLSE
ends it. Source: AOSP adb, docs/dev/{adb_protocol,services}.md. Neither TLS nor a key is needed:
answering CNXN is enough. sendrecv_v2 and delayed_ack are not announced, so that the server keeps
to the simple paths. What runs behind the streams is in adb_services.py.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.fakes.adb_services import serve_shell, serve_sync
from tests.fakes.device_root import DeviceRoot

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little")
    for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION = 0x01000001
MAX_DATA = 256 * 1024
AUTH_TOKEN, AUTH_PUBLIC_KEY = 1, 3
IDENTITY = "device::ro.product.name=standin;ro.product.model=STANDIN;ro.product.device=standin;"
FEATURES = ("shell_v2", "cmd", "stat_v2", "ls_v2", "fixed_push_mkdir")


@dataclass
class Faults:
    """What goes wrong, and where; sizes are bytes the host has pushed, in all.

    The shell faults hit only commands that contain `in_command`: a run of the runner.
    """

    auth: bool = False  # nobody taps "Allow"
    silent: bool = False  # accepts the connection and never answers
    no_shell_v2: bool = False
    drop_push_after: int | None = None
    stall_push_after: int | None = None
    full_after: int | None = None
    corrupt_push: bool = False
    in_command: str = "Cpus_allowed_list"
    skip_runs: int = 0  # so many runs are left alone first
    drop_run: bool = False  # the link goes after the first output, and stays gone
    during_run: Callable[["FakeDevice"], None] | None = None  # called after the first output
    lose_exit: bool = False  # the stream closes without the exit code
    garbage: bool = False  # bytes that are no text, instead of the output
    answer_delay_s: float = 0.0

    def features(self) -> tuple[str, ...]:
        return tuple(one for one in FEATURES if not (one == "shell_v2" and self.no_shell_v2))

    def hits(self, command: str) -> bool:
        """Whether this command is the run that the shell faults are meant for."""
        if self.in_command not in command:
            return False
        self.skip_runs -= 1
        return self.skip_runs < 0


@dataclass
class FakeDevice:
    """A phone that listens on a TCP port; `served` starts and ends it."""

    root: DeviceRoot
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listen()
        self._connections: list[Connection] = []
        self._threads: list[threading.Thread] = []

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections.append(Connection(self, link))
                self.start(self._connections[-1].run)

    def start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def vanish(self) -> None:
        """Cut the link for good, as an unplugged cable does."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.cut()

    def come_back(self) -> None:
        """Be there again at the same address, as a cable that is plugged in anew."""
        self._listen()
        self.start(self.serve)

    def reboot(self, away_s: float = 0.2) -> None:
        """Vanish, and come back after a new boot."""
        self.vanish()
        self.root.kill_all()
        self.root.boot()
        time.sleep(away_s)
        self.come_back()

    def stop(self) -> None:
        self.vanish()
        self.root.kill_all()
        for thread in self._threads:
            thread.join(timeout=10)


@contextmanager
def served(device: FakeDevice) -> Iterator[FakeDevice]:
    device.start(device.serve)
    try:
        yield device
    finally:
        device.stop()


class Connection:
    """One transport: the packets of all its streams."""

    def __init__(self, device: FakeDevice, link: socket.socket) -> None:
        self.device = device
        self.faults = device.faults
        self.pushed = 0
        self._link = link
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._opened = 0

    def run(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                header = struct.unpack("<6I", self._receive(24))
                command, arg0, arg1, length = header[:4]
                self._handle(command, arg0, arg1, self._receive(length))
        for stream in list(self._streams.values()):
            stream.hang_up()
        self._link.close()

    def send(self, command: int, arg0: int, arg1: int, data: bytes = b"") -> None:
        checks = (len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF)
        with self._sending:
            self._link.sendall(struct.pack("<6I", command, arg0, arg1, *checks) + data)

    def cut(self) -> None:
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)

    def forget(self, stream: "Stream") -> None:
        self._streams.pop(stream.local, None)

    def _handle(self, command: int, arg0: int, arg1: int, data: bytes) -> None:
        stream = self._streams.get(arg1)
        if command in (CNXN, AUTH):
            self._greet(command, arg0)
        elif command == OPEN:
            self._opened += 1
            opened = Stream(self, self._opened, arg0, data.rstrip(b"\0").decode())
            self._streams[opened.local] = opened
            self.device.start(opened.run)
        elif command == WRTE and stream is not None:
            stream.feed(data)
            self.send(OKAY, arg1, arg0)
        elif command == OKAY and stream is not None:
            stream.acknowledged.release()
        elif command == CLSE and stream is not None:
            stream.hang_up()

    def _greet(self, command: int, kind: int) -> None:
        if self.faults.silent or (command == AUTH and kind == AUTH_PUBLIC_KEY):
            return
        if self.faults.auth:
            self.send(AUTH, AUTH_TOKEN, 0, os.urandom(20))
            return
        identity = f"{IDENTITY}features={','.join(self.faults.features())}"
        self.send(CNXN, VERSION, MAX_DATA, identity.encode())

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._link.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Stream:
    """One service on a connection, as bytes in and bytes out."""

    def __init__(self, connection: Connection, local: int, remote: int, service: str) -> None:
        self.connection = connection
        self.device = connection.device
        self.local = local
        self.service = service
        self.acknowledged = threading.Semaphore(0)
        self.closed = threading.Event()
        self._remote = remote
        self._received = bytearray()
        self._arrived = threading.Condition()

    def run(self) -> None:
        with suppress(EOFError, OSError):
            kind, _, argument = self.service.partition(":")
            serve = {"shell": serve_shell, "sync": serve_sync}.get(kind.partition(",")[0])
            if serve is None:
                self.connection.send(CLSE, 0, self._remote)
                return
            self.connection.send(OKAY, self.local, self._remote)
            serve(self, argument)
            self.connection.send(CLSE, self.local, self._remote)
        self.connection.forget(self)

    def read(self, size: int) -> bytes:
        with self._arrived:
            while len(self._received) < size:
                if self.closed.is_set():
                    raise EOFError
                self._arrived.wait()
            data = bytes(self._received[:size])
            del self._received[:size]
            return data

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA):
            if self.closed.is_set():
                raise EOFError
            part = data[start : start + MAX_DATA]
            self.connection.send(WRTE, self.local, self._remote, part)
            self.acknowledged.acquire()

    def feed(self, data: bytes) -> None:
        with self._arrived:
            self._received += data
            self._arrived.notify_all()

    def hang_up(self) -> None:
        self.closed.set()
        with self._arrived:
            self._arrived.notify_all()
        self.acknowledged.release()
