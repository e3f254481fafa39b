"""What a set may be used for is told wherever something made from it goes."""

import dataclasses
import json
import shutil
from pathlib import Path

import onnx
import pytest

from tests.cli.conftest import TERMS, Ran, Road
from topformer_cli.api.places import Places
from topformer_cli.api.training import TrainRequest, plan_resume
from topformer_cli.data.store import PreparedSet
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.models.checkpoint import load_checkpoint, save_checkpoint
from topformer_cli.recipe import Choices
from topformer_cli.rundir import RunDir


def said(done: Ran) -> str:
    assert done.code == 0, done.err
    return " ".join(done.out.split())


def test_from_the_option_to_the_card_and_what_describes_it(road: Road) -> None:
    assert PreparedSet.open("little", road.cache).card.terms == TERMS
    assert f"terms {TERMS}" in said(road.data("info", "little"))
    assert json.loads(said(road.data("info", "little", "--json")))["terms"] == TERMS
    known = json.loads(said(road.data("list", "--json")))["sets"]
    assert [one["terms"] for one in known if one["name"] == "little"] == [TERMS]


@pytest.mark.parametrize("which", ["best", "last"])
def test_from_the_card_to_checkpoints(road: Road, which: str) -> None:
    assert load_checkpoint(RunDir(road.latest).weights(which)).spec.data_terms == TERMS
    assert json.loads(RunDir(road.latest).environment.read_text())["data_terms"] == TERMS


def test_from_the_checkpoint_to_exports(road: Road, tmp_path: Path) -> None:
    out = said(road.run("export", "--output-dir", tmp_path))
    assert f"terms of the data (little): {TERMS}" in out
    (path,) = tmp_path.glob("*.json")
    artifact = load_artifact(path)
    assert artifact.card["data_terms"] == TERMS
    metadata = {one.key: one.value for one in onnx.load(artifact.onnx).metadata_props}
    assert json.loads(metadata["topformer"])["data_terms"] == TERMS


def test_from_the_checkpoint_to_what_it_says_of_pictures(road: Road, tmp_path: Path) -> None:
    target = tmp_path / "overlay.png"
    done = road.run("segment", road.image, "-o", target, "--json", cache=False)
    record = json.loads(said(done))
    assert (record["dataset"], record["data_terms"]) == ("little", TERMS)


def test_from_the_export_to_measurements(road: Road) -> None:
    words = ("--device", "host", "--rounds", "1", "--iterations", "1", "--warmup", "1", "--json")
    [result] = json.loads(said(road.run("bench", *words, "--seconds", "0")))["results"]
    assert result["card"]["data_terms"] == TERMS


def test_from_the_weights_that_a_training_begins_with(road: Road, tmp_path: Path) -> None:
    theirs = load_checkpoint(RunDir(road.latest).weights("last"))
    spec = dataclasses.replace(theirs.spec, dataset="theirs", data_terms="research only")
    save_checkpoint(tmp_path / "theirs.safetensors", dataclasses.replace(theirs, spec=spec))
    done = road.run(
        "train", "little", "--weights", tmp_path / "theirs.safetensors", "--work-dir", tmp_path,
        "-o", "schedule.iterations=1", "-o", "batch=2", "-o", "augment.crop=[64,64]",
        work_dir=False,
    )  # fmt: skip
    assert done.code == 0, done.err
    both = f"{TERMS}; began with weights from theirs: research only"
    run = RunDir((tmp_path / "train" / "latest").resolve())
    assert load_checkpoint(run.weights("best")).spec.data_terms == both
    stopped = RunDir(Path(shutil.copytree(run.path, tmp_path / "stopped")))
    stopped.result.unlink()
    request = TrainRequest(None, Choices(), places=Places(tmp_path, road.cache))
    assert plan_resume(stopped.path, request).job.spec.data_terms == both
