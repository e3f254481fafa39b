"""One measurement on a machine, from an empty folder there to no folder there.

    preflight -> put, hash there -> every lane once for its output
              -> rounds: every lane in turn, cooled before each -> layers -> remove

A round is one process of the runner. The lanes take turns within each round and the order rotates,
so that whatever drifts hits all of them alike. Whatever ends the measurement, the folder is
removed; when the machine is gone the message says which folder is left.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from numpy.typing import NDArray

from topformer_cli.bench.lane import Entrant, Lane
from topformer_cli.bench.machine.cooling import cool_down
from topformer_cli.bench.machine.cores import choose_core
from topformer_cli.bench.machine.preflight import preflight
from topformer_cli.bench.machine.sensors import hottest
from topformer_cli.bench.machine.watch import (
    Watch,
    slowed_by_times_alone,
    watching,
    why_throttled,
)
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.record import Setting, result_of
from topformer_cli.bench.station import Station
from topformer_cli.bench.statistics.summary import crowded, ratio
from topformer_cli.errors import MeasurementError, add_to
from topformer_cli.results import BenchResult, BenchSession, DeviceFacts, Ratio, Round

SUSTAINED_ROUND_S: Final = 10.0

Advance = Callable[[float, float, str], None]
"""Called with what is done, what there is in all (rounds or seconds), and what comes next."""


class Measurement:
    """Entrants on a station; `run` measures them, `session` tells what is known so far.

    left: what could not be removed or undone on the station at the end, in words.
    """

    def __init__(self, station: Station, entrants: Sequence[Entrant], protocol: Protocol) -> None:
        self.station = station
        self.entrants = entrants
        self.protocol = protocol
        self.facts = DeviceFacts(kind="phone", serial=station.name)
        self.lanes: list[Lane] = []
        self.notes: list[str] = []
        self.left: str | None = None
        self.start_celsius: float | None = None
        self.started = datetime.now().astimezone().isoformat(timespec="seconds")
        self.finished = False

    def run(self, advance: Advance | None = None) -> None:
        """Measure all entrants.

        Raises:
            DeviceError: the machine, a runner or a transfer failed.
            DataError: an artifact is not one that its runner reads.
            ParityError: an output differs from its reference.
            MeasurementError: a runner crashed, hung or lost its machine; `session` has the rounds
                that were complete.
        """
        with self._at_work():
            self._prove(advance)
            with watching(self.station, self.facts, self.lanes[0].core) as watch:
                self.start_celsius = hottest(self.station.read(watch.zone_paths))
                self._rounds(watch, advance)
            self._profile()
            self.finished = True

    def check(self) -> None:
        """Run every entrant once for its output, held against the reference, without timing it.

        Raises:
            TopformerError: the same as `run`.
        """
        with self._at_work():
            self._prove(None)

    @contextmanager
    def computing(self) -> Iterator[Callable[[NDArray[Any]], list[NDArray[Any]]]]:
        """Yield what computes the outputs of the first entrant for any inputs, inside the block.

        Raises:
            TopformerError: the same as `run`; the function, too.
        """
        with self._at_work():
            yield lambda inputs: self.lanes[0].compute(inputs, self.protocol.deadline_s)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Have everything in place on the station inside the block, and nothing after it."""
        self._look()
        try:
            self._bring()
            yield
        except BaseException as error:
            self.left = self._close()
            if self.left:
                add_to(error, self.left)
            raise
        self.left = self._close()
        if self.left:
            self.notes.append(self.left)

    def _close(self) -> str | None:
        try:
            return self.station.close()
        except (KeyboardInterrupt, SystemExit):  # a second one, in haste; a third ends it
            return self.station.close()

    def session(self) -> BenchSession:
        """Return the record of all rounds so far."""
        results = tuple(
            result_of(lane, self._judged(lane), self._setting(lane)) for lane in self.lanes
        )
        return BenchSession(results, tuple(_ratios(results)), self.finished)

    def _setting(self, lane: Lane) -> Setting:
        counted = self.protocol.sustained_s is None and len(lane.rounds) >= self.protocol.rounds
        whole = self.finished or counted
        return Setting(self.facts, self.protocol, self.started, tuple(self.notes), whole)

    def _look(self) -> None:
        """Check what can be checked before a byte is pushed."""
        self.facts = self.station.facts()
        folders: dict[tuple[object, ...], str] = {}
        for entrant in self.entrants:
            plan = entrant.plan
            plan.bound(entrant.runner.module.ENGINE)  # before anything, not after the pushing
            core = choose_core(self.facts.cpus, plan.core, plan.mask, plan.threads)
            # Precisions of one artifact share its files; an output lies there for one run only.
            same = (plan.artifact, id(plan.inputs), entrant.runner.module)
            folder = folders.setdefault(same, str(len(folders)))
            self.lanes.append(Lane(entrant, self.station, folder, core))
        self._require_fit()
        if remains := self.station.remains():
            self.notes.append(
                f"{len(remains)} folder(s) of other measurements on {self.station.name}; when none "
                "is under way, `topformer bench --clean` removes them"
            )

    def _require_fit(self) -> None:
        """Let a phone be refused for what its facts and the programs' headers tell."""
        if self.facts.kind != "phone":
            return
        runners = {entrant.runner.sha256: entrant.runner for entrant in self.entrants}.values()
        programs = [path for runner in runners for path in runner.files]
        payload = sum(path.stat().st_size for path in programs)
        payload += sum(lane.payload for lane in self._owners().values())
        output = max(lane.output_bytes for lane in self.lanes)
        free = self.station.free_bytes()
        self.notes += preflight(self.facts, 2 * payload + output, free)

    def _bring(self) -> None:
        self.station.open()
        put: set[str] = set()
        for entrant in self.entrants:
            for path in entrant.runner.files:
                if path.name not in put:
                    self.station.put(path, path.name, program=True)
                    put.add(path.name)
        owners = self._owners()
        for lane in owners.values():
            lane.put()
        for lane in self.lanes:
            lane.files = owners[lane.folder].files

    def _owners(self) -> dict[str, Lane]:
        """Return the lane that fills each folder: the first that works there."""
        return {lane.folder: lane for lane in reversed(self.lanes)}

    def _prove(self, advance: Advance | None) -> None:
        for lane in self.lanes:
            if advance:
                advance(0, self._total(), f"{lane.entrant.plan.name}: output")
            with self._told(lane, "before the rounds"):
                lane.prove(self.protocol)

    def _rounds(self, watch: Watch, advance: Advance | None) -> None:
        """Let the lanes run in turn until the rounds, or the time of a sustained run, are over."""
        began = time.monotonic()
        index = 0
        while not self._over(index, time.monotonic() - began):
            for lane in _turn(self.lanes, index):
                if advance:
                    done = index if self.protocol.sustained_s is None else time.monotonic() - began
                    advance(done, self._total(), lane.entrant.plan.name)
                with self._told(lane, f"round {index + 1}"):
                    lane.rounds.append(self._round(lane, watch, first=index == 0))
            index += 1
        if advance:
            advance(self._total(), self._total(), "")

    def _over(self, rounds: int, seconds: float) -> bool:
        if self.protocol.sustained_s is None:
            return rounds >= self.protocol.rounds
        return rounds > 0 and seconds >= self.protocol.sustained_s

    def _total(self) -> float:
        return self.protocol.sustained_s or self.protocol.rounds

    def _round(self, lane: Lane, watch: Watch, *, first: bool) -> Round:
        """Run one round, cooled before; a throttled one is repeated as often as is allowed."""
        attempts = self.protocol.retries
        measured = self._attempt(lane, watch, first=first, cool=not first or lane.set_aside != [])
        while measured.throttled and attempts > 0:
            lane.set_aside.append(measured)
            attempts -= 1
            measured = self._attempt(lane, watch, first=first, cool=True)
        return measured

    def _attempt(self, lane: Lane, watch: Watch, *, first: bool, cool: bool) -> Round:
        sustained = self.protocol.sustained_s is not None
        protocol = self.protocol
        if sustained:
            protocol = replace(protocol, round_s=max(protocol.round_s, SUSTAINED_ROUND_S))
        hot = cool and not sustained
        waited_s, cooled = self._cool(watch) if hot else (0.0, None)
        watch.take()  # what it read while nothing ran
        measured = lane.round(protocol, warm=first or not sustained)
        measured = replace(measured, waited_s=waited_s, cooled=cooled, readings=watch.take())
        loaded = crowded(measured) or self._loaded()
        why = why_throttled(measured, watch.cpu, self.station.thermal_status(), loaded=loaded)
        return replace(measured, throttled=why)

    def _loaded(self) -> bool:
        """Say whether other programs had the core in any round so far."""
        return any(crowded(one) for lane in self.lanes for one in lane.rounds)

    def _judged(self, lane: Lane) -> list[Round]:
        """Return a lane's rounds; a load that came later takes back what times alone had said."""
        if not self._loaded():
            return lane.rounds
        return [
            replace(one, throttled=None) if slowed_by_times_alone(one) else one
            for one in lane.rounds
        ]

    def _cool(self, watch: Watch) -> tuple[float, bool | None]:
        return cool_down(self.station, watch.zone_paths, self.start_celsius, self.protocol)

    def _profile(self) -> None:
        for lane in self.lanes:
            if lane.entrant.plan.per_layer:
                lane.profile(self.protocol)

    @contextmanager
    def _told(self, lane: Lane, when: str) -> Iterator[None]:
        """Say in which round of what a measurement broke, and what is kept."""
        try:
            yield
        except MeasurementError as error:
            kept = sum(len(one.rounds) for one in self.lanes)
            text = f"{lane.entrant.plan.name}, {when}: {error}"
            if kept:
                text += f"; {kept} complete before it"
            raise MeasurementError(text) from error


def _ratios(results: Sequence[BenchResult]) -> Iterator[Ratio]:
    """Yield how long each takes in units of the first."""
    for row, one in enumerate(results[1:], 1):
        found = ratio(one.label, results[0].label, one.rounds, results[0].rounds)
        if found is not None:
            yield replace(found, row=row)


def _turn(lanes: Sequence[Lane], index: int) -> list[Lane]:
    start = index % len(lanes)
    return [*lanes[start:], *lanes[:start]]
