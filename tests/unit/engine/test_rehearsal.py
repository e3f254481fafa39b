"""A training that is only tried: its memory, its speed, and where its time goes."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.engine.conftest import MakeJob
from topformer_cli.engine import memory, probe, profile
from topformer_cli.engine.rehearsal import Rehearsal
from topformer_cli.engine.step import unmeasured
from topformer_cli.results import MemoryNeed


def test_a_probe_finds_memory_and_speed(job: MakeJob) -> None:
    tried = job("schedule.iterations=9", "evaluation.every=4")
    need, speed, _ = probe.probe(tried)
    assert need.fits
    assert not need.short
    assert need.device_batch == 2
    # Gradients and both moments of 1.4 M parameters alone are 17 MB.
    assert 10e6 < need.peak < 2e9
    assert speed is not None
    assert 1 <= speed.steps <= probe.STEPS
    assert 0 <= speed.wait_share < 1
    assert speed.evaluations == 3
    assert speed.total_s == pytest.approx(9 * speed.step_s + 3 * speed.evaluation_s)


@pytest.mark.parametrize("decay", ["0.0", "0.9"])
def test_checkpoints_are_planned_as_large_as_they_become(
    job: MakeJob, tmp_path: Path, decay: str
) -> None:
    rehearsal = Rehearsal(job(f"ema={decay}"))
    planned = probe._checkpoint_bytes(rehearsal)
    rehearsal.take(next(iter(rehearsal.batches(1))))
    rehearsal.state.save(tmp_path / "state.pt")
    weights = sum(one.nbytes for one in rehearsal.state.measured.state_dict().values())
    written = 2 * (tmp_path / "state.pt").stat().st_size + 2 * weights
    assert planned == pytest.approx(written, rel=0.05)


def test_a_larger_crop_takes_more_memory(job: MakeJob) -> None:
    small, large = (probe.probe(job(f"augment.crop=[{side},{side}]"))[0].peak for side in (64, 256))
    assert large > 1.5 * small


def test_what_does_not_fit_is_halved_until_it_does(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = Rehearsal.take

    def with_room_for_two(rehearsal: Rehearsal, parts: object) -> None:
        taken.append(rehearsal.job.recipe.batch)
        if rehearsal.job.recipe.batch > 2:
            message = "CUDA out of memory"
            raise torch.OutOfMemoryError(message)
        take(rehearsal, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(Rehearsal, "take", with_room_for_two)
    need, speed, _ = probe.probe(job("batch=10"))
    assert taken == [10, 5, 2]
    assert (need.fits, need.device_batch, speed) == (False, 2, None)
    assert need.short


def test_other_errors_of_a_step_are_not_taken_for_a_lack_of_memory(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        message = "a kernel is broken"
        raise RuntimeError(message)

    monkeypatch.setattr(Rehearsal, "take", broken)
    with pytest.raises(RuntimeError, match="kernel is broken"):
        probe.probe(job())


def test_an_allocation_that_the_machine_refuses_is_a_lack_of_memory() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert probe._out_of_memory(refused.value)


def test_a_peak_is_seen_although_it_is_over() -> None:
    device = torch.device("cpu")
    before = memory.begin_peak(device)
    torch.ones(64 << 20, dtype=torch.uint8)
    assert 50e6 < memory.peak_bytes(device) - before < 200e6
    free = memory.free_bytes(device)
    assert free is None or free > 50e6


def test_short_is_what_leaves_next_to_nothing() -> None:
    need = MemoryNeed(device="cuda", peak=80, free=100, fits=True, device_batch=8)
    assert not need.short
    assert replace(need, peak=95).short
    assert replace(need, fits=False).short
    assert not replace(need, free=None).short


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "WARM_UP", 1)
    monkeypatch.setattr(profile, "TIMED", 3)
    monkeypatch.setattr(profile, "TRACED", 1)


@pytest.mark.usefixtures("brief")
def test_parts_of_a_step_add_up_and_a_trace_shows_them(job: MakeJob, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    trace = tmp_path / "new" / "trace.json.gz"
    found = profile.profile_steps(job(), trace, lambda *done: steps.append(done))
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5)]
    assert tuple(one.name for one in found.parts) == profile.PARTS
    assert sum(one.share for one in found.parts) == pytest.approx(1)
    assert sum(one.seconds for one in found.parts) == pytest.approx(found.step_s)
    assert all(one.seconds > 0 for one in found.parts)
    share = {one.name: one.share for one in found.parts}
    assert share["backward"] > share["loss"]
    assert len(found.operators) == profile.OPERATORS
    assert [one.seconds for one in found.operators] == sorted(
        (one.seconds for one in found.operators), reverse=True
    )
    assert any("convolution_backward" in one.name for one in found.operators)
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    assert set(profile.PARTS) - {"rest"} <= {one.get("name") for one in events}


def test_a_ledger_books_what_is_inside_on_the_inner_part() -> None:
    class Clock:
        now = 0.0

        def mark(self) -> float:
            return self.now

        def between(self, start: float, end: float) -> float:
            return end - start

    clock = Clock()
    ledger = profile.Ledger(clock)
    ledger.begin()
    clock.now = 1
    with ledger.span("loss"):
        clock.now = 3
        with ledger.span("forward"):
            clock.now = 7
        clock.now = 15
    clock.now = 31
    ledger.begin()
    found = {name: seconds for name, seconds in ledger.seconds().items() if seconds}
    assert found == {"rest": 1 + 16, "loss": 2 + 8, "forward": 4}


def test_measuring_changes_no_step(job: MakeJob) -> None:
    found = []
    for span in (profile.Ledger(profile._HostClock()).span, unmeasured):
        rehearsal = Rehearsal(job())
        with profile._spans(rehearsal, span):
            for parts in rehearsal.batches(2):
                rehearsal.take(parts)
        assert rehearsal.step.span is unmeasured
        found.append(rehearsal.state.network.state_dict())
    one, other = found
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
