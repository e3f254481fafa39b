"""The loop: what a run leaves, stopping, resuming, and numbers that are not finite."""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.fakes.disk import files_end_at
from tests.unit.engine.conftest import MakeJob, Watcher, metrics
from topformer_cli.data.samples import Batch
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine import keeper
from topformer_cli.engine import train as module
from topformer_cli.engine.feed import Feed, FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.state import FORMAT, TrainState
from topformer_cli.engine.stepper import Stepper
from topformer_cli.engine.task import PartLoss
from topformer_cli.engine.tasks import TASKS, make_task
from topformer_cli.engine.train import start_state, train
from topformer_cli.errors import DataError, Stopped, TopformerError
from topformer_cli.models.checkpoint import build_from, load_checkpoint
from topformer_cli.rundir import RunDir, new_run


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_EVERY", 3)
    monkeypatch.setattr(keeper, "LEAST_STEPS", 4)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return new_run(tmp_path, "train", "short")


def begun(job: TrainJob) -> TrainState:
    return start_state(job, make_task(job.recipe, job.prepared, job.spec))


def weights(run: RunDir, which: str = "last") -> dict[str, Tensor]:
    return dict(load_checkpoint(run.weights(which)).weights)


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def signalled_at(step: int, number: int) -> Watcher:
    return Watcher(lambda now: os.kill(os.getpid(), number) if now == step else None)


def test_a_run_leaves_checkpoints_metrics_and_result(job: MakeJob, run: RunDir) -> None:
    watcher = Watcher()
    result = train(job(), run, watcher)
    assert watcher.steps == [0, *range(1, 7)]
    assert [record.step for record in watcher.records] == [3, 6]
    assert [step for step, _ in watcher.evaluations] == [4, 6]
    assert watcher.evaluations[0][1] == "best"
    assert [(one["kind"], one["step"]) for one in metrics(run)] == [
        ("step", 3), ("eval", 4), ("step", 6), ("eval", 6),
    ]  # fmt: skip
    assert watcher.pictures == {4: ["scene_0000", "scene_0001"], 6: ["scene_0000", "scene_0001"]}
    record = json.loads(run.result.read_text())
    assert record["last"]["miou"] == result.found.miou
    assert record["best"] >= result.found.miou
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


def test_every_record_tells_of_waiting_memory_and_the_time_left(job: MakeJob, run: RunDir) -> None:
    train(job(), run, Watcher())
    records = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    steps = [one for one in records if one["kind"] == "step"]
    assert all(0 <= one["wait_share"] <= 1 for one in steps)
    assert all(50 < one["memory_mb"] < 20_000 for one in steps)
    first, last = (one["eta_s"] for one in steps)
    # What is left at the last step is its evaluation.
    assert 0 < last < first + 60


SGD = ("optimizer.kind=sgd", "optimizer.momentum=0.9", "schedule.floor=0.01")


@pytest.mark.parametrize(
    ("step", "number", "code", "settings"),
    [(2, signal.SIGINT, 130, ()), (5, signal.SIGTERM, 143, ()), (3, signal.SIGINT, 130, SGD)],
    ids=["SIGINT", "SIGTERM", "SGD"],
)
def test_stopped_and_resumed_equals_uninterrupted(
    job: MakeJob, tmp_path: Path, step: int, number: int, code: int, settings: tuple[str, ...]
) -> None:
    whole, parts = (new_run(tmp_path, "train", name) for name in ("whole", "parts"))
    train(job(*settings), whole, Watcher())
    with pytest.raises(
        Stopped, match=rf"saved step {step} of 6 in .*--resume .*parts-001`"
    ) as stopped:
        train(job(*settings), parts, signalled_at(step, number))
    assert stopped.value.signal_exit_code == code
    assert not parts.finished
    torch.manual_seed(99)
    watcher = Watcher()
    train(job(*settings), parts, watcher, resume=True)
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


def test_a_signal_at_the_last_step_leaves_the_evaluation_to_the_resumed_run(
    job: MakeJob, run: RunDir
) -> None:
    with pytest.raises(Stopped, match="saved step 6 of 6"):
        train(job(), run, signalled_at(6, signal.SIGHUP))
    assert not run.finished
    watcher = Watcher()
    train(job(), run, watcher, resume=True)
    assert watcher.steps == [6]
    assert [step for step, _ in watcher.evaluations] == [6]
    assert run.finished


class Poisoned(SegmentationTask):
    """A loss, or only its gradient, that is not finite at some steps."""

    calls = 0
    bad_steps: frozenset[int] = frozenset()
    gradient_only = False

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> PartLoss:
        loss = SegmentationTask.loss(self, network, images, targets)
        step, Poisoned.calls = Poisoned.calls, Poisoned.calls + 1
        if step not in Poisoned.bad_steps:
            return loss
        if Poisoned.gradient_only:
            return loss._replace(loss=loss.loss + (network.head.classify.weight.sum() * 0).sqrt())
        return loss._replace(loss=loss.loss * float("nan"))


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
    started = {n: v.clone() for n, v in begun(job()).network.state_dict().items()}
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
    words = (
        r"not finite 3 times in a row, last at step 5 with the images .+, .+; "
        r"try -o amp=fp32 .*now 0.004"
    )
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
    words = r"parts-001.*File too large; the last saved state is whole.*--resume .*parts-001`"
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


def test_a_step_that_does_not_fit_is_told(
    job: MakeJob, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(_stepper: object, _parts: object) -> None:
        message = "CUDA out of memory"
        raise torch.OutOfMemoryError(message)

    monkeypatch.setattr(Stepper, "take", too_large)
    with pytest.raises(TopformerError, match=r"cpu has too little memory .* 2 images .*device_bat"):
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


@pytest.mark.parametrize("content", [[1, 2], {"network": {}, "format": FORMAT}, {"step": 3}, 5])
def test_state_of_something_else_is_told(job: MakeJob, run: RunDir, content: object) -> None:
    torch.save(content, run.state)
    with pytest.raises(DataError, match=r"state.pt belongs to another model"):
        train(job(), run, Watcher(), resume=True)


def test_state_of_another_size_is_told(job: MakeJob, run: RunDir) -> None:
    state = begun(job("model.fuse=full"))
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


def kill_loaders(now: int) -> None:
    if now == 2:
        for child in multiprocessing.active_children():
            child.kill()


def test_a_killed_loader_process_is_told_and_the_state_saved(job: MakeJob, run: RunDir) -> None:
    whole = job("schedule.iterations=20")
    with_loader = replace(whole, options=replace(whole.options, workers=1))
    words = (
        r"loader process( \d+)? was ended from outside.*fewer --workers \(now 1\); step (\d+) is "
        r"saved in .*--resume .*train/.*-001`"
    )
    with pytest.raises(TopformerError, match=words):
        train(with_loader, run, Watcher(kill_loaders))
    watcher = Watcher()
    train(whole, run, watcher, resume=True)
    assert watcher.steps[0] >= 2
    assert run.finished


def test_a_half_line_of_metrics_goes_when_a_run_goes_on(job: MakeJob, tmp_path: Path) -> None:
    whole, parts = (new_run(tmp_path, "train", name) for name in ("whole", "parts"))
    train(job(), whole, Watcher())
    with pytest.raises(Stopped):
        train(job(), parts, signalled_at(4, signal.SIGTERM))
    with parts.metrics.open("ab") as file:
        file.write(b'{"kind": "step", "step": 3, "lo\xff\x00')
    train(job(), parts, Watcher(), resume=True)
    assert metrics(whole) == metrics(parts)


class Noting(Watcher):
    """An observer that takes notes."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class HalfRead(SegmentationTask):
    """A set of which every other batch lacks an image."""

    def feed(self, options: FeedOptions) -> Feed:
        return Lacking(SegmentationTask.feed(self, options))


class Lacking:
    """A feed that says so."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.ids, self.on_device = feed.ids, feed.on_device

    def batches(self, start: int, stop: int) -> Iterator[Sequence[Batch]]:
        for step, parts in enumerate(self._feed.batches(start, stop), start):
            skipped = (f"odd-{step % 4}",) if step % 2 else ()
            yield tuple(part._replace(skipped=skipped) for part in parts)


def test_unreadable_images_are_told_once_and_counted(
    job: MakeJob, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "segmentation", HalfRead)
    first, second = Noting(), Noting()
    first.after_step = lambda now: os.kill(os.getpid(), signal.SIGINT) if now == 2 else None
    with pytest.raises(Stopped):
        train(job(), run, first)
    train(job(), run, second, resume=True)
    assert first.notes == ["little-scenes train: image odd-1 cannot be read; others take its place"]
    assert [text.split(";")[0] for text in second.notes] == [
        "little-scenes train: image odd-3 cannot be read",
        "2 images of little-scenes could not be read, and others took their place (result.json "
        "names them)",
    ]
    steps = [one for one in metrics(run) if one["kind"] == "step"]
    assert [one["corrupt"] for one in steps] == [1, 2]
    assert json.loads(run.result.read_text())["corrupt"] == ["odd-1", "odd-3"]


def test_a_run_folder_removed_in_the_middle_is_told(job: MakeJob, run: RunDir) -> None:
    watcher = Watcher(lambda now: shutil.rmtree(run.path) if now == 2 else None)
    with pytest.raises(TopformerError, match=r"short-001.*(start it again|start again)"):
        train(job(), run, watcher)
    assert not run.path.exists()
