"""`topformer demo`, the whole road with fewer scenes and steps."""

import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topformer_cli import cli
from topformer_cli.api import demo, demo_set
from topformer_cli.bench.protocol import Protocol
from topformer_cli.data.store import prepared_names
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.results import BenchSession
from topformer_cli.rundir import open_run

SMALL = functools.partial(
    demo.DemoSettings,
    train_scenes=16,
    val_scenes=4,
    scene_hw=(96, 128),
    overrides=(
        "schedule.iterations=8",
        "schedule.warmup=1",
        "evaluation.every=4",
        "evaluation.scale=[384, 96]",
        "augment.scale=[384, 96]",
        "augment.crop=[64, 64]",
        "batch=4",
    ),
    repetitions=Protocol(warmup=1, warmup_s=0, rounds=2, iterations=3, round_s=0.05),
    examples=2,
)


@dataclass(frozen=True)
class Ran:
    code: int
    stdout: str
    stderr: str
    folder: Path
    latest: Path

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.stdout)
        return record


def _demo(folder: Path, *words: str) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    places = ["--work-dir", str(folder / "runs"), "--cache-dir", str(folder / "cache")]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(["demo", *places, *words])
    latest = (folder / "runs" / "demo" / "latest").resolve()
    return Ran(code, out.getvalue(), err.getvalue(), folder, latest)


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "DemoSettings", SMALL)
        yield


@pytest.fixture(scope="module")
def first(small: None, tmp_path_factory: pytest.TempPathFactory) -> Ran:  # noqa: ARG001
    return _demo(tmp_path_factory.mktemp("demo"), "--json", "--seed", "3")


def test_too_low_a_miou_is_said_and_ends_with_7(first: Ran) -> None:
    assert first.code == 7
    assert first.record["good_enough"] is False
    assert first.record["evaluation"]["miou"] < 60
    assert "is below 60" in first.stderr
    assert "is below 60" in Path(first.record["page"]).read_text()


def test_every_stage_is_shown_with_its_time(first: Ran) -> None:
    for number, title in enumerate(demo.STAGES, 1):
        assert f"{number}/7 {title}" in first.stderr
    assert [stage["title"] for stage in first.record["stages"]] == list(demo.STAGES[:-1])
    assert "16 + 4 of 128x96 (0:0" in first.stderr


def test_the_run_is_one_like_any_other(first: Ran) -> None:
    run = open_run(Path(first.record["run"]))
    assert first.latest == run.path
    assert run.finished
    assert run.weights("best").is_file()
    assert "seed: 3" in run.recipe.read_text()
    assert "7/7 draw and report" in run.log.read_text()
    assert not (first.folder / "runs" / "train").exists()


def test_the_numbers_are_those_of_the_records(first: Ran) -> None:
    run = open_run(Path(first.record["run"]))
    page = Path(first.record["page"]).read_text()
    evaluation = json.loads((run.path / "eval-scenes-val.json").read_text())
    [path] = run.path.glob("bench/*-001/result.json")
    [latency] = BenchSession.from_json(json.loads(path.read_text())).results
    [manifest] = run.exports.glob("*.json")
    artifact = load_artifact(manifest)
    assert first.record["evaluation"] == evaluation
    assert first.record["bench"] == json.loads(json.dumps(asdict(latency)))
    assert first.record["export"] == artifact.manifest.model_dump(mode="json")
    assert artifact.formats == ("onnx", "tnn")
    assert f"{evaluation['miou']:.2f}" in page
    assert latency.latency_statement() in page
    assert f"{artifact.manifest.parity['tnn'].relative:.1e}" in page


def test_the_picture_shows_scene_truth_and_prediction(first: Ran) -> None:
    picture = np.asarray(Image.open(first.record["picture"]))
    assert picture.shape[0] > 2 * 180
    assert picture.shape[1] > 3 * 200
    assert picture.std() > 20


def test_a_second_demo_uses_the_set_again_and_tells_the_same(first: Ran) -> None:
    again = _demo(first.folder, "--seed", "3")
    assert again.code == 7
    assert "kept from an earlier demo" in again.stderr
    assert "already prepared" in again.stderr
    assert f"{first.record['evaluation']['miou']:.2f} %" in again.stdout
    assert "topformer data fetch ade20k" in again.stdout
    assert "nothing was measured on a phone" in " ".join(again.stdout.split())
    assert str(first.folder / "runs/demo/scenes-tiny-002/report.html") in again.stdout


def test_rendering_is_done_again_when_anything_changed(tmp_path: Path) -> None:
    def render(seed: int) -> bool:
        scenes = demo_set.Scenes(2, 1, (64, 96), seed)
        return demo_set.render(scenes, tmp_path / "scenes", lambda _done, _total: None)

    assert [render(0), render(0), render(1)] == [True, False, True]
    (tmp_path / "scenes" / demo_set.MARK).unlink()
    assert render(1)


def test_rendering_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_set.render(demo_set.Scenes(2, 1, (64, 96), 0), tmp_path / "scenes", stop)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    places = ["--work-dir", str(tmp_path / "runs"), "--cache-dir", str(tmp_path / "cache")]
    with subprocess.Popen(
        [sys.executable, "-m", "topformer_cli", "demo", *places],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("1/7"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "type `topformer demo` again" in rest
    assert "Traceback" not in rest
    assert prepared_names(tmp_path / "cache") == []
    assert not (tmp_path / "runs").exists()
    assert [path.name for path in (tmp_path / "cache" / "demo").iterdir()] == [".lock"]
