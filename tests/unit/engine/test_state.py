"""What is saved is all that a run needs: stopped anywhere, it ends the same, bit for bit."""

import functools
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.unit.engine.conftest import Watcher, make_job, metrics, same_weights
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import keeper
from topformer_cli.engine import train as module
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.state import FORMAT
from topformer_cli.engine.tasks import make_task
from topformer_cli.engine.train import start_state, train
from topformer_cli.errors import DataError, Stopped
from topformer_cli.rundir import RunDir, new_run

CASES = {
    "average": ("ema=0.9",),
    "bf16": ("amp=bf16", "ema=0.9"),
    "fp16": ("amp=fp16",),
    "parts": ("device_batch=1", "ema=0.9"),
}


class Stop(NamedTuple):
    """A signal after a step, or in the evaluation after it."""

    step: int
    in_evaluation: bool


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_EVERY", 3)
    monkeypatch.setattr(keeper, "LEAST_STEPS", 2)


class Stopping(Watcher):
    """Sends a signal at a place."""

    stop = Stop(0, in_evaluation=False)

    def stepped(self, step: int) -> None:
        super().stepped(step)
        if self.stop == (step, False):
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluating(self, done: int, total: int) -> None:
        super().evaluating(done, total)
        if self.stop == (self.steps[-1], True):
            os.kill(os.getpid(), signal.SIGTERM)


def trained(job: TrainJob, run: RunDir, stops: list[Stop]) -> RunDir:
    """Train to the end, with stops on the way."""
    for stop in stops:
        watcher = Stopping()
        watcher.stop = stop
        with pytest.raises(Stopped):
            train(job, run, watcher, resume=run.state.is_file())
    train(job, run, Watcher(), resume=run.state.is_file())
    return run


@pytest.fixture(scope="module")
def whole(prepared: PreparedSet, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Return the undisturbed run of a case."""

    @functools.cache
    def undisturbed(case: str) -> RunDir:
        run = new_run(tmp_path_factory.mktemp("whole"), "train", case)
        return trained(make_job(prepared, *CASES[case]), run, [])

    return undisturbed


EVALUATED = (4, 6)
STOPS = st.lists(
    st.one_of(
        st.builds(Stop, st.integers(1, 5), st.just(False)),
        st.builds(Stop, st.sampled_from(EVALUATED), st.just(True)),
    ),
    min_size=1, max_size=2, unique_by=lambda stop: stop.step,
).map(sorted)  # fmt: skip


@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@example("average", [Stop(6, in_evaluation=True)])
@given(case=st.sampled_from(sorted(CASES)), stops=STOPS)
def test_a_run_stopped_anywhere_ends_the_same(
    prepared: PreparedSet,
    whole: "functools._lru_cache_wrapper[RunDir]",
    tmp_path_factory: pytest.TempPathFactory,
    case: str,
    stops: list[Stop],
) -> None:
    run = new_run(tmp_path_factory.mktemp("parts"), "train", case)
    trained(make_job(prepared, *CASES[case]), run, stops)
    assert_same_run(whole(case), run)


def assert_same_run(one: RunDir, other: RunDir) -> None:
    for which in ("last", "best"):
        assert same_weights(one.weights(which), other.weights(which)) == []
    assert metrics(one) == metrics(other)
    assert one.result.read_text() == other.result.read_text()
    first, second = (torch.load(run.state, weights_only=True) for run in (one, other))
    assert first.keys() == second.keys()
    for name in ("step", "evaluated", "best", "best_step", "counts", "scaler"):
        assert first[name] == second[name], name
    assert len(first["rng"]) == len(second["rng"]) == 1
    assert torch.equal(first["rng"][0]["host"], second["rng"][0]["host"])


def test_loader_processes_change_nothing(
    prepared: PreparedSet, whole: "functools._lru_cache_wrapper[RunDir]", tmp_path: Path
) -> None:
    job = make_job(prepared, *CASES["average"])
    job = replace(job, options=replace(job.options, workers=2))
    run = new_run(tmp_path, "train", "workers")
    trained(job, run, [Stop(3, in_evaluation=False), Stop(4, in_evaluation=True)])
    assert_same_run(whole("average"), run)


def test_a_state_is_plain_tensors_and_numbers(
    prepared: PreparedSet, whole: "functools._lru_cache_wrapper[RunDir]"
) -> None:
    content = torch.load(whole("fp16").state, weights_only=True)
    assert content["format"] == FORMAT
    assert content["scaler"]["scale"] < 2.0**17
    job = make_job(prepared, *CASES["fp16"])
    state = start_state(job, make_task(job.recipe, prepared, job.spec))
    state.load(whole("fp16").state)
    assert (state.step, state.evaluated) == (6, 6)


@pytest.mark.parametrize("written", [None, 1, FORMAT + 1])
def test_a_state_of_another_version_is_told(
    prepared: PreparedSet, tmp_path: Path, written: int | None
) -> None:
    run = new_run(tmp_path, "train", "old")
    job = make_job(prepared)
    start_state(job, make_task(job.recipe, prepared, job.spec)).save(run.state)
    content = torch.load(run.state, weights_only=True)
    del content["format"]
    torch.save(content if written is None else {**content, "format": written}, run.state)
    words = (
        rf"state.pt was written by another version of topformer \(format {written or 1}, this one "
        rf"reads {FORMAT}\); .*--weights"
    )
    with pytest.raises(DataError, match=words):
        train(job, run, Watcher(), resume=True)
