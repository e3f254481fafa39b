"""ImageNet's road: train, evaluate, and start a segmentation from the checkpoint."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import QUICK as BOXES
from tests.cli.conftest import SHORT, Road, prepared_road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly
from tests.fakes.ilsvrc import make_ilsvrc
from tests.fakes.official import official_classifier
from tests.unit.models.test_start import classifier_spec
from topformer_cli.models.build import build_model
from topformer_cli.rundir import RunDir

QUICK = (
    "schedule.iterations=2", "schedule.warmup=1", "evaluation.every=1", "batch=2",
    "augment.crop=[64,64]", "evaluation.crop=[64,64]", "evaluation.short_side=73",
)  # fmt: skip


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The set `little` with a run on it, and after that ImageNet with a run on it."""
    road = prepared_road(tmp_path_factory.mktemp("pretraining"))
    quietly(road.train("little", "--size", "tiny", overrides=(*SHORT, "schedule.iterations=1")))
    source = make_ilsvrc(road.folder, 3, 4, form="folders")
    quietly(road.data("prepare", "imagenet", "--source", source, "--allow-partial"))
    quietly(road.train("imagenet", overrides=QUICK))
    return road


def checkpoint(road: Road) -> Path:
    return RunDir(road.runs / "train" / "imagenet-tiny-001").weights("last")


def test_a_run_has_the_curve_of_its_own_headline(pretrained: Road) -> None:
    run = RunDir(pretrained.runs / "train" / "imagenet-tiny-001")
    assert run.finished
    assert "top-1" in run.log.read_text()
    assert {path.name for path in run.path.glob("*.png")} == {"batch.png", "loss.png", "top1.png"}
    assert json.loads(run.result.read_text())["last"]["classes"][0] == "tench"


def test_eval_takes_the_latest_run_whatever_its_task(pretrained: Road) -> None:
    done = quietly(pretrained.run("eval"))
    assert "TopFormer-tiny on imagenet val (4 images)" in done.out
    assert "top-1 " in done.out
    assert "top-5 " in done.out
    assert "protocol short side 73, centre 64x64; single crop" in done.out
    assert "note: partial: train 9 of 1281167, val 4 of 50000" in done.out
    record = quietly(pretrained.run("eval", "--json", "--split", "train")).record
    assert (record["images"], len(record["accuracy"])) == (9, 1000)
    done = pretrained.run("eval", "--fail-under", "100")
    assert done.code == 7
    line = done.err.splitlines()[-1]
    assert line.startswith("topformer: top-1 ")
    assert line.endswith("is below --fail-under 100")


def test_info_counts_the_classifier(pretrained: Road) -> None:
    text = quietly(pretrained.run("info", "imagenet", "--size", "base")).out
    assert "5,068,872" in text
    assert "at 224x224\n" in text
    assert "semantics injection" not in text
    record = quietly(pretrained.run("info", checkpoint(pretrained), "--json")).record
    assert record["input_size"] == [64, 64]


@pytest.mark.parametrize(
    "words", [("export",), ("bench", "--device", "host"), ("segment", "IMAGE", "--model")]
)
def test_what_needs_segmentation_refuses_a_classifier(
    pretrained: Road, words: tuple[str, ...]
) -> None:
    command = [pretrained.image if word == "IMAGE" else word for word in words]
    cache = words[0] != "segment"
    line = refused(pretrained.run(*command, checkpoint(pretrained), cache=cache), 2)
    wanted = "segmentation" if words[0] == "segment" else "segmentation or detection"
    assert line.endswith(f"is a network for classification; this command takes one for {wanted}")


def test_what_needs_segmentation_takes_the_latest_run_for_it(
    pretrained: Road, tmp_path: Path
) -> None:
    target = tmp_path / "overlay.png"
    done = quietly(pretrained.run("segment", pretrained.image, "-o", target, cache=False))
    assert "little-tiny-001" in done.err
    assert target.is_file()


def test_no_run_of_the_task_is_told(pretrained: Road, tmp_path: Path) -> None:
    run = pretrained.runs / "train" / "imagenet-tiny-001"
    only = Road(tmp_path)
    shutil.copytree(run, only.runs / "train" / run.name)
    line = refused(only.run("export"), 2)
    assert f"no run for segmentation or detection under {only.runs}" in line
    assert "with a recipe for it, such as ade20k or coco-retinanet, or name a run" in line


def overrides(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("-o", value)]


def test_segmentation_starts_from_the_checkpoint(pretrained: Road, tmp_path: Path) -> None:
    words = (
        "train", "little", "--weights", checkpoint(pretrained), *overrides(SHORT),
        "-o", "schedule.iterations=1", "--work-dir", tmp_path,
    )  # fmt: skip
    line = refused(pretrained.run(*words, work_dir=False), 3)
    assert "is of a network for classification, not for segmentation" in line
    assert "--partial-weights takes what fits" in line
    assert not (tmp_path / "train").exists()
    done = quietly(pretrained.run(*words, "--partial-weights", "--json", work_dir=False))
    assert "from last.safetensors" in done.err
    assert "tensors matched; " in done.err
    assert "missing (head.classify.bias, " in done.err
    assert "7 unexpected (head.bn.bias, " in done.err
    assert done.record["images"] == 2
    environment = json.loads((tmp_path / "train" / "latest" / "env.json").read_text())
    assert "non-commercial" in environment["data_terms"]


def test_detection_starts_from_the_checkpoint(
    pretrained: Road, boxed: Road, tmp_path: Path
) -> None:
    words = (
        "train", "blocks", "--size", "tiny", "--weights", checkpoint(pretrained),
        *overrides(BOXES), "-o", "schedule.iterations=1", "--work-dir", tmp_path,
    )  # fmt: skip
    line = refused(boxed.run(*words, work_dir=False), 3)
    assert "is of a network for classification, not for detection" in line
    done = quietly(boxed.run(*words, "--partial-weights", "--json", work_dir=False))
    assert "from last.safetensors" in done.err
    assert "tensors matched; " in done.err
    assert "7 unexpected (head.bn.bias, " in done.err
    assert (done.record["dataset"], done.record["images"]) == ("blocks", 3)


def test_a_set_of_another_task_is_refused(pretrained: Road) -> None:
    line = refused(pretrained.run("train", "imagenet", "-o", "dataset=little"), 3)
    assert "little holds masks, not classes: it is for segmentation, not for classification" in line
    line = refused(pretrained.run("eval", checkpoint(pretrained), "--dataset", "little"), 3)
    assert "not for classification" in line


def test_mistakes_in_a_recipe_are_told_in_its_own_words(pretrained: Road) -> None:
    for override, said in (
        ("augment.scale=[64,64]", "-o augment.scale: unknown key"),
        ("loss.label_smothing=0", "did you mean 'loss.label_smoothing'?"),
        ("evaluation.short_side=200", "-o evaluation.short_side: got 200; the crop needs at least"),
        ("augment.mixup=-1", "-o augment.mixup: input should be greater than or equal to 0"),
        ("augment.erase=1.5", "-o augment.erase: input should be less than or equal to 1"),
        ("device_batch=3", "-o augment.mixup=0"),
        ("batch=1", "-o batch: input should be greater than or equal to 2, got 1"),
        ("task=segmentation", "-o task: a recipe is for one task"),
    ):
        words = ("-o", "augment.mixup=0.2", "-o", "batch=6", "-o", override)
        assert said in refused(pretrained.run("train", "imagenet", *words), 2)
        assert len([*(pretrained.runs / "train").glob("imagenet-*")]) == 1


@pytest.mark.parametrize("classes", [1000, 5])
def test_the_authors_imagenet_weights_are_weights_like_any_other(
    pretrained: Road, tmp_path: Path, classes: int
) -> None:
    torch.manual_seed(0)
    state = build_model(classifier_spec("tiny", classes)).state_dict()
    path = tmp_path / "topformer-T-224-66.2.pth"
    torch.save({"state_dict_ema": official_classifier(state)}, path)
    done = pretrained.run("eval", "--weights", path, "--dataset", "imagenet")
    if classes == 5:
        assert "the model has 5 classes (unknown), the set imagenet has 1000" in refused(done, 3)
    else:
        assert "protocol short side 256, centre 224x224" in quietly(done).out
    words = ("--weights", path, "--partial-weights", *overrides(SHORT), "--work-dir", tmp_path)
    done = quietly(pretrained.run("train", "little", *words, work_dir=False))
    assert "7 unexpected (head.bn.bias, " in done.err
    environment = json.loads((tmp_path / "train" / "latest" / "env.json").read_text())
    assert ("non-commercial" in environment["data_terms"]) == (classes == 1000)


def test_a_set_of_classes_without_a_recipe_takes_the_custom_one(
    pretrained: Road, tmp_path: Path
) -> None:
    own = tmp_path / "cache" / "data" / "kinds"
    shutil.copytree(pretrained.cache / "data" / "imagenet", own)
    card = json.loads((own / "card.json").read_text())
    (own / "card.json").write_text(json.dumps({**card, "name": "kinds", "expected": {}}))
    quick = ("batch=2", "schedule.iterations=1", "augment.crop=[64,64]")
    done = quietly(Road(tmp_path).train("kinds", overrides=quick))
    assert "TopFormer-tiny on kinds" in done.err
    assert "protocol short side 146, centre 128x128" in done.out
    assert "note: " not in done.out
