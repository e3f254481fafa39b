"""A real adb server for tests: the one bundled with adbutils, on a port and home of its own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import pytest

STARTS_WITHIN_S = 20.0


@contextmanager
def real_adb_server(home: Path) -> Iterator[int]:
    """Run the server and point adbutils at it; yield its port.

    Skips the test where adbutils brings no adb for this machine.
    """
    with as_file(files("adbutils.binaries") / "adb") as adb, pytest.MonkeyPatch.context() as patch:
        if not adb.is_file():
            pytest.skip("this wheel of adbutils brings no adb (only Linux x86_64 has one)")
        port = free_port()
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        patch.setenv("ADBUTILS_ADB_PATH", str(adb))
        patch.setenv("HOME", str(home))
        patch.setenv("ADB_MDNS", "0")
        patch.setenv("ADB_MDNS_OPENSCREEN", "0")
        patch.delenv("ANDROID_SERIAL", raising=False)
        command = [str(adb), "-P", str(port), "nodaemon", "server"]
        with (home / "adb.log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            try:
                _wait_for(port, server)
                yield port
            finally:
                server.kill()
                server.wait()


def free_port() -> int:
    """Return a free port; the kernel's own choice lies outside adb's emulator range 5555-5585."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"the adb server did not start on port {port}")
