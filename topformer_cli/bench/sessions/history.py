"""What was measured before: one line of JSON for each result, only ever appended to.

A writer that is killed may leave half a line; the next one ends it, and readers skip it and say so.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import filelock

from topformer_cli.errors import DataError, MeasurementError
from topformer_cli.results import BenchResult, BenchSession, DeviceFacts, Summary, Verdict

SCHEMA: Final = 1
_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be the same for two latencies to be comparable; the order is that of messages.

    core: the mask, or what was asked where nothing was pinned. figure: what the number is taken
    of. runner: kind of program, which decides what lies inside the timed region.
    """

    device: str
    engine: str
    precision: str
    accelerator: str
    threads: int
    core: str
    input: str
    output: str
    runner: str
    figure: str
    context: str
    emulated: bool

    def differences(self, other: "Conditions") -> tuple[str, ...]:
        """Name what differs, as `precision fp32 -> auto`."""
        mine, theirs = asdict(self), asdict(other)
        return tuple(
            f"{name} {mine[name]} -> {theirs[name]}" for name in mine if mine[name] != theirs[name]
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One latency of the past.

    device_id: hash of model and serial, which tells equal phones apart without naming them.
    changed: what may change between two comparable latencies, as versions and files' hashes do.
    path: the whole record, None when it was not kept. time: ISO 8601, when it began.
    """

    model: str
    conditions: Conditions
    device_id: str
    summary: Summary
    verdict: Verdict
    time: str
    engine_version: str = ""
    runner_sha256: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    schema: int = SCHEMA

    @property
    def stable(self) -> bool:
        """Whether it may count as a regression or be the measure of one."""
        return self.verdict == "stable" and not self.conditions.emulated

    def like(self, other: "Entry") -> bool:
        """Say whether the two are of one model under the same conditions on one device."""
        mine = (self.model, self.device_id, self.conditions)
        return mine == (other.model, other.device_id, other.conditions)

    @classmethod
    def of(cls, result: BenchResult, path: Path | None = None) -> Self | None:
        """Return the entry of a result, None when no round was completed."""
        if result.summary is None:
            return None
        return cls(
            model=result.model,
            conditions=_conditions(result, result.summary),
            device_id=device_id(result.device),
            summary=result.summary,
            verdict=result.verdict,
            time=result.started,
            engine_version=result.engine_version,
            runner_sha256=result.runner.sha256,
            files=dict(result.files),
            path=None if path is None else str(path),
        )


def _conditions(result: BenchResult, summary: Summary) -> Conditions:
    return Conditions(
        device=result.device.name,
        engine=result.engine,
        precision=result.precision,
        accelerator=result.accelerator,
        threads=result.threads,
        core=result.core.mask or result.core.asked,
        input="x".join(str(side) for side in result.input_shape),
        output=result.output,
        runner=result.runner.kind,
        figure=f"median of {summary.of}",
        context=result.context,
        emulated=result.emulated,
    )


def device_id(device: DeviceFacts) -> str:
    """Return a short hash of model and serial (of processor and system, for a host)."""
    words = (device.kind, device.manufacturer, device.model, device.device, device.serial)
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def entries_of(session: BenchSession, path: Path | None = None) -> list[Entry]:
    """Return the entries of a session's results that have a latency."""
    found = (Entry.of(result, path) for result in session.results)
    return [entry for entry in found if entry is not None]


@dataclass(frozen=True, slots=True)
class Past:
    """The entries of a store, oldest first, and what could not be read of it."""

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()

    def last_like(self, entry: Entry) -> Entry | None:
        """Return the last earlier entry of the same kind: the last stable one, if any is."""
        like = [one for one in self.entries if one.like(entry) and one.time != entry.time]
        return next((one for one in reversed(like) if one.stable), like[-1] if like else None)


@dataclass(frozen=True, slots=True)
class History:
    """The store in a file, which need not exist yet."""

    path: Path

    def append(self, entries: Iterable[Entry]) -> None:
        """Add entries at the end, all of them or, if the machine stops, the first ones.

        Raises:
            MeasurementError: the file cannot be written, or another command holds it.
        """
        text = "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
        if not text:
            return
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(lock, timeout=_WAIT_S), self.path.open("ab+") as file:
                if file.tell() and not _ends_a_line(file.fileno()):
                    text = "\n" + text
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except filelock.Timeout as error:
            message = f"{self.path} is in use by another command; try again when it has ended"
            raise MeasurementError(message) from error
        except OSError as error:
            message = f"cannot append to {self.path}: {error.strerror or error}"
            raise MeasurementError(message) from error

    def read(self) -> Past:
        """Return the past; lines that are torn, damaged or of another schema are told.

        Raises:
            DataError: the file is there and cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return Past(())
        except OSError as error:
            message = f"cannot read {self.path}: {error.strerror or error}"
            raise DataError(message) from error
        entries, problems = [], []
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            read = _parse(line)
            if isinstance(read, Entry):
                entries.append(read)
            else:
                problems.append(f"{self.path}, line {number} was left out: {read}")
        return Past(tuple(entries), tuple(problems))


def _ends_a_line(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _parse(line: bytes) -> Entry | str:
    """Return the entry of a line, or why there is none."""
    from pydantic import TypeAdapter, ValidationError

    try:
        record: Any = json.loads(line)
    except ValueError:
        return "it is cut off or damaged"
    found = record.get("schema") if isinstance(record, dict) else None
    if found != SCHEMA:
        return f"it has schema {found!r}, this version reads {SCHEMA}"
    try:
        return TypeAdapter(Entry).validate_python(record)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
