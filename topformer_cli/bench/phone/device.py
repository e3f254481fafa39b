"""A phone behind adb: commands, and files with verified hashes."""

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from topformer_cli.bench import adb
from topformer_cli.bench.adb import Link, Streams
from topformer_cli.bench.phone.facts import FACTS_SCRIPT, adb_versions, parse_facts, transport_of
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DeviceError
from topformer_cli.results import DeviceFacts

SHORT_S: Final = 20.0
"""How long a command that only asks something may take."""

SLOWEST_BYTES_PER_S: Final = 1_000_000
"""Slower than the worst USB 2 cable or Wi-Fi that is worth waiting for."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone that is connected and answers; `discover.choose_device` returns one."""

    link: Link

    @property
    def serial(self) -> str:
        """The name by which adb knows it."""
        return self.link.serial

    def shell(
        self, command: str, deadline_s: float | None = None, streams: Streams | None = None
    ) -> ShellResult:
        """Run a command with the phone's shell; `streams` holds what it has printed so far.

        Raises:
            adb.LinkLostError: the link broke or the deadline passed; a DeviceError.
        """
        limit = SHORT_S if deadline_s is None else deadline_s
        return adb.shell(self.link, command, limit, streams)

    def ask(self, command: str) -> str:
        """Return what a command printed.

        Raises:
            DeviceError: it failed; names command and reason.
        """
        done = self.shell(command)
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip().splitlines()
            detail = reason[0] if reason else f"exit code {done.returncode}"
            message = f"{self.serial}: `{command}` failed: {detail}"
            raise DeviceError(message)
        return done.stdout

    def state(self) -> str:
        """Return adb's word for the phone: `device`, `offline`, ..., or `absent`."""
        try:
            words = adb.listing(self.link).split()
        except DeviceError:
            return "absent"
        return words[1] if len(words) > 1 else "absent"

    def push(self, source: Path | bytes, remote: PurePosixPath, mode: int = 0o644) -> str:
        """Write a file on the phone, verify it there, and return its SHA-256.

        Raises:
            DeviceError: it does not fit, did not arrive in time, or arrived different.
        """
        content = source if isinstance(source, bytes) else source.read_bytes()
        expected = hashlib.sha256(content).hexdigest()
        deadline_s = SHORT_S + len(content) / SLOWEST_BYTES_PER_S
        adb.push(self.link, content, str(remote), mode, deadline_s)
        arrived = self.sha256(remote, deadline_s)
        if arrived != expected:
            message = (
                f"{remote.name} arrived changed on {self.serial}: SHA-256 {arrived[:12]} instead "
                f"of {expected[:12]}; try another cable or port"
            )
            raise DeviceError(message)
        return expected

    def pull(self, remote: PurePosixPath) -> bytes:
        """Return the content of a file on the phone."""
        return adb.pull(self.link, str(remote), SHORT_S + 120.0)

    def sha256(self, remote: PurePosixPath, deadline_s: float | None = None) -> str:
        """Return the hash of a file, computed on the phone where it has the tool."""
        done = self.shell(f"sha256sum {shlex.quote(str(remote))}", deadline_s)
        if done.returncode == 127:  # Android 7 has no sha256sum
            return hashlib.sha256(self.pull(remote)).hexdigest()
        words = done.stdout.split()
        if done.returncode != 0 or not words:
            message = f"{remote.name} cannot be checked on {self.serial}: {done.stderr.strip()}"
            raise DeviceError(message)
        return words[0]

    def free_bytes(self, folder: PurePosixPath) -> int | None:
        """Return the space left where a folder lies, None when the phone does not tell."""
        done = self.shell(f"df -k {shlex.quote(str(folder))}")
        return parse_df(done.stdout)

    def facts(self) -> DeviceFacts:
        """Return what the phone says about itself; None is what it does not tell."""
        told = self.shell(FACTS_SCRIPT, 2 * SHORT_S).stdout
        transport = transport_of(adb.listing(self.link))
        return parse_facts(self.serial, told, transport, adb_versions(self.link))


def parse_df(text: str) -> int | None:
    """Return the available bytes from the output of `df -k`."""
    match = re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%", text)
    return int(match[3]) * 1024 if match else None
