"""The lines that our own runners print, one JSON object for each event.

Spoken by bench/native/topformer_runner.cpp on phones and by the host runner. An event of an
unknown name, and a line that is no JSON object, says nothing here: the kernel's words on the
process and an engine's log come in between.
"""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from topformer_cli.bench.formats.words import plain, shown
from topformer_cli.bench.machine.residency import residency
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import MeasurementError
from topformer_cli.results import Round

Event = Mapping[str, Any]

LONGEST_MS: Final = 3_600_000.0
"""Nothing that is measured here takes an hour."""

SLACK_NS: Final = 10_000_000
"""The moments and the durations of a run come from two clocks."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One timed inference, in ns."""

    at: int
    conversion: int
    forward: int

    @property
    def total(self) -> int:
        return self.conversion + self.forward


def parse_round(done: ShellResult, call: Call) -> Round:
    """Return what one process measured.

    Raises:
        MeasurementError: it told an error, ended early, counted wrongly, or its times are none.
    """
    events = _events(done.stdout)
    _require_whole(events, done)
    runs = [_run(one) for one in _named(events, "run")]
    counted = _last(events, "done").get("iterations")
    if counted != len(runs) or len(runs) < max(1, call.iterations):
        message = (
            f"the runner counted {counted} inferences and told {len(runs)}; "
            f"{call.iterations} were asked for"
        )
        raise MeasurementError(message)
    _require_order(runs)
    lasted = (runs[-1].at + runs[-1].total - runs[0].at) / 1e9
    if lasted < 0.99 * call.seconds - SLACK_NS / 1e9:
        message = f"the runner ran {lasted:.2f} s, {call.seconds:g} s were asked for"
        raise MeasurementError(message)
    warm = _last(events, "warm").get("iterations", 0)
    if not _whole(warm) or warm < call.warmup:
        message = f"the runner warmed up with {warm} inferences, {call.warmup} were asked for"
        raise MeasurementError(message)
    return _round(runs, events)


def parse_partial(stdout: str) -> Round | None:
    """Return the inferences that a process told before it was stopped, None when there is none."""
    runs: list[_Run] = []
    for line in stdout.splitlines():
        try:
            event = _event(line)
            if event is not None and event["event"] == "run":
                runs.append(_run(event))
        except MeasurementError:
            break  # the line that was being written
    return _round(runs, ()) if runs else None


def tells(done: ShellResult) -> dict[str, Any]:
    """Return what the runner says of itself: `origin`, `notes` and whatever it adds."""
    events = _events(done.stdout)
    about = {
        name: value
        for name, value in _last(events, "start").items()
        if name not in ("event", "pid", "allowed", "runner", "engine")
    }
    if notes := [str(one.get("text", "")) for one in _named(events, "note")]:
        about["notes"] = notes
    return about


def profile_text(done: ShellResult) -> str:
    """Return the table of an engine's own profiler, empty where there is none."""
    return str(_last(_events(done.stdout), "profile").get("text", ""))


def _events(stdout: str) -> list[Event]:
    return [event for line in stdout.splitlines() if (event := _event(line)) is not None]


def _event(line: str) -> Event | None:
    """Return the event of a line, None when the line is something else's.

    Raises:
        MeasurementError: it begins like an event and is none.
    """
    line = line.strip()
    if not line.startswith('{"event"'):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = f"the runner printed a damaged line: {plain(line)[:200]}"
        raise MeasurementError(message) from error
    if not isinstance(event["event"], str):
        message = f"the runner printed an event without a name: {plain(line)[:200]}"
        raise MeasurementError(message)
    return dict(event)


def _named(events: Sequence[Event], name: str) -> list[Event]:
    return [one for one in events if one["event"] == name]


def _last(events: Sequence[Event], name: str) -> Event:
    return (_named(events, name) or [{}])[-1]


def _require_whole(events: Sequence[Event], done: ShellResult) -> None:
    if errors := _named(events, "error"):
        message = f"the runner failed: {plain(str(errors[0].get('what', 'unknown')))}"
        raise MeasurementError(message)
    names = [one["event"] for one in events]
    if names[:1] != ["start"] or names.count("start") != 1:
        message = f"the runner did not begin as one; it printed: {shown(done)}"
        raise MeasurementError(message)
    if names[-1] != "done" or names.count("done") != 1:
        message = f"the runner ended before it was done; it printed: {shown(done)}"
        raise MeasurementError(message)
    if done.returncode != 0:
        message = f"the runner was done, then ended with code {done.returncode}: {shown(done)}"
        raise MeasurementError(message)


def _run(event: Event) -> _Run:
    fields = [event.get(name) for name in ("at_ns", "in_ns", "forward_ns", "out_ns")]
    at, *parts = [value for value in fields if _whole(value)] or [0]
    if len(parts) != 3 or not 0 < sum(parts) < LONGEST_MS * 1e6:
        message = f"the runner told times that are none: {plain(json.dumps(event))[:200]}"
        raise MeasurementError(message)
    return _Run(at, parts[0] + parts[2], parts[1])


def _require_order(runs: Sequence[_Run]) -> None:
    for number, (one, following) in enumerate(itertools.pairwise(runs), 1):
        if one.at + one.total > following.at + SLACK_NS:
            message = (
                f"inference {number} began at {one.at} ns and took {one.total} ns, but the next "
                f"began at {following.at} ns"
            )
            raise MeasurementError(message)


def _round(runs: Sequence[_Run], events: Sequence[Event]) -> Round:
    samples = tuple(one.total / 1e6 for one in runs)
    texts = [str(one.get("text", "")) for one in _named(events, "residency")]
    peak = _last(events, "done").get("peak_kb")
    waited = _last(events, "crowded").get("waited_ns")
    lasted = runs[-1].at + runs[-1].total - runs[0].at
    return Round(
        iterations=len(samples),
        min_ms=min(samples),
        max_ms=max(samples),
        mean_ms=statistics.fmean(samples),
        samples_ms=samples,
        median_ms=statistics.median(samples),
        forward_ms=tuple(one.forward / 1e6 for one in runs),
        load_ms=_told_ms(events, "loaded"),
        first_ms=_told_ms(events, "first"),
        peak_kb=peak if _whole(peak) and peak > 0 else None,
        started_s=runs[0].at / 1e9,
        residency=residency(texts[0], texts[1], "timed") if len(texts) == 2 else None,
        crowded=min(waited / lasted, 1.0) if _whole(waited) and lasted > 0 else None,
    )


def _told_ms(events: Sequence[Event], name: str) -> float | None:
    found = _last(events, name)
    return _ms(found, name) if found else None


def _ms(event: Event, name: str) -> float:
    value = event.get("ms")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LONGEST_MS:
        message = f"the runner told a time that is none: {name} {plain(str(value))[:80]} ms"
        raise MeasurementError(message)
    return float(value)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
