"""A bundle's card has the numbers of this very model, and no others."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fakes.sample_streams import round_of
from topformer_cli.api.bundling import bundle_model, check_folder
from topformer_cli.api.exporting import ExportChoices, export_model
from topformer_cli.api.models import Model
from topformer_cli.api.places import Places
from topformer_cli.bench.statistics.summary import summarise
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.errors import ExportError
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results import (
    BenchResult,
    BenchSession,
    CoreUse,
    DeviceFacts,
    EvalResult,
    LabelScores,
    RunnerFacts,
)
from topformer_cli.rundir import RunDir

SPEC = ModelSpec(
    size="tiny", fuse="depthwise", classes=("road", "sky"), palette=((1, 2, 3), (4, 5, 6)),
    input_size=(64, 96), dataset="mine", data_terms="only for looking at",
)  # fmt: skip


def evaluation(miou: float, weights: object) -> EvalResult:
    return EvalResult(
        model="TopFormer-tiny", weights=str(weights), dataset="mine", split="val", images=12,
        protocol="stretched", classes=SPEC.classes, notes=("a note",),
        found=LabelScores(miou, miou, 90, 80, iou=(miou, None), accuracy=(80, None)),
    )  # fmt: skip


def measurement(artifact: Artifact, median_ms: float) -> BenchResult:
    files = {"a.onnx": artifact.manifest.files[0].sha256}
    return BenchResult(
        model=artifact.name, card=artifact.card, files=files,
        engine="onnxruntime", engine_version="1", device=DeviceFacts("phone", model="Brick"),
        precision="fp32", threads=1, core=CoreUse("any"), input_shape=(1, 3, 64, 96),
        output="logits at 1/8", covers="inference", rounds=(),
        runner=RunnerFacts("onnxruntime", "host", "x86_64", "0" * 64), protocol={},
        summary=summarise([round_of([median_ms] * 3)]),
        verdict="stable", parity=None, started="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Artifact]:
    torch.manual_seed(0)
    run = RunDir(tmp_path_factory.mktemp("runs") / "train" / "mine-tiny-001")
    run.weights("best").parent.mkdir(parents=True)
    run.weights("best").write_bytes(b"weights")
    network = build_model(SPEC).eval()
    recipe = load_recipe("ade20k", Choices(size="tiny"))
    model = Model(network, SPEC, recipe, run.weights("best"), run, "best")
    exported = export_model(model, ExportChoices(formats=("onnx",)), Places(run.path.parents[1]))
    return model, exported.artifact


@pytest.fixture
def model(made: tuple[Model, Artifact], tmp_path: Path) -> Model:
    """The same network in an empty run folder."""
    run = RunDir(tmp_path / "runs" / "train" / "mine-tiny-001")
    run.weights("best").parent.mkdir(parents=True)
    run.weights("best").write_bytes(b"weights")
    return dataclasses.replace(made[0], run=run, file=run.weights("best"))


@pytest.fixture
def artifact(made: tuple[Model, Artifact]) -> Artifact:
    return made[1]


def card(model: Model, artifact: Artifact, images: Path | None = None) -> str:
    assert model.run is not None
    runs = model.run.path.parents[1]
    folder = runs.parent / "app"
    bundle_model(model, artifact, folder, images, Places(runs))
    return (folder / "MODEL_CARD.md").read_text()


def write(path: Path, record: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def test_what_is_not_known_is_called_unknown(model: Model, artifact: Artifact) -> None:
    text = card(model, artifact)
    assert "Unknown: no evaluation of these weights" in text
    assert "Unknown: no stable measurement of these files" in text
    assert "Terms of the data: only for looking at." in text
    parameters = sum(one.numel() for one in model.network.parameters())
    assert f"| parameters | {parameters:,} |" in text
    assert "topformer-tiny-mine-64x96.onnx" in text


def test_only_evaluations_of_this_checkpoint_count(model: Model, artifact: Artifact) -> None:
    assert model.run is not None
    folder, weights = model.run.path, model.file
    write(folder / "eval-mine-val.json", evaluation(41.5, weights).to_json())
    write(folder / "eval-mine-train.json", evaluation(42.5, folder / "other").to_json())
    write(folder / "eval-damaged-val.json", {"weights": str(weights)})
    (folder / "eval-broken-val.json").write_text("{")
    old = folder / "eval-old-val.json"
    write(old, evaluation(43.5, weights).to_json())
    os.utime(old, (1, 1))
    text = card(model, artifact)
    assert "mIoU 41.50" in text
    assert "on mine val (12 images); protocol stretched; weights best.safetensors; a note" in text
    assert "42.50" not in text
    assert "43.50" not in text
    assert str(folder) not in text


def test_training_s_own_evaluation_of_the_best_step_counts(
    model: Model, artifact: Artifact
) -> None:
    assert model.run is not None
    write(model.run.result, {"best": 51, "best_step": 20, "last": evaluation(44, "x").to_json()})
    lines = [{"kind": "step", "step": 20}] + [
        {"kind": "eval", "step": step, **evaluation(miou, f"step {step}").to_json()}
        for step, miou in ((10, 50), (20, 51), (30, 44))
    ]
    model.run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = card(model, artifact)
    assert "mIoU 51.00" in text
    assert "weights step 20" in text
    assert "mIoU 50" not in text
    assert "mIoU 44" not in text
    model.run.weights("last").write_bytes(b"weights")
    last = dataclasses.replace(model, file=model.run.weights("last"))
    assert "mIoU 44.00" in card(last, artifact)


def test_only_trusted_latencies_of_these_files_count(model: Model, artifact: Artifact) -> None:
    assert model.run is not None
    good = measurement(artifact, 12.34)
    for number, result in enumerate(
        (
            good,
            dataclasses.replace(measurement(artifact, 22), files={"a.onnx": "0" * 64}),
            dataclasses.replace(measurement(artifact, 33), verdict="unstable"),
            dataclasses.replace(measurement(artifact, 44), emulated=True),
        )
    ):
        runs = model.run.path.parents[1] / "bench"
        write(runs / f"net-{number:03d}" / "result.json", BenchSession((result,)).to_json())
    write(runs / "net-009" / "result.json", {"schema": 1, "verdict": "stable"})
    (runs / "latest").symlink_to("net-000")
    text = card(model, artifact)
    assert text.count(" ms median") == 1
    assert good.latency_statement() in text
    assert "(measured 2026-01-02)" in text


def test_a_large_picture_of_the_user_s_is_reduced(
    model: Model, artifact: Artifact, tmp_path: Path
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (300, 2048, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "street.png")
    assert "a picture of the exporter's, 150x1024" in card(model, artifact, tmp_path / "street.png")
    with Image.open(tmp_path / "app" / "golden" / "picture.png") as image:
        assert image.size == (1024, 150)


def test_a_folder_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("mine")
    with pytest.raises(ExportError, match="is no earlier bundle"):
        check_folder(tmp_path)
    check_folder(tmp_path / "new")


def test_a_disk_that_refuses_is_one_line(model: Model, artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"--bundle .*app: cannot be written \(.*\); nothing"):
        bundle_model(model, artifact, tmp_path / "file" / "app", None, Places(tmp_path))
