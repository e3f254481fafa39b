"""What a run tells of itself on the command line: its ledger, and whether it is comparable."""

import json
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import SHORT, TERMS, Road, prepared_road
from tests.cli.test_road import quietly
from tests.fakes.official import official_state
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import load_checkpoint
from topformer_cli.results.ledger import Ledger
from topformer_cli.rundir import RunDir

SMALLER = ("augment.scale=[512,96]", "evaluation.scale=[512,96]", "schedule.iterations=1")


def not_comparable(text: str) -> str:
    (line,) = (line for line in text.splitlines() if "comparable" in line)
    return line


def test_eval_says_why_a_run_is_not_comparable(ade20k: Road) -> None:
    line = not_comparable(quietly(ade20k.run("eval")).out)
    assert line.startswith("not comparable: no ImageNet weights; ")
    assert line.endswith("(held against README 2x8)")
    for reason in (
        "2 of 2000 images of val", "trained on a partial set (train 4 of 20210)",
        "no ImageNet weights", "fewer iterations (2, not 160000)",
        "protocol differs in scale ([512, 96], not [2048, 512])", "batch (2, not 16)",
        "batch normalisation over 2 images, not 16",
    ):  # fmt: skip
        assert reason in line
    record = quietly(ade20k.run("eval", "--json")).record["comparison"]
    assert (record["comparable"], record["beside"]) == (False, [])
    assert "no ImageNet weights" in record["reasons"]
    kept = json.loads((ade20k.latest / "eval-ade20k-val.json").read_text())
    assert kept["comparison"] == record


def test_the_end_of_a_training_says_it_too(ade20k: Road, tmp_path: Path) -> None:
    words = [word for text in (*SHORT, *SMALLER) for word in ("-o", text)]
    done = quietly(ade20k.run("train", "--work-dir", tmp_path, *words, work_dir=False))
    assert "no ImageNet weights" in not_comparable(done.out)


@pytest.mark.parametrize("words", [("eval",), ("eval", "--json")])
def test_of_a_set_of_ones_own_nothing_is_said(road: Road, words: tuple[str, ...]) -> None:
    assert "compar" not in quietly(road.run(*words)).out


def test_the_authors_file_lacks_only_the_images(ade20k: Road, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "topformer-T_512x512_2x8_160k-33.6.pth"
    spec = load_checkpoint(RunDir(ade20k.latest).weights("last")).spec
    torch.save({"state_dict": official_state(build_model(spec).state_dict())}, path)
    done = quietly(ade20k.run("eval", "--weights", path, "--dataset", "ade20k"))
    assert not_comparable(done.out) == (
        "not comparable: 2 of 2000 images of val (held against README 2x8)"
    )


def test_a_run_and_its_checkpoints_hold_the_same_ledger(ade20k: Road) -> None:
    run = RunDir(ade20k.latest)
    ledger = Ledger.from_json(json.loads(run.ledger.read_text()))
    assert ledger is not None
    assert (ledger.recipe, ledger.preset, ledger.spread.batch) == ("ade20k", "code", 2)
    assert {"batch", "augment.crop"} <= {one.key for one in ledger.departures}
    for which in ("last", "best"):
        origin = load_checkpoint(run.weights(which)).origin
        assert Ledger.from_json(origin["ledger"]) == ledger


def test_info_shows_the_ledger_of_a_run(ade20k: Road) -> None:
    text = quietly(ade20k.run("info", ade20k.latest)).out
    _, _, ledger = text.partition("ledger of the run\n")
    for word in ("began with", "nothing: trained from scratch", "plain, over 2 images", "torch "):
        assert word in ledger
    record = quietly(ade20k.run("info", ade20k.latest, "--json")).record["ledger"]
    assert record == json.loads((ade20k.latest / "ledger.json").read_text())


def test_info_shows_what_presets_set(nowhere: Road) -> None:
    text = quietly(nowhere.run("info", "ade20k-448", "--preset", "paper")).out
    lines = [line.split() for line in text.splitlines() if line.startswith("preset ")]
    assert lines == [
        ["preset", "code", "optimizer.lr", "0.0003,", "model.fuse", "depthwise"],
        ["preset", "paper", "(taken)", "optimizer.lr", "0.00012,", "model.fuse", "full"],
    ]
    record = quietly(nowhere.run("info", "pascal-context", "--size", "base", "--json")).record
    assert record["presets"]["paper"] == {
        "evaluation.resize": "stretch", "evaluation.scale": [480, 480],
    }  # fmt: skip
    assert "presets differ" not in quietly(nowhere.run("info", "imagenet")).out


def test_a_recipe_for_a_set_of_ones_own_takes_it(tmp_path: Path) -> None:
    road = prepared_road(tmp_path)
    raw = road.folder / "raw"
    words = ("--images", raw / "images", "--masks", raw / "masks", "--terms", TERMS)
    quietly(road.data("prepare", "camvid", *words, "--classes", raw / "classes.txt"))
    quietly(road.train("camvid", overrides=(*SHORT, *SMALLER)))
    ledger = json.loads((road.latest / "ledger.json").read_text())
    assert (ledger["recipe"], ledger["preset"], ledger["data"]["name"]) == (
        "camvid", "tuned", "camvid",
    )  # fmt: skip
    assert "compar" not in quietly(road.run("eval")).out
