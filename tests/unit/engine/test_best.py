"""Which evaluation's weights are kept as best."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.unit.engine.conftest import MakeJob, Watcher
from topformer_cli.engine.metrics import ConfusionMatrix
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.task import Progress
from topformer_cli.engine.tasks import TASKS
from topformer_cli.engine.train import train
from topformer_cli.errors import Stopped
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.results import EvalResult
from topformer_cli.rundir import new_run


class Even(SegmentationTask):
    """Every evaluation comes to the same."""

    def evaluate(
        self,
        network: nn.Module,
        split: str,
        weights: str,
        progress: Progress,
        world: World = ALONE,
    ) -> EvalResult:
        result = SegmentationTask.evaluate(self, network, split, weights, progress, world)
        counted = ConfusionMatrix(7)
        counted.add(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8))
        return replace(result, found=counted.scores())


def test_of_equals_the_latest_is_best_in_a_resumed_run_too(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path, "train", "even")
    monkeypatch.setitem(TASKS, "segmentation", Even)
    often = job("evaluation.every=2")
    stopped_at_3 = Watcher(lambda now: os.kill(os.getpid(), signal.SIGINT) if now == 3 else None)
    with pytest.raises(Stopped):
        train(often, run, stopped_at_3)
    assert stopped_at_3.evaluations == [(2, "best")]
    assert load_checkpoint(run.weights("best")).origin["step"] == 2
    watcher = Watcher()
    train(often, run, watcher, resume=True)
    assert watcher.evaluations == [(4, "as good"), (6, "as good")]
    assert load_checkpoint(run.weights("best")).origin["step"] == 6
    assert json.loads(run.result.read_text())["best_step"] == 6
