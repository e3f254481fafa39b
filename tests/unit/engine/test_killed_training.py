"""kill -9 at any moment leaves a run that goes on, to the same end."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.fakes.killed_training import CASES
from tests.unit.engine.conftest import Watcher, make_job, prepare_scenes
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.train import train
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.rundir import RunDir

ROOT = Path(__file__).resolve().parents[3]
REACHED = {"after-step-1": 0, "after-step-5": 4, "in-first-write": 0, "in-later-write": 2}
"""The step that was saved, by case."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreparedSet]:
    """A folder with one killed run a case."""
    folder = tmp_path_factory.mktemp("killed")
    prepared = prepare_scenes(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.killed_training", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [word for name in CASES for word in (name, "9")], done.stderr
    return folder, prepared


@pytest.fixture(scope="module")
def whole(killed: tuple[Path, PreparedSet]) -> RunDir:
    folder, prepared = killed
    run = RunDir(folder / "whole")
    run.path.mkdir()
    train(make_job(prepared), run, Watcher())
    return run


@pytest.mark.parametrize("case", CASES)
def test_killed_run_goes_on(killed: tuple[Path, PreparedSet], whole: RunDir, case: str) -> None:
    folder, prepared = killed
    run = RunDir(folder / "runs" / "train" / f"{case}-001")
    assert not run.finished
    for which in ("last", "best"):
        if run.weights(which).exists():
            load_checkpoint(run.weights(which))
    watcher = Watcher()
    train(make_job(prepared), run, watcher, resume=True)
    assert watcher.steps[0] == REACHED[case]
    expected, found = (load_checkpoint(one.weights("last")).weights for one in (whole, run))
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    assert run.result.read_text() == whole.result.read_text()
