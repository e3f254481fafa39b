"""A session that can be given away: what was measured on which kind of phone, not on whose.

Fields are listed here one by one, so that a new field of the record is not shared by accident.
Of texts, names that point at a phone or person are replaced, inside sentences, too. The terms of
the data behind a model stay with it.
"""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from topformer_cli.results import (
    Battery,
    BenchResult,
    BenchSession,
    CoreUse,
    CpuFacts,
    DeviceFacts,
    LayerTime,
    Ratio,
    Round,
    RunnerFacts,
    Summary,
    ThermalZone,
    Verdict,
)
from topformer_cli.results.timeline import starts

SHARED_SCHEMA: Final = 1
SHARED_KIND: Final = "topformer shared bench"
SCHEMA_FILE: Final = Path(__file__).with_name("shared-record.schema.json")
LEAST_LETTERS: Final = 3
"""Shorter words stand in too many others to be replaced."""

_STRICT: Final = {"extra": "forbid"}
_VOCABULARY: Final = frozenset(
    {*get_args(Verdict), "inferences", "round medians", "round means", "timed", "process"}
    | {"host", "phone", "usb", "tcp", SHARED_KIND}
)
"""The record's own words, which stay even where a machine is called so."""
_FREE: Final = frozenset({"card", "files", "protocol", "parity", "engine_facts"})
"""Fields whose keys are not the record's own."""
_PLACE: Final = re.compile(
    r"(?P<url>https?://[^\s'\"]+)"
    r"|(?P<path>(?<![\w/.~])~?/[^\s'\"/:;,]+(?:/[^\s'\"/:;,]*)+"
    r"|\bfile://\S+"
    r"|\b[A-Za-z]:[\\/][^'\":;,\n]+|\\\\[^\s\\]+\\[^'\";,\n]+)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)"
)


@dataclass(frozen=True, slots=True)
class SharedDevice:
    """The kind of machine; which one of them it was is not told."""

    kind: Literal["host", "phone"]
    manufacturer: str | None = None
    model: str | None = None
    device: str | None = None
    board: str | None = None
    soc: str | None = None
    release: str | None = None
    sdk: int | None = None
    abis: tuple[str, ...] = ()
    machine: str | None = None
    kernel: str | None = None
    virtual: bool = False
    page_bytes: int | None = None
    cpus: tuple[CpuFacts, ...] = ()
    zones: tuple[ThermalZone, ...] = ()
    thermal_status: int | None = None
    battery: Battery | None = None
    awake: bool | None = None
    transport: Literal["usb", "tcp"] | None = None
    adb: str | None = None

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class SharedResult:
    """One latency; fields are those of a bench record. date: the day, without the hour."""

    model: str
    card: Mapping[str, Any]
    files: Mapping[str, str]
    engine: str
    engine_version: str
    runner: RunnerFacts
    device: SharedDevice
    precision: str
    threads: int
    core: CoreUse
    input_shape: tuple[int, ...]
    output: str
    covers: str
    protocol: Mapping[str, Any]
    rounds: tuple[Round, ...]
    summary: Summary | None
    verdict: Verdict
    parity: Mapping[str, float] | None
    date: str
    accelerator: str
    context: str
    emulated: bool
    reasons: tuple[str, ...] = ()
    set_aside: tuple[Round, ...] = ()
    layers: tuple[LayerTime, ...] = ()
    engine_facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class SharedSession:
    """What `--share` writes; shared-record.schema.json describes it."""

    results: tuple[SharedResult, ...]
    ratios: tuple[Ratio, ...] = ()
    finished: bool = True
    kind: Literal["topformer shared bench"] = SHARED_KIND
    schema: Literal[1] = SHARED_SCHEMA

    __pydantic_config__ = _STRICT


def shared_record(session: BenchSession, private: Sequence[str] = ()) -> dict[str, Any]:
    """Return the plain record of a session that names no phone, person, place or hour.

    private: further words that must not appear, such as folders of the artifacts.
    """
    words = _private_words(session, private)
    results = [_shared(result) for result in session.results]
    record = asdict(SharedSession(tuple(results), session.ratios, session.finished))
    scrubbed: dict[str, Any] = _Scrubber(words).value(record)
    return scrubbed


def schema() -> dict[str, Any]:
    """Return the JSON schema of the shared record, as its types define it."""
    from pydantic import TypeAdapter

    made = TypeAdapter(SharedSession).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def schema_text() -> str:
    """Return the content of shared-record.schema.json."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


def _shared(result: BenchResult) -> SharedResult:
    own = _same_fields(result, SharedResult)
    return SharedResult(
        **{
            **own,
            "device": SharedDevice(**_same_fields(result.device, SharedDevice)),
            "rounds": _without_hours(result.rounds),
            "set_aside": _without_hours(result.set_aside),
            "date": result.started[:10],
        }
    )


def _same_fields(record: object, shared: type[Any]) -> dict[str, Any]:
    names = [one.name for one in fields(shared) if hasattr(record, one.name)]
    return {name: getattr(record, name) for name in names}


def _without_hours(rounds: Sequence[Round]) -> tuple[Round, ...]:
    """Count time from the first inference: time since boot tells when the phone was started."""
    origin = next((one.started_s for one in rounds if one.started_s is not None), 0.0)
    return tuple(
        replace(
            one,
            started_s=start,
            readings=tuple(replace(seen, at_s=seen.at_s - origin) for seen in one.readings),
        )
        for one, start in zip(rounds, starts(rounds), strict=True)
    )


def _private_words(session: BenchSession, private: Sequence[str]) -> dict[str, str]:
    """Return each private word with what stands for it; paths that hold others come first."""
    words = dict.fromkeys(private, "<private>")
    words |= {str(Path.home()): "<home>", platform.node(): "<host>"}
    for result in session.results:
        words |= _names(result.device)
    return {
        word: words[word]
        for word in sorted(words, key=len, reverse=True)
        if len(word) >= LEAST_LETTERS
    }


def _names(device: DeviceFacts) -> dict[str, str]:
    named = {"serial": device.serial, "fingerprint": device.fingerprint, "boot": device.boot_id}
    return {word: f"<{name}>" for name, word in named.items() if word}


class _Scrubber:
    """Replaces private words, paths and addresses in every text of a plain record."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = {word.casefold(): name for word, name in words.items()}
        either = "|".join(re.escape(word) for word in words)
        self.pattern = re.compile(either, re.IGNORECASE) if words else None

    def value(self, value: Any, *, free: bool = False) -> Any:  # noqa: ANN401 - plain JSON
        """Return the value without private words; free says that its keys may hold some, too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                (self.text(str(key)) if free else key): self.value(one, free=free or key in _FREE)
                for key, one in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(one, free=free) for one in value]
        return value

    def text(self, text: str) -> str:
        """Return a text without private words, paths and addresses."""
        if text in _VOCABULARY:
            return text
        if self.pattern:
            text = self.pattern.sub(self._named, text)
        return _PLACE.sub(_placed, text)

    def _named(self, match: re.Match[str]) -> str:
        return self.words.get(match[0].casefold(), "<private>")


def _placed(match: re.Match[str]) -> str:
    if match["url"]:
        return match["url"]
    return "<path>" if match["path"] else "<address>"
