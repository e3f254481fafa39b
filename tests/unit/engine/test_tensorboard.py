"""Curves written for TensorBoard are the records of the run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.engine.examples import Example
from topformer_cli.engine.observer import Standing
from topformer_cli.results import EvalResult, LabelScores, Result, StepRecord

pytest.importorskip("tensorboard")


class Recorder:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, step: int, total: int) -> None:
        self.told.append(f"started {step}/{total}")

    def stepped(self, step: int) -> None:
        self.told.append(f"stepped {step}")

    def logged(self, record: StepRecord) -> None:
        self.told.append(f"logged {record.step}")

    def evaluating(self, done: int, total: int) -> None:
        self.told.append(f"evaluating {done}/{total}")

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        self.told.append(f"evaluated {step} {result.headline.value} {standing}")

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        self.told.append(f"pictured {step} {len(examples)}")

    def note(self, text: str) -> None:
        self.told.append(text)


def test_curves_hold_the_records_and_everything_is_passed_on(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from topformer_cli.engine.tensorboard import TensorBoardObserver

    result = EvalResult(
        model="TopFormer-tiny", weights="w", dataset="d", split="val", images=1, protocol="p",
        classes=("a",),
        found=LabelScores(61.5, 61.5, 90.0, 80.0, iou=(61.5,), accuracy=(80.0,)),
    )  # fmt: skip
    inner = Recorder()
    observer = TensorBoardObserver(tmp_path, inner)
    observer.started(0, 2)
    observer.stepped(1)
    observer.add_recipe("batch: 2\nseed: 0\n")
    record = StepRecord(20, 0.5, 1e-3, 12.0, 0, wait_share=0.25, memory_mb=512.0, eta_s=60.0)
    observer.logged(record)
    observer.evaluating(1, 1)
    observer.evaluated(20, result, "best")
    observer.pictured(20, ())
    observer.add_picture(20, np.full((4, 6, 3), 200, np.uint8))
    observer.note("done")
    assert inner.told == [
        "started 0/2", "stepped 1", "logged 20", "evaluating 1/1", "evaluated 20 61.5 best",
        "pictured 20 0", "done",
    ]  # fmt: skip
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(20, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("val/miou")] == [(20, 61.5)]
    for name, value in (("wait_share", 0.25), ("memory_mb", 512.0), ("eta_s", 60.0)):
        assert [(e.step, e.value) for e in events.Scalars(f"train/{name}")] == [(20, value)]
    (picture,) = events.Images("val/examples")
    assert (picture.step, picture.width, picture.height) == (20, 6, 4)
    (text,) = events.Tensors("recipe/text_summary")
    assert text.tensor_proto.string_val[0] == b"    batch: 2\n    seed: 0"


def test_a_record_of_an_older_run_has_fewer_curves(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from topformer_cli.engine.tensorboard import TensorBoardObserver

    observer = TensorBoardObserver(tmp_path, Recorder())
    observer.logged(StepRecord(20, 0.5, 1e-3, 12.0, 0))
    observer.writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "train/loss", "train/lr", "train/images_per_s", "train/skipped"
    }  # fmt: skip
