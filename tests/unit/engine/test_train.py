"""The loop: what a run leaves, stopping, resuming, and numbers that are not finite."""

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.fakes.disk import files_end_at
from tests.unit.engine.conftest import MakeJob, Watcher
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import train as module
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.tasks import TASKS
from topformer_cli.engine.train import TrainJob, start_state, train
from topformer_cli.errors import DataError, Stopped, TopformerError
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.rundir import RunDir, new_run


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_EVERY", 3)
    monkeypatch.setattr(module, "SAVE_EVERY", 4)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return new_run(tmp_path, "train", "short")


def weights(run: RunDir, which: str = "last") -> dict[str, Tensor]:
    return dict(load_checkpoint(run.weights(which)).weights)


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def metrics(run: RunDir) -> list[dict[str, Any]]:
    """The records, without what a clock says."""
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    return [{k: v for k, v in one.items() if k != "images_per_s"} for one in records]


def signalled_at(step: int, number: int) -> Watcher:
    return Watcher(lambda now: os.kill(os.getpid(), number) if now == step else None)


def test_a_run_leaves_checkpoints_metrics_and_result(job: MakeJob, run: RunDir) -> None:
    watcher = Watcher()
    result = train(job(), run, watcher)
    assert watcher.steps == [0, *range(1, 7)]
    assert [record.step for record in watcher.records] == [3, 6]
    assert [step for step, _ in watcher.evaluations] == [4, 6]
    assert watcher.evaluations[0][1]
    assert [(one["kind"], one["step"]) for one in metrics(run)] == [
        ("step", 3), ("eval", 4), ("step", 6), ("eval", 6),
    ]  # fmt: skip
    record = json.loads(run.result.read_text())
    assert record["last"]["miou"] == result.miou
    assert record["best"] >= result.miou
    checkpoint = load_checkpoint(run.weights("last"))
    assert (checkpoint.origin["step"], checkpoint.origin["from"]) == (6, "scratch")
    assert build_from(checkpoint, "last").training
    assert run.weights("best").is_file()
    assert run.finished


def test_first_rate_is_the_warmups_and_losses_are_finite(job: MakeJob, run: RunDir) -> None:
    watcher = Watcher()
    train(job("schedule.iterations=3"), run, watcher)
    (record,) = watcher.records
    assert 0 < record.loss < 10
    assert record.lr == pytest.approx(4e-3 * (1 - 2 / 3))
    assert record.skipped == 0


@pytest.mark.parametrize(
    ("step", "number", "code"),
    [(2, signal.SIGINT, 130), (5, signal.SIGTERM, 143)],
    ids=["SIGINT", "SIGTERM"],
)
def test_stopped_and_resumed_equals_uninterrupted(
    job: MakeJob, tmp_path: Path, step: int, number: int, code: int
) -> None:
    whole, parts = (new_run(tmp_path, "train", name) for name in ("whole", "parts"))
    train(job(), whole, Watcher())
    with pytest.raises(Stopped, match=rf"saved step {step} of 6 in .*--resume auto") as stopped:
        train(job(), parts, signalled_at(step, number))
    assert stopped.value.signal_exit_code == code
    assert not parts.finished
    torch.manual_seed(99)
    watcher = Watcher()
    train(job(), parts, watcher, resume=True)
    assert watcher.steps == list(range(step, 7))
    assert_same(weights(whole), weights(parts))
    assert_same(weights(whole, "best"), weights(parts, "best"))
    assert metrics(whole) == metrics(parts)
    assert whole.result.read_text() == parts.result.read_text()


def test_signals_act_as_before_once_training_is_over(job: MakeJob, run: RunDir) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped):
        train(job(), run, signalled_at(1, signal.SIGTERM))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_at_the_last_step_finishes(job: MakeJob, run: RunDir) -> None:
    train(job(), run, signalled_at(6, signal.SIGINT))
    assert run.finished


class Poisoned(SegmentationTask):
    """A loss, or only its gradient, that is not finite at some steps."""

    calls = 0
    bad_steps: frozenset[int] = frozenset()
    gradient_only = False

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        value = SegmentationTask.loss(self, network, images, targets)
        step, Poisoned.calls = Poisoned.calls, Poisoned.calls + 1
        if step not in Poisoned.bad_steps:
            return value
        if Poisoned.gradient_only:
            return value + (network.head.classify.weight.sum() * 0).sqrt()
        return value * float("nan")


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> type[Poisoned]:
    monkeypatch.setattr(Poisoned, "calls", 0)
    monkeypatch.setitem(TASKS, "segmentation", Poisoned)
    return Poisoned


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_bad_batch_changes_neither_weights_nor_statistics(
    job: MakeJob,
    run: RunDir,
    poisoned: type[Poisoned],
    monkeypatch: pytest.MonkeyPatch,
    gradient_only: bool,
) -> None:
    monkeypatch.setattr(poisoned, "gradient_only", gradient_only)
    monkeypatch.setattr(poisoned, "bad_steps", frozenset({0, 1, 2}))
    started = {n: v.clone() for n, v in start_state(job()).network.state_dict().items()}
    with pytest.raises(Stopped):
        train(job(), run, signalled_at(3, signal.SIGINT))
    assert_same(started, weights(run))
    assert [(one["loss"], one["skipped"]) for one in metrics(run)] == [(0.0, 3)]


def test_one_bad_batch_does_not_end_the_run(
    job: MakeJob, run: RunDir, poisoned: type[Poisoned], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poisoned, "bad_steps", frozenset({1}))
    train(job(), run, Watcher())
    steps = [one for one in metrics(run) if one["kind"] == "step"]
    assert [one["skipped"] for one in steps] == [1, 0]
    assert all(value.isfinite().all() for value in weights(run).values())


def test_nothing_but_bad_batches_ends_with_the_state_saved(
    job: MakeJob, run: RunDir, poisoned: type[Poisoned], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SKIPPED", 3)
    monkeypatch.setattr(poisoned, "bad_steps", frozenset(range(2, 100)))
    words = r"not finite 3 times in a row, last at step 4; try -o amp=fp32 .*now 0.004"
    with pytest.raises(TopformerError, match=words):
        train(job(), run, Watcher())
    assert all(value.isfinite().all() for value in weights(run).values())
    assert run.state.is_file()


def full_after(step: int, size: int) -> Watcher:
    """From a step on, the disk takes no file larger than this."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    return Watcher(
        lambda now: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard)) if now == step else None
    )


def test_a_full_disk_is_told_and_the_last_state_resumes(job: MakeJob, tmp_path: Path) -> None:
    whole, parts = (new_run(tmp_path, "train", name) for name in ("whole", "parts"))
    train(job(), whole, Watcher())
    words = r"parts-001.*File too large; the last saved state is whole.*--resume auto"
    with files_end_at(1 << 40), pytest.raises(TopformerError, match=words):
        train(job(), parts, full_after(5, 100_000))
    assert [path.name for path in parts.state.parent.glob(".*")] == []
    train(job(), parts, Watcher(), resume=True)
    assert_same(weights(whole), weights(parts))
    assert metrics(whole) == metrics(parts)


def test_a_run_folder_that_is_gone_is_told(job: MakeJob, run: RunDir) -> None:
    (run.path / "checkpoints").rmdir()
    (run.path / "checkpoints").write_text("in the way")
    with pytest.raises(TopformerError, match=r"checkpoints: (File exists|Not a directory); "):
        train(job(), run, Watcher())


def stopped_run(job: TrainJob, run: RunDir) -> RunDir:
    with pytest.raises(Stopped):
        train(job, run, signalled_at(1, signal.SIGINT))
    return run


@pytest.mark.parametrize("kept", [0, 1, 1000, 2_000_000])
def test_damaged_state_is_told(job: MakeJob, run: RunDir, kept: int) -> None:
    stopped_run(job(), run)
    run.state.write_bytes(run.state.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"state.pt is damaged; start again from .*--weights"):
        train(job(), run, Watcher(), resume=True)


@pytest.mark.parametrize("content", [[1, 2], {"network": {}}, {"step": 3}, 5])
def test_state_of_something_else_is_told(job: MakeJob, run: RunDir, content: object) -> None:
    torch.save(content, run.state)
    with pytest.raises(DataError, match=r"state.pt belongs to another model"):
        train(job(), run, Watcher(), resume=True)


def test_state_of_another_size_is_told(job: MakeJob, run: RunDir) -> None:
    state = start_state(job("model.fuse=full"))
    state.save(run.state)
    with pytest.raises(DataError, match=r"state.pt belongs to another model"):
        train(job(), run, Watcher(), resume=True)


def test_missing_state_is_told(job: MakeJob, run: RunDir) -> None:
    with pytest.raises(DataError, match=r"no training state .*cannot be resumed"):
        train(job(), run, Watcher(), resume=True)


def test_a_run_on_other_data_is_not_resumed(job: MakeJob, run: RunDir) -> None:
    stopped_run(job(), run)
    card = job().prepared.card
    other = PreparedSet(job().prepared.path, card.model_copy(update={"fingerprint": "0" * 64}))
    words = rf"run on other data: .* {card.fingerprint[:16]}, the prepared one has 0000"
    with pytest.raises(DataError, match=words):
        train(replace(job(), prepared=other), run, Watcher(), resume=True)
    train(job(), run, Watcher(), resume=True)
