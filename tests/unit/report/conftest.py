"""Records as a demo run writes them, small and invented."""

from dataclasses import replace

import numpy as np
import pytest

from topformer_cli.draw import Legend
from topformer_cli.report.records import Curves, Example, ReportData, Stage, TrainingFacts
from topformer_cli.results import (
    BenchResult,
    CoreUse,
    DeviceFacts,
    EvalResult,
    LabelScores,
    Round,
    RunnerFacts,
    Summary,
)

CLASSES = ("sky", "cars & <b>trucks</b>", 'a "sign"')


def _evaluation() -> EvalResult:
    return EvalResult(
        model="TopFormer-tiny",
        weights="best",
        dataset="scenes",
        split="val",
        images=37,
        protocol="keep_ratio 768x192; whole image, single scale",
        classes=CLASSES,
        found=LabelScores(
            71.25, 47.5, 93.17, 81.09, iou=(88.31, 54.19, None), accuracy=(95.61, 66.57, None)
        ),
        notes=("partial: val 37 of 60",),
    )


def _bench() -> BenchResult:
    return BenchResult(
        model="topformer-tiny-scenes-192x256",
        card={},
        files={"model.onnx": "0" * 64},
        engine="onnxruntime",
        engine_version="1.99.0",
        device=DeviceFacts(kind="host", model="Some <Processor>"),
        precision="fp32",
        threads=1,
        core=CoreUse("any"),
        input_shape=(1, 3, 192, 256),
        output="logits at 1/8",
        covers="timed: inference",
        runner=RunnerFacts("onnxruntime", "host", "x86_64", "1" * 64),
        protocol={"warmup": 11},
        rounds=(Round(50, 3.11, 9.87, 4.56), Round(52, 3.22, 8.76, 4.65)),
        summary=Summary(
            of="inferences",
            count=102,
            median_ms=4.43,
            low_ms=4.4,
            high_ms=4.5,
            confidence=0.95,
            min_ms=3.11,
            max_ms=9.87,
            mean_ms=4.6,
            spread=0.021,
            p90_ms=5.54,
        ),
        verdict="stable",
        parity=None,
        started="2030-01-02T03:04:05+00:00",
        notes=("the clock was not fixed",),
    )


def _manifest() -> dict[str, object]:
    parity = {"mean_abs": 1e-7, "cosine": 1.0, "bound": 1e-5}
    return {
        "card": {"dataset": "scenes", "data_terms": "as <stated>"},
        "inputs": [{"shape": [1, 3, 192, 256]}],
        "outputs": [{"meaning": "logits at 1/8"}],
        "images": "given",
        "files": [
            {"name": "m.onnx", "bytes": 5_530_000, "sha256": "a" * 64},
            {"name": "m.tnnproto", "bytes": 21_000, "sha256": "b" * 64},
            {"name": "m.tnnmodel", "bytes": 5_460_000, "sha256": "c" * 64},
        ],
        "parity": {
            "onnx": {**parity, "relative": 3.4e-7, "max_abs": 6.5e-6, "labels_equal": 1.0},
            "tnn": {**parity, "relative": 7.8e-7, "max_abs": 8.7e-6, "labels_equal": 0.9987},
        },
    }


def _example() -> Example:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (24, 32, 3), np.uint8)
    truth, predicted = (rng.integers(0, 3, (24, 32), np.uint8) for _ in range(2))
    return Example("scene <0>", image, truth, predicted, 0.876)


@pytest.fixture
def data() -> ReportData:
    """A whole record."""
    return ReportData(
        created="2030-01-02T03:04:05+00:00",
        version="9.8.7",
        run="runs/demo/scenes & more-001",
        seconds=163.4,
        parameters=1_374_000,
        multiply_adds=86_000_000,
        training=TrainingFacts(
            train_images=123,
            val_images=37,
            iterations=500,
            best_step=450,
            batch=16,
            crop=(128, 160),
            seed=5,
            device="cpu",
        ),
        evaluation=_evaluation(),
        curves=Curves(((20, 1.6), (40, 0.9), (60, 0.4321)), ((50, 40.0), (100, 71.25))),
        legend=Legend(CLASSES, ((10, 20, 30), (40, 50, 60), (70, 80, 90))),
        val_shares=(0.613, 0.386, 0.001),
        examples=(_example(), _example()),
        manifest=_manifest(),
        bench=_bench(),
        stages=(Stage("train", 141.0, "500 <steps>"), Stage("export", 5.2, "verified")),
        least_miou=60.0,
    )


@pytest.fixture
def poor(data: ReportData) -> ReportData:
    """The record of a run that learned too little and was not measured."""
    return replace(
        data,
        evaluation=replace(data.evaluation, found=replace(data.evaluation.found, miou=12.34)),
        bench=replace(data.bench, summary=None, rounds=(), verdict="incomplete"),
        curves=Curves(),
    )
