"""What a training does besides its steps: who may train a run, and what is written into it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.engine.conftest import make_job, prepare_scenes
from topformer_cli.api.ledgers import begin_ledger, read_ledger
from topformer_cli.api.training import TrainPlan, best_before, run_training
from topformer_cli.errors import UsageError
from topformer_cli.rundir import atomic_write, new_run, only_here


def test_a_run_is_trained_by_one_process(tmp_path: Path) -> None:
    job = make_job(prepare_scenes(tmp_path))
    ledger = begin_ledger(job, job.recipe, job.recipe.name)
    plan = TrainPlan(replace(job, ledger=ledger), new_run(tmp_path, "train", "short"), resume=False)
    atomic_write(plan.run.job, "another job\n")
    words = rf"short-001 is being trained by process {os.getpid()} on .*`kill {os.getpid()}`"
    with only_here(plan.run), pytest.raises(UsageError, match=words):
        run_training(plan)
    assert plan.run.job.read_text() == "another job\n"
    assert not plan.run.ledger.exists()
    result = run_training(plan)
    assert plan.run.finished
    assert read_ledger(plan.run) == ledger
    record = json.loads(plan.run.result.read_text())
    assert record["best"] >= result.headline.value
    for best, said in ((result.headline.value, None), (99.5, "best: mIoU 99.50 at step 4, whose")):
        atomic_write(plan.run.result, json.dumps(record | {"best": best, "best_step": 4}))
        told = best_before(plan.run, result)
        assert told is said is None or (said and told and told.startswith(said))
