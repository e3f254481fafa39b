"""The functions for Python users do what the commands do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topformer_cli
from tests.cli.conftest import Road
from topformer_cli.api.benching import BenchChoices
from topformer_cli.api.evaluating import EvalRequest
from topformer_cli.api.places import Places
from topformer_cli.bench.protocol import Protocol
from topformer_cli.engine.box_matches import Detections
from topformer_cli.errors import DataError, UsageError


def places(road: Road) -> Places:
    return Places(road.runs, road.cache)


def test_a_model_is_loaded_and_segments_as_the_command_does(road: Road, tmp_path: Path) -> None:
    model = topformer_cli.load(places=places(road))
    assert (model.spec.dataset, model.spec.task) == ("little", "segmentation")
    assert not model.network.training
    labels = topformer_cli.predict(model, road.image, device="cpu")
    assert isinstance(labels, np.ndarray)
    words = ("segment", road.image, "-o", tmp_path / "labels.png", "--labels", "--json")
    record = road.run(*words, cache=False).record
    shares = record["images"][0]["shares"]
    counts = np.bincount(labels.ravel(), minlength=len(model.spec.classes)) / labels.size
    assert shares == {
        name: share for name, share in zip(model.spec.classes, counts, strict=True) if share
    }
    by_file = topformer_cli.load(model.file)
    assert np.array_equal(topformer_cli.predict(by_file, road.image), labels)


def test_a_model_and_its_export_are_evaluated_and_measured(road: Road) -> None:
    model = topformer_cli.load(road.latest, places=places(road))
    request = EvalRequest(places=places(road))
    result = topformer_cli.evaluate(model, request)
    record = road.run("eval", "--json").record
    assert json.loads(json.dumps(result.to_json()))["miou"] == record["miou"]
    artifact = topformer_cli.export(model, places=places(road))
    of_file = topformer_cli.evaluate(artifact.onnx, request)
    assert of_file.protocol.startswith("fixed: stretch 64x64")
    assert of_file.headline.value == pytest.approx(result.headline.value, abs=15)
    quick = Protocol(rounds=1, iterations=2, warmup=1, round_s=0.0, warmup_s=0.0)
    choices = BenchChoices(protocol=quick, places=places(road))
    session = topformer_cli.measure(artifact, choices=choices)
    assert session.results[0].device.kind == "host"


def test_boxes_and_mistakes(boxed: Road, tmp_path: Path) -> None:
    model = topformer_cli.load(boxed.runs / "train" / "blocks-tiny-001")
    found = topformer_cli.predict(model, np.zeros((48, 64, 3), np.uint8))
    assert isinstance(found, Detections)
    with pytest.raises(DataError, match="no image"):
        topformer_cli.predict(model, tmp_path / "none.png")
    with pytest.raises(UsageError, match="no run"):
        topformer_cli.load(tmp_path / "none")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, topformer_cli; print('torch' in sys.modules, topformer_cli.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", topformer_cli.__version__]
    unknown: Any = topformer_cli
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = unknown.trian
