"""The road of a set of boxes of one's own, and COCO's recipe, through the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import mobilenet_v3_large

from tests.cli.conftest import QUICK, Ran, Road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly
from tests.fakes.box_decoder import decoded, fitted
from tests.fakes.runners import answering_runner
from tests.unit.bench.conftest import StartDevice
from topformer_cli.api.bench_inputs import fixed_input
from topformer_cli.data.decode import decode_image
from topformer_cli.deploy.artifact import load_artifact
from topformer_cli.deploy.box_proof import Boxes, BoxProof
from topformer_cli.deploy.runtimes import OnnxRuntime, TnnRuntime
from topformer_cli.deploy.suppression import SuppressionRule
from topformer_cli.models.boxes import STRIDES
from topformer_cli.recipe import load_resolved
from topformer_cli.rundir import RunDir


def checkpoint(road: Road) -> Path:
    return RunDir(road.runs / "train" / "blocks-tiny-001").weights("last")


def test_a_set_of_boxes_trains_by_its_name(boxed: Road) -> None:
    run = RunDir(boxed.runs / "train" / "blocks-tiny-001")
    assert run.finished
    recipe = load_resolved(run.recipe)
    assert (recipe.task, recipe.dataset, recipe.input_size) == ("detection", "blocks", (96, 128))
    assert {path.name for path in run.path.glob("*.png")} == {
        "batch.png",
        "loss.png",
        "ap.png",
        "val.png",
    }
    last = json.loads(run.result.read_text())["last"]
    assert last["classes"] == ["blue", "red", "green"]
    assert len(last["class_ap"]) == 3


def test_dry_run_has_room_for_the_pictures(boxed: Road) -> None:
    done = quietly(boxed.train("blocks", "--size", "tiny", "--dry-run", overrides=QUICK))
    assert ", pictures 2.0 MB" in done.out


def test_eval_shows_average_precision(boxed: Road) -> None:
    run = boxed.runs / "train" / "blocks-tiny-001"  # the latest may be another test's
    done = quietly(boxed.run("eval", run))
    assert "RetinaNet with TopFormer-tiny on blocks val (3 images)" in done.out
    assert "AP50 " in done.out
    said = (
        "protocol own: short side 96, long side at most 128, padded to multiples of 32; score 0.05"
    )
    assert said in done.out
    record = quietly(boxed.run("eval", run, "--json", "--split", "train")).record
    assert record["images"] == 6
    assert {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100"} < record.keys()
    done = boxed.run("eval", run, "--fail-under", "100")
    assert done.code == 7
    assert "topformer: AP " in done.err


def test_cocos_recipe_takes_any_set_of_boxes(boxed: Road, tmp_path: Path) -> None:
    overrides = (*QUICK, "dataset=blocks", "augment.scale=[96,64]", "augment.least_short=64")
    words = [word for one in overrides for word in ("-o", one)]
    done = quietly(
        boxed.run(
            "train", "coco-retinanet", "-o", "evaluation.scale=[96,64]", *words,
            "--json", "--work-dir", tmp_path, work_dir=False,
        )
    )  # fmt: skip
    assert (done.record["dataset"], done.record["images"]) == ("blocks", 3)


def small(road: Road, folder: Path, *words: str | Path) -> Ran:
    """Train COCO's recipe for two steps on small images of the set."""
    overrides = (
        *QUICK, "dataset=blocks", "augment.scale=[96,64]", "augment.least_short=64",
        "evaluation.scale=[96,64]",
    )  # fmt: skip
    typed = [word for one in overrides for word in ("-o", one)]
    command = ("train", "coco-retinanet", *typed, *words, "--work-dir", folder)
    return road.run(*command, work_dir=False)


def test_another_backbone_goes_the_same_road(boxed: Road, tmp_path: Path) -> None:
    weights = tmp_path / "mobilenet_v3_large-8738ca79.pth"
    torch.save(mobilenet_v3_large().state_dict(), weights)
    backbone = ("-o", "model.backbone=mobilenetv3", "-o", "model.norm=frozen")
    line = refused(small(boxed, tmp_path, *backbone, "--weights", weights), 3)
    assert "is of a network for classification, not for detection" in line
    line = refused(small(boxed, tmp_path, *backbone, "--size", "small"), 2)
    assert line == "topformer: --size small: mobilenetv3 comes in one size; drop it"
    assert not (tmp_path / "train").exists()
    words = (*backbone, "--weights", weights, "--partial-weights")
    done = quietly(small(boxed, tmp_path, *words))
    assert "taking recipe coco-retinanet\n" in done.err
    assert "RetinaNet with MobileNetV3 on blocks (6 images" in done.err
    assert "2 iterations at batch 2, 66.7% of them seen, " in done.err
    run = RunDir(tmp_path / "train" / "coco-retinanet-mobilenetv3-001")
    assert (run.finished, load_resolved(run.recipe).size) == (True, None)
    checkpoint = run.weights("last")
    done = quietly(boxed.run("eval", checkpoint))
    assert "RetinaNet with MobileNetV3 on blocks val (3 images)" in done.out
    assert "TopFormer" not in done.out
    text = quietly(boxed.run("info", checkpoint)).out
    assert "RetinaNet with MobileNetV3 at 64x96" in text
    assert "model.backbone mobilenetv3 (preset topformer)" in text
    assert f"foreign ImageNet weights ({weights.name})" in text
    assert "2,816,432" in text


def test_coco_stands_for_the_recipe_that_is_written_for_it(nowhere: Road) -> None:
    done = quietly(nowhere.run("train", "coco", "--dry-run", "--json"))
    assert (done.record["name"], done.record["dataset"]) == ("coco-retinanet", "coco")


def test_info_counts_pyramid_and_head(boxed: Road) -> None:
    text = quietly(boxed.run("info", "coco-retinanet", "--size", "base")).out
    assert "feature pyramid" in text
    assert "14,569,044" in text
    assert "at 800x1344" in text
    record = quietly(boxed.run("info", checkpoint(boxed), "--json")).record
    assert record["input_size"] == [96, 128]
    assert all(side % STRIDES[2] == 0 for side in record["input_size"])


def test_what_needs_segmentation_refuses_a_detector(boxed: Road, tmp_path: Path) -> None:
    words = ("segment", boxed.image, "--model", checkpoint(boxed))
    line = refused(boxed.run(*words, cache=False), 2)
    assert "is a network for detection; this command takes one for segmentation" in line
    line = refused(boxed.run("export", "--bundle", tmp_path / "app"), 2)
    assert "apps are made of segmentation networks" in line


@pytest.fixture(scope="module")
def exported(boxed: Road) -> Path:
    """The detector of `boxed`, which finds a box above any score, with the maps of its head."""
    seldom = (*QUICK, "evaluation.score=0.001", "batch=6")
    done = quietly(boxed.train("blocks", "--size", "tiny", overrides=seldom))
    assert "2 iterations at batch 6, each image seen 2 times, " in done.err
    there = f" --work-dir {boxed.runs}"
    steps = ", ".join(f"topformer {one}{there}" for one in ("eval", "detect", "export"))
    assert f"; next: {steps}\n" in done.err
    record = quietly(boxed.run("export", "--json")).record
    for kind in ("onnx", "tnn"):
        boxes = record["parity"][kind]["boxes"]
        assert boxes["expected"] == boxes["found"] == boxes["same"] > 0
        assert boxes["px"] <= 1e-3
    assert [one["name"] for one in record["outputs"]] == [
        *(f"logits_p{level}" for level in range(3, 8)),
        *(f"offsets_p{level}" for level in range(3, 8)),
    ]
    assert record["decoding"]["strides"] == list(STRIDES)
    return next((boxed.runs / "train" / "latest" / "export").glob("*.json"))


def test_the_maps_of_a_detector_are_verified_and_measured(boxed: Road, exported: Path) -> None:
    assert "raw" in quietly(boxed.run("info", exported, "--json")).record["outputs"][0]["kind"]
    rows = quietly(boxed.run("verify", exported, "--json")).record["runtimes"]
    assert [(row["holds"], row["parity"]["labels_equal"]) for row in rows] == [(True, None)]
    done = quietly(boxed.run("verify", exported, "--fp16"))
    assert "labels equal" not in done.out
    assert "output logits_p3: error" in done.out
    result = bench(boxed, exported)
    assert result["covers"] == "timed: inference, array in to array out; nothing after it"
    assert "labels_equal" not in result["parity"]
    assert result["output"].startswith("head maps of P3 to P7, boxes neither decoded")
    assert result["parity"]["relative"] <= 1e-4


def test_a_phone_gives_all_maps_of_a_detector(
    boxed: Road, exported: Path, start_device: StartDevice, tmp_path: Path
) -> None:
    artifact = load_artifact(exported)
    maps = TnnRuntime(artifact.tnnproto)([fixed_input(artifact.manifest)])
    names = [one.name for one in artifact.manifest.outputs]
    # TNN's own program writes them in the order of their names.
    answer = dict(sorted(zip(names, maps, strict=True)))
    phone = start_device()
    device = f"tcp:{phone.serial}"
    runner = answering_runner(answer, tmp_path)
    result = bench(boxed, exported, device, "--runner", runner, "--precision", "fp32")
    assert result["parity"]["relative"] <= 1e-6
    assert phone.root.remains() == []
    answer["offsets_p7"] = answer["offsets_p7"] + 1
    runner = answering_runner(answer, tmp_path)
    line = refused(
        boxed.run("bench", exported, "--device", device, "--runner", runner, *QUICK_BENCH), 4
    )
    assert "max difference" in line
    assert phone.root.remains() == []


QUICK_BENCH = (
    "--rounds", "1", "--iterations", "2", "--warmup", "1", "--seconds", "0",
    "--warmup-seconds", "0",
)  # fmt: skip


def bench(road: Road, subject: Path, device: str = "host", *words: str | Path) -> dict[str, Any]:
    line = ("bench", subject, "--device", device, *words, *QUICK_BENCH, "--json")
    [result] = quietly(road.run(*line)).record["results"]
    found: dict[str, Any] = result
    return found


@pytest.fixture(scope="module")
def whole(boxed: Road, exported: Path) -> Path:
    """The same detector with decoding and suppression inside."""
    run = exported.parent.parent
    record = quietly(boxed.run("export", run, "--output", "boxes", "--json")).record
    assert [one["name"] for one in record["outputs"]] == ["boxes", "scores", "classes"]
    assert record["parity"].keys() == {"onnx"}
    assert record["parity"]["onnx"]["boxes"]["px"] <= 1e-3
    return exported.with_name(f"{record['name']}.json")


def test_boxes_are_decoded_and_suppressed_in_the_file(boxed: Road, whole: Path) -> None:
    assert "boxes on the fixed input" in bench(boxed, whole)["output"]
    verified = quietly(boxed.run("verify", whole, "--json")).record
    assert verified["inputs"] == "2 pictures (of blocks)"
    [row] = verified["runtimes"]
    assert row["boxes"]["expected"] == row["boxes"]["same"] == row["boxes"]["found"] > 0
    assert row["boxes"]["px"] <= 1e-3
    assert row["holds"]
    run = whole.parent.parent
    words = ("export", run, "--output", "boxes", "--input-type", "uint8", "--json")
    assert quietly(boxed.run(*words)).record["inputs"][0]["values"] == "0..255"


def test_an_app_decodes_the_maps_by_the_manifest_alone(
    boxed: Road, exported: Path, whole: Path
) -> None:
    raw = json.loads(exported.read_text())
    how = raw["decoding"]
    around = json.loads(whole.read_text())["decoding"]
    assert (len(how["steps"]), len(around["steps"])) == (9, 3)
    pictures = [decode_image(path.read_bytes()) for path in boxed.folder.glob("blocks/images/*")]
    assert {picture.shape for picture in pictures} == {(96, 128, 3), (128, 96, 3)}
    maps, boxes = (OnnxRuntime(one.with_suffix(".onnx")) for one in (exported, whole))
    inputs = [fitted(picture, raw) for picture in pictures[:3]]
    names = [one["name"] for one in raw["outputs"]]
    found = [decoded(dict(zip(names, maps([one]), strict=True)), raw) for one in inputs]
    assert all(len(scores) for _, scores, _ in found)
    rule = SuppressionRule(how["score"], how["iou"], how["most"])
    proof = BoxProof(Boxes._make, [Boxes._make(one) for one in found], rule)
    held = proof.judge([boxes([one]) for one in inputs], "the app")
    assert held.record.same > 0


def test_boxes_away_from_their_run_are_held_against_a_named_checkpoint(
    boxed: Road, whole: Path, tmp_path: Path
) -> None:
    for path in whole.parent.glob(f"{whole.stem}.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / whole.name
    assert "is not in its run; name it with --weights" in refused(boxed.run("verify", path), 2)
    weights = RunDir(whole.parent.parent).weights("best")
    line = quietly(boxed.run("verify", path, "--weights", weights)).out
    assert f"held against {weights} in PyTorch" in " ".join(line.split())
    assert "of the network's" in line
    other = checkpoint(boxed)  # of another run, by which no box has so high a score
    refused(boxed.run("verify", path, "--weights", other), 4)
    assert "only ONNX can" in refused(boxed.run("verify", path, "--fp16"), 2)


CHOICE = "score 0.001, 1000 a level, NMS 0.5, 100 boxes; single scale"


@pytest.mark.parametrize("suffix", [".onnx", ".tnnproto"])
def test_the_maps_of_a_detector_are_evaluated_beside_its_network(
    boxed: Road, exported: Path, suffix: str
) -> None:
    path = exported.with_suffix(suffix)
    record = quietly(boxed.run("eval", path, "--json")).record
    assert record["protocol"] == f"fixed: letterbox 128x96; {CHOICE}"
    assert record["images"] == 3
    assert record["boxes"] > 0
    assert record["beside"]["what"].endswith(".safetensors in PyTorch")
    assert record["beside"].keys() > {"ap", "ap50", "ar100"}
    assert record["ap_difference"] == pytest.approx(0, abs=1e-6)
    assert "comparison" not in record
    run = exported.parent.parent
    assert json.loads((run / f"eval-blocks-val-{path.name}.json").read_text()) == record
    shown = quietly(boxed.run("eval", path, "--fit", "stretch", "--images", "2")).out
    assert f"protocol fixed: stretch 128x96; {CHOICE}" in shown
    assert "in PyTorch by the same protocol: AP " in shown
    assert "note: 2 of 3 images, from all parts of val" in shown
    line = refused(boxed.run("eval", path, "--output", run), 2)
    assert "--output: of no use with a network for detection, which makes no label maps" in line


def test_a_file_that_ends_in_boxes_is_evaluated_too(boxed: Road, exported: Path) -> None:
    raw = quietly(boxed.run("eval", exported.with_suffix(".onnx"), "--json")).record
    words = ("--output", "boxes", "--input-type", "uint8", "--json")
    name = quietly(boxed.run("export", exported.parent.parent, *words)).record["name"]
    found = quietly(boxed.run("eval", exported.with_name(f"{name}.onnx"), "--json")).record
    assert (found["protocol"], found["boxes"]) == (raw["protocol"], raw["boxes"])
    assert found["ap"] == pytest.approx(raw["ap"], abs=0.05)  # scores that are almost equal
    assert found["ap_difference"] == pytest.approx(0, abs=0.05)


def test_eval_scores_the_boxes_of_a_phone(
    boxed: Road, exported: Path, start_device: StartDevice, tmp_path: Path
) -> None:
    artifact = load_artifact(exported)
    maps = TnnRuntime(artifact.tnnproto)([fixed_input(artifact.manifest)])
    names = [one.name for one in artifact.manifest.outputs]
    runner = answering_runner(dict(sorted(zip(names, maps, strict=True))), tmp_path)
    phone = start_device()
    words = ("--phone", f"tcp:{phone.serial}", "--runner", runner, "--images", "1", "--json")
    record = quietly(boxed.run("eval", exported, *words)).record
    assert record["weights"].endswith(f".tnnproto in TNN on {phone.serial}")
    assert record["beside"]["what"].endswith(" on this host")
    assert record["boxes"] > 0  # of noise: the program has one answer
    assert phone.root.remains() == []


def test_what_a_detector_cannot_end_in_is_refused(boxed: Road, exported: Path) -> None:
    assert exported.exists()
    for words, said in (
        (("--output", "labels"), "is a network for detection; choose from raw, boxes"),
        (("--output", "boxes", "--format", "tnn"), "only ONNX has non-maximum suppression"),
        (("--format", "onnx,tflite"), "detectors are exported to onnx and tnn"),
    ):
        assert said in refused(boxed.run("export", *words), 2)
    run = boxed.runs / "train" / "blocks-tiny-001"  # finds nothing above its score
    line = refused(boxed.run("export", run, "--output", "boxes"), 4)
    assert "finds no box above score 0.05 on the pictures" in line
    assert "is a network for segmentation; choose from logits, full, labels" in refused(
        boxed.run("export", "--weights", segmenter(boxed), "--output", "boxes"), 2
    )


def segmenter(road: Road) -> Path:
    quick = ("batch=2", "augment.crop=[64,64]", "schedule.iterations=1", "schedule.warmup=1")
    folder = road.folder / "segmented"
    words = [word for one in (*quick, "evaluation.every=1") for word in ("-o", one)]
    done = quietly(road.run("train", "little", *words, "--work-dir", folder, work_dir=False))
    assert done.code == 0
    return RunDir(folder / "train" / "little-tiny-001").weights("last")


def test_a_detector_is_a_start_for_segmentation(boxed: Road, tmp_path: Path) -> None:
    words = (
        "train", "little", "--weights", checkpoint(boxed), "--work-dir", tmp_path,
        "-o", "batch=2", "-o", "augment.crop=[64,64]", "-o", "schedule.iterations=1",
        "-o", "schedule.warmup=1", "-o", "evaluation.every=1",
    )  # fmt: skip
    line = refused(boxed.run(*words, work_dir=False), 3)
    assert "is of a network for detection, not for segmentation" in line
    done = quietly(boxed.run(*words, "--partial-weights", work_dir=False))
    assert "186 tensors matched" in done.err or "tensors matched; " in done.err


def test_mistakes_are_told_in_detections_own_words(boxed: Road) -> None:
    for override, code, said in (
        ("augment.crop=[64,64]", 2, "-o augment.crop: unknown key"),
        ("model.norm=batch", 2, "-o model.norm: input should be 'frozen', 'plain' or 'sync'"),
        ("augment.least_short=900", 2, "above the short side of augment.scale [1333, 800]; lower"),
        ("optimizer.kind=adam", 2, "-o optimizer.kind: got 'adam'; did you mean 'adamw'? "),
        ("model.norm=frozen", 2, "keeps the batch statistics that it begins with; give --weights"),
        ("dataset=little", 3, "little holds masks, not boxes"),
    ):
        line = refused(boxed.run("train", "coco-retinanet", "-o", override), code)
        assert said in line
    line = refused(boxed.run("train", "little", "-o", "dataset=blocks"), 3)
    assert "blocks holds boxes, not masks" in line
