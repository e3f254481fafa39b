"""What every command shows on the way from pictures to numbers."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.cli.conftest import SHORT, TERMS, Ran, Road
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.recipe import load_resolved
from topformer_cli.rundir import RunDir

CLASSES = ("sky", "building", "tree", "grass", "road", "car", "sign")


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def quietly(done: Ran) -> Ran:
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return done


def test_preparing_again_has_nothing_to_do(road: Road) -> None:
    raw = road.folder / "raw"
    done = quietly(
        road.data(
            "prepare", "little", "--images", raw / "images", "--masks", raw / "masks",
            "--classes", raw / "classes.txt", "--terms", TERMS,
        )
    )  # fmt: skip
    assert done.out == "little: already prepared, 6 train, 2 val images, 7 classes\n"
    assert "next: topformer data show little, topformer train little --size tiny" in done.err


def test_data_list_names_the_set_and_the_published_ones(road: Road) -> None:
    sets = {one["name"]: one for one in quietly(road.data("list", "--json")).record["sets"]}
    assert sets["little"]["prepared"]
    assert sets["little"]["images"] == {"train": 6, "val": 2}
    assert not sets["ade20k"]["prepared"]
    assert sets["ade20k"]["classes"] == 150
    assert "little" in quietly(road.data("list")).out


def test_data_info_shows_classes_and_shares(road: Road) -> None:
    text = quietly(road.data("info", "little")).out
    assert all(name in text for name in CLASSES)
    assert text.count("96x64") == 6
    record = quietly(road.data("info", "little", "--json")).record
    assert tuple(one["name"] for one in record["classes"]) == CLASSES


def test_data_check_reads_everything(road: Road) -> None:
    assert "little: 8 images, 9 checks; nothing is wrong" in road.data("check", "little").out
    assert quietly(road.data("check", "little", "--json")).record["images"] == 8


def test_data_show_draws_images_beside_labels(road: Road, tmp_path: Path) -> None:
    target = tmp_path / "show.png"
    done = quietly(road.data("show", "little", "--count", "3", "-o", target))
    assert done.out == f"{target}\n"
    height, width, _ = pixels(target).shape
    assert height > 3 * 180
    assert width > 3 * 200


def test_a_run_holds_everything(road: Road) -> None:
    run = RunDir(road.latest)
    assert run.path.name == "little-tiny-001"
    assert run.finished
    recipe = load_resolved(run.recipe)
    assert (recipe.dataset, recipe.batch, recipe.augment.crop) == ("little", 2, (64, 64))
    assert recipe.evaluation.scale == (256, 64)
    assert json.loads(run.environment.read_text())["device"] == "cpu"
    assert "step 4: mIoU" in run.log.read_text()
    assert run.weights("best").is_file()
    assert run.weights("last").is_file()
    for name in ("batch.png", "loss.png", "miou.png", "val.png"):
        height, width, _ = pixels(run.path / name).shape
        assert min(height, width) > 300
    assert sorted(path.name for path in (run.path / "pictures").iterdir()) == [
        "step-000002.png", "step-000004.png",
    ]  # fmt: skip


def test_eval_takes_the_latest_run_and_says_so(road: Road) -> None:
    done = quietly(road.run("eval"))
    assert "evaluating " in done.err
    assert "best.safetensors (step" in done.err
    assert all(name in done.out for name in CLASSES)
    assert "mIoU " in done.out
    assert "protocol own: keep_ratio 256x64, sides to multiples of 32" in done.out


def test_eval_json_is_the_record(road: Road) -> None:
    record = quietly(road.run("eval", "--json")).record
    assert record["images"] == 2
    assert tuple(record["classes"]) == CLASSES
    assert len(record["iou"]) == 7
    assert json.loads((road.latest / "eval-little-val.json").read_text()) == record


def test_eval_draws_the_confusion_into_the_run_or_elsewhere(road: Road, tmp_path: Path) -> None:
    pixels = quietly(road.run("eval", "--sort", "pixels", "--json")).record["pixels"]
    drawn = road.latest / "eval-little-val"
    assert (drawn / "confusion.png").is_file()
    rows = (drawn / "confusion.csv").read_text().splitlines()[1:]
    assert [sum(map(int, row.split(",")[1:])) for row in rows] == pixels
    last = road.latest / "checkpoints" / "last.safetensors"
    quietly(road.run("eval", last, "--output", tmp_path))
    assert {one.name for one in tmp_path.iterdir()} >= {"confusion.png", "confusion.csv"}


def test_eval_of_a_checkpoint_and_of_the_training_split(road: Road) -> None:
    last = RunDir(road.latest).weights("last")
    record = quietly(road.run("eval", last, "--split", "train", "--json", "-q")).record
    assert (record["images"], record["split"], record["weights"]) == (6, "train", str(last))
    by_weights = quietly(road.run("eval", "--weights", last, "--split", "train", "--json")).record
    assert by_weights["iou"] == record["iou"]


def test_fail_under_ends_with_7_after_the_table(road: Road) -> None:
    done = road.run("eval", "--fail-under", "99.5")
    assert done.code == 7
    assert "mIoU" in done.out
    assert "is below --fail-under 99.5" in done.err.splitlines()[-1]
    assert road.run("eval", "--fail-under", "0").code == 0


def test_segment_an_image(road: Road, tmp_path: Path) -> None:
    target = tmp_path / "overlay.png"
    done = quietly(road.run("segment", road.image, "-o", target, cache=False))
    assert done.out.startswith(f"{target}  ")
    assert pixels(target).shape[1] >= 96


def test_segment_a_folder_as_labels(road: Road, tmp_path: Path) -> None:
    done = quietly(
        road.run("segment", road.image.parent, "-o", tmp_path, "--labels", "--json", cache=False)
    )
    images = done.record["images"]
    assert [Path(one["output"]).name for one in images] == [
        "scene_0000-labels.png", "scene_0001-labels.png",
    ]  # fmt: skip
    for one in images:
        labels = pixels(one["output"])
        assert labels.shape == (64, 96)
        assert labels.max() < 7
        assert sum(one["shares"].values()) == pytest.approx(1)


def test_segment_turns_pictures_upright(road: Road, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels(road.image)).save(tmp_path / "turned.jpg", exif=exif)
    target = tmp_path / "labels.png"
    quietly(road.run("segment", tmp_path / "turned.jpg", "--labels", "-o", target, cache=False))
    assert pixels(target).shape == (96, 64)


def test_export_leaves_a_whole_artifact(road: Road) -> None:
    (manifest,) = (road.latest / "export").glob("*.json")
    assert manifest.name == "topformer-tiny-little-64x64.json"
    artifact = load_artifact(manifest)
    assert artifact.formats == ("onnx", "tnn")
    assert set(artifact.manifest.parity) == {"onnx", "tnn"}
    onnx.checker.check_model(str(artifact.onnx))


def test_export_of_one_format_at_another_size(road: Road, tmp_path: Path) -> None:
    done = quietly(
        road.run(
            "export", road.latest, "--format", "tnn", "--input", "64x96",
            "--output-dir", tmp_path, "--json",
        )
    )  # fmt: skip
    assert done.record["inputs"][0]["shape"] == [1, 3, 64, 96]
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".tnnproto", ".tnnmodel"}


def test_bench_on_this_host_uses_the_export(road: Road) -> None:
    done = quietly(
        road.run(
            "bench", "--device", "host", "--rounds", "2", "--iterations", "2", "--warmup", "1",
            "--seconds", "0", "--warmup-seconds", "0", "--json",
        )
    )  # fmt: skip
    assert "using " in done.err
    [record] = done.record["results"]
    assert record["engine"] == "onnxruntime"
    assert record["input_shape"] == [1, 3, 64, 64]
    assert record["parity"]["relative"] < 1e-4
    assert len(record["rounds"]) == 2
    kept = road.runs / "bench" / "latest" / "result.json"
    assert json.loads(kept.read_text()) == done.record


def test_info_shows_recipe_and_cost(road: Road) -> None:
    text = quietly(road.run("info", "ade20k", "--size", "tiny")).out
    assert "lr: 0.0003" in text
    assert "1,389,654" in text
    record = quietly(road.run("info", road.latest, "--json")).record
    assert record["recipe"]["dataset"] == "little"
    assert record["input_size"] == [64, 64]


def test_dry_run_shows_the_recipe_and_writes_nothing(nowhere: Road) -> None:
    done = quietly(nowhere.train("--size", "small", "--dry-run"))
    assert "size: small" in done.out
    assert "iterations: 4" in done.out
    assert not nowhere.runs.exists()


def test_dry_run_without_the_set_says_why_it_shows_the_recipe_alone(nowhere: Road) -> None:
    done = quietly(nowhere.train("--size", "tiny", "--dry-run"))
    assert "no step was tried: " in done.err
    assert "topformer data fetch ade20k" in done.err
    record = quietly(nowhere.train("--size", "tiny", "--dry-run", "--json")).record
    assert (record["dataset"], record["plan"]) == ("ade20k", None)
    assert "data fetch ade20k" in record["problem"]


def test_dry_run_tries_real_steps_and_leaves_nothing(road: Road, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    words = ("train", "little", "--size", "tiny", "--work-dir", tmp_path, "--dry-run")
    overrides = [word for text in SHORT for word in ("-o", text)]
    done = quietly(road.run(*words, *overrides, work_dir=False))
    for text in (
        "batch          2 = one process x 2 images at once on cpu; 0 loader processes",
        "length         3.0 steps an epoch, 1.3 epochs",
        "linear warm-up from 0.01 of it over 1 steps, down to 0 at step 4 with power 1",
        "memory         a step of 2 images takes ",
        " images/s, ",
        " with 2 evaluations of 0:00",
        "(checkpoints 44.2 MB, pictures 3.0 MB",
    ):
        assert text in done.out
    plan = quietly(road.run(*words, *overrides, "--json", work_dir=False)).record["plan"]
    assert (plan["train_images"], plan["val_images"], plan["share"]) == (6, 2, 2)
    assert plan["memory"]["fits"]
    assert plan["speed"]["total_s"] > 4 * plan["speed"]["step_s"]
    assert sorted(tmp_path.rglob("*")) == before


def test_profile_says_where_the_time_goes(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topformer_cli.engine.profile.TIMED", 4)
    words = ("train", "little", "--size", "tiny", "--work-dir", tmp_path, "--profile")
    overrides = [word for text in SHORT for word in ("-o", text)]
    done = quietly(road.run(*words, *overrides, work_dir=False))
    shares = [float(found) for found in re.findall(r"(\d+\.\d)%", done.out)]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(100, abs=0.4)
    assert "convolution_backward" in done.out
    (trace,) = tmp_path.rglob("*.json.gz")
    assert str(trace) in done.err
    assert trace.relative_to(tmp_path) == Path("profile/little-tiny-001.json.gz")
    record = quietly(road.run(*words, *overrides, "--json", work_dir=False)).record
    assert sum(one["share"] for one in record["parts"]) == pytest.approx(1)
    assert record["trace"].endswith("little-tiny-002.json.gz")


def test_fine_tuning_names_its_start(road: Road) -> None:
    last = RunDir(road.latest).weights("last")
    folder = road.folder / "tuned"
    done = quietly(
        road.run(
            "train", "little", "--weights", last, "-o", "schedule.iterations=1", "-o", "batch=2",
            "-o", "augment.crop=[64,64]", "--work-dir", folder, "--json", work_dir=False,
        )
    )  # fmt: skip
    assert "from last.safetensors" in done.err
    assert done.record["images"] == 2
