"""Which weights stay on the disk, and what a full or missing disk does to them."""

from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.fakes.disk import files_end_at
from tests.unit.engine.conftest import MakeJob, Watcher
from topformer_cli.engine import keeper as module
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.keeper import Keeper
from topformer_cli.engine.processes.world import ALONE
from topformer_cli.engine.state import TrainState
from topformer_cli.engine.tasks import make_task
from topformer_cli.engine.train import start_state, train
from topformer_cli.errors import TopformerError
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import RunDir, new_run


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return new_run(tmp_path, "train", "kept")


def begun(job: TrainJob, keep: int = 0) -> TrainState:
    state = start_state(job, make_task(job.recipe, job.prepared, job.spec))
    state.keep = keep
    return state


def names(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.state.parent.iterdir())


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, [6]), (2, [4, 6]), (9, [2, 4, 6])])
def test_the_weights_of_the_last_evaluations_stay(
    job: MakeJob, run: RunDir, keep: int, kept: list[int]
) -> None:
    made = job("evaluation.every=2", "ema=0.9")
    state = begun(made, keep)
    state.save(run.state, ALONE)
    keeper = Keeper(run, made.spec, {}, ALONE)
    for step in (2, 4, 6):
        state.step = step
        keeper.evaluated(state, best=step == 4)
        keeper.save(state)
    assert names(run) == sorted(
        ["best.safetensors", "last.safetensors", "state.pt"]
        + [f"step-{step:06d}.safetensors" for step in kept]
    )
    assert load_checkpoint(run.weights("best")).origin["step"] == 4
    for step in kept:
        assert load_checkpoint(run.weights(RunDir.kept_name(step))).origin["step"] == step


def test_how_many_stay_is_remembered_and_old_ones_are_left_alone(job: MakeJob, run: RunDir) -> None:
    made = job()
    begun(made, 3).save(run.state, ALONE)
    other = begun(made)
    other.load(run.state, ALONE)
    assert other.keep == 3
    old = run.weights(RunDir.kept_name(1))
    old.write_bytes(b"kept by hand")
    other.keep = 0
    Keeper(run, made.spec, {}, ALONE).evaluated(other, best=False)
    assert old.is_file()


def test_everything_kept_is_plain_tensors(job: MakeJob, run: RunDir) -> None:
    made = job("ema=0.9")
    state = begun(made, 1)
    state.save(run.state, ALONE)
    keeper = Keeper(run, made.spec, {}, ALONE)
    keeper.evaluated(state, best=True)
    keeper.save(state)
    assert (
        torch.load(run.state, weights_only=True)["average"].keys()
        == load_file(run.weights("last")).keys()
    )
    for path in run.kept():
        assert all(value.isfinite().all() for value in load_file(path).values())


@pytest.mark.parametrize("size", [100_000, 8_000_000], ids=["kept weights", "state"])
def test_a_full_disk_leaves_what_was_there(job: MakeJob, run: RunDir, size: int) -> None:
    made = job("ema=0.9")
    state = begun(made, 1)
    keeper = Keeper(run, made.spec, {}, ALONE)
    state.save(run.state, ALONE)
    keeper.save(state)
    before = {path.name: path.read_bytes() for path in run.state.parent.iterdir()}
    state.step = 4
    write = keeper.save if size > 1_000_000 else partial(keeper.evaluated, best=False)
    with files_end_at(size), pytest.raises(OSError, match="File too large"):
        write(state)
    assert {path.name: path.read_bytes() for path in run.state.parent.iterdir()} == before


def test_what_a_killed_process_left_half_written_goes(job: MakeJob, run: RunDir) -> None:
    for path in (run.state.parent / ".state.pt-ab12cd", run.path / ".metrics.jsonl-ab12cd"):
        path.write_bytes(b"half")
    train(job("schedule.iterations=1"), run, Watcher())
    hidden = [path.name for folder in (run.path, run.state.parent) for path in folder.glob(".*")]
    assert hidden == []


def test_a_removed_folder_is_not_made_again(job: MakeJob, run: RunDir) -> None:
    made = job()
    state = begun(made)
    with pytest.raises(TopformerError, match=r"kept-001 was removed .* at step 0; start it again"):
        Keeper(run, made.spec, {}, ALONE).save(state)
    assert not list(run.state.parent.iterdir())


def test_saving_takes_a_hundredth_of_the_time_at_most(
    job: MakeJob, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 100.0, 102.0, 300.0, 303.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    made = job()
    keeper = Keeper(run, made.spec, {}, ALONE)
    state = begun(made)
    state.save(run.state, ALONE)
    state.step = 10
    keeper.save(state)  # from 100 to 102: 2 s
    assert not keeper.due(210)  # at 300, after 198 s
    assert keeper.due(210)  # at 303, after 201 s
