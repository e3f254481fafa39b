"""What an exported network takes and ends in, how it is stored, rewritten and verified."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.cli.conftest import Ran, Road
from tests.fakes.tnntest import tnntest
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.parity import HALF_TOLERANCE


def exported(road: Road, folder: Path, *words: str | Path) -> Artifact:
    done = road.run("export", road.latest, "--output-dir", folder, *words)
    assert done.code == 0, done.err
    (manifest,) = folder.glob("*.json")
    return load_artifact(manifest)


def check_refused(done: Ran, code: int, message: str) -> None:
    assert done.code == code, done.err
    last = done.err.splitlines()[-1]
    assert message in last, last


def bytes_of(artifact: Artifact) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, artifact.manifest.input.shape, np.uint8)


def normalised(artifact: Artifact) -> np.ndarray:
    pixels = bytes_of(artifact).astype(np.float32)
    mean, std = (np.asarray(artifact.card[name], np.float32) for name in ("mean", "std"))
    return (pixels - mean[:, None, None]) / std[:, None, None]


@pytest.fixture(scope="module")
def usual(road: Road) -> Artifact:
    (manifest,) = (road.latest / "export").glob("*.json")
    return load_artifact(manifest)


def logits_of(usual: Artifact) -> np.ndarray:
    return open_predictor(usual, "onnx")(normalised(usual))


def test_full_size_logits_are_the_logits_resized(
    road: Road, usual: Artifact, tmp_path: Path
) -> None:
    full = exported(road, tmp_path, "--output", "full")
    assert full.name == f"{usual.name}-full"
    assert full.manifest.output.shape == (1, 7, 64, 64)
    assert full.manifest.output.meaning == "logits at input size"
    values = normalised(full)
    onnx_logits, tnn_logits = (open_predictor(full, kind)(values) for kind in ("onnx", "tnn"))
    np.testing.assert_allclose(tnn_logits, onnx_logits, atol=1e-4)
    coarse = logits_of(usual)
    # Where four cells meet, a bilinear value is their mean.
    middle = coarse[:, :, :2, :2].mean((2, 3))
    np.testing.assert_allclose(onnx_logits[:, :, 7:9, 7:9].mean((2, 3)), middle, atol=1e-4)


def test_labels_are_what_full_size_logits_decide(road: Road, tmp_path: Path) -> None:
    full = exported(road, tmp_path / "full", "--output", "full")
    labels = exported(road, tmp_path / "labels", "--output", "labels")
    assert labels.manifest.output.name == "labels"
    assert labels.manifest.output.shape == (1, 1, 64, 64)
    values = normalised(full)
    expected = open_predictor(full, "onnx")(values).argmax(1)[:, None]
    for kind in ("onnx", "tnn"):
        found = open_predictor(labels, kind)(values)
        assert np.issubdtype(found.dtype, np.integer)
        assert (found == expected).mean() > 0.999
    assert {layer.record.TYPE for layer in read_proto(labels.tnnproto).layers} >= {"ArgMaxOrMin"}


def test_a_network_that_takes_bytes_normalises_them_itself(
    road: Road, usual: Artifact, tmp_path: Path
) -> None:
    raw = exported(road, tmp_path, "--input-type", "uint8")
    assert (raw.manifest.input.type, raw.manifest.input.values) == ("uint8", "0..255")
    (taken,) = onnx.load(raw.onnx).graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    for kind in ("onnx", "tnn"):
        found = open_predictor(raw, kind)(bytes_of(raw))
        np.testing.assert_allclose(found, logits_of(usual), atol=1e-3)
    assert "fold-normalisation" in {one.name for one in raw.manifest.rewrites}


def test_fp16_storage_halves_the_weights(road: Road, usual: Artifact, tmp_path: Path) -> None:
    half = exported(road, tmp_path, "--precision", "fp16", "--format", "tnn")
    assert half.manifest.tnn_storage == "fp16"
    ratio = half.tnnmodel.stat().st_size / usual.tnnmodel.stat().st_size
    assert 0.48 < ratio < 0.55
    assert half.manifest.parity["tnn"].relative < half.manifest.parity["tnn"].bound == 5e-2


def test_rewrites_are_explained_and_left_out_by_name(
    road: Road, usual: Artifact, tmp_path: Path
) -> None:
    done = road.run("export", road.latest, "--output-dir", tmp_path / "a", "--explain")
    assert "pad-classes: 1 matched" in done.out
    plain = exported(road, tmp_path / "b", "--no-rewrite", "all", "--format", "tnn")
    assert plain.name == f"{usual.name}-plain"
    assert plain.manifest.rewrites == ()
    assert usual.manifest.output.tnn_channels == 8
    assert plain.manifest.output.tnn_channels is None
    one = exported(road, tmp_path / "c", "--no-rewrite", "pad-classes", "--format", "tnn")
    assert one.name == f"{usual.name}-without-pad-classes"
    assert one.manifest.output.tnn_channels is None
    assert {"fuse-activations", "fold-depthwise-fuse"} <= {r.name for r in one.manifest.rewrites}
    counts = [len(read_proto(made.tnnproto).layers) for made in (usual, one, plain)]
    assert counts[0] <= counts[1] < counts[2]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--no-rewrite", "polish"), 2, "--no-rewrite polish: choose from"),
        (("--no-rewrite", "fold-constants"), 2, "--no-rewrite fold-constants: choose from"),
        (("--format", "mnn"), 2, "--format 'mnn': choose from onnx, tnn, tflite"),
        (("--input", "65x64"), 2, "the nearest such size is 64x64"),
        (("--converter", "official"), 2, "go together"),
        (("--images", "README.md"), 3, "not a readable image"),
    ],
)
def test_wrong_wishes_are_told_and_nothing_is_written(
    road: Road, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    done = road.run("export", road.latest, "--output-dir", tmp_path, *words)
    check_refused(done, code, message)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_ours_is_converted_from_onnx(road: Road, usual: Artifact, tmp_path: Path) -> None:
    done = road.run("export", "--from", usual.onnx, "--format", "tnn", "--output-dir", tmp_path)
    assert done.code == 0, done.err
    made = load_artifact(tmp_path / f"{usual.name}.json")
    assert made.manifest.source.kind == "onnx"
    assert made.card == usual.card
    np.testing.assert_array_equal(
        open_predictor(made, "tnn")(normalised(made)),
        open_predictor(usual, "tnn")(normalised(made)),
    )
    both = road.run("export", "--from", usual.onnx, road.latest)
    check_refused(both, 2, "name one of them")
    check_refused(road.run("export", "--from", usual.onnx, "--output", "full"), 2, "as it is")
    check_refused(
        road.run("export", "--from", usual.onnx, "--format", "tflite"), 2, "from a checkpoint"
    )
    wrong = tmp_path / "wrong.onnx"
    wrong.write_text("no model")
    check_refused(road.run("export", "--from", wrong), 4, "wrong.onnx")


def test_operators_without_a_layer_are_listed_at_once(road: Road, tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["": 20, "my.ops": 1]>
        net (float[1,3,8,8] x) => (float[1,3,8,8] y, float[1,3] z)
        { a = my.ops.Foo(x) b = my.ops.Foo(a) z = Det(b) k = Constant<value_int = 1>()
          y = CumSum(a, k) }"""
    path = tmp_path / "odd.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    done = road.run("export", "--from", path, "--output-dir", tmp_path / "out")
    check_refused(done, 4, "Foo: operators of my.ops have no TNN layer (")
    assert "Det: no TNN layer is known for it (" in done.err
    assert "CumSum: no TNN layer" in done.err
    assert not (tmp_path / "out").exists()


def test_labels_of_halved_weights_are_verified_by_the_bound_of_halves(
    road: Road, tmp_path: Path
) -> None:
    halved = exported(road, tmp_path, "--output", "labels", "--precision", "fp16")
    done = road.run("verify", halved.path, "--json")
    assert done.code == 0, done.err
    assert [row["bound"] for row in done.record["runtimes"]] == [HALF_TOLERANCE]


def test_an_export_spares_its_own_source_and_folders(
    road: Road, usual: Artifact, tmp_path: Path
) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(usual.onnx.read_bytes())
    done = road.run("export", "--from", own, "--output-dir", tmp_path)
    check_refused(done, 2, "would replace this very file")
    assert own.read_bytes() == usual.onnx.read_bytes()
    words = ("export", "--from", own, "--format", "tnn", "--output-dir", tmp_path)
    assert road.run(*words).code == 0
    before = (tmp_path / "own.json").read_bytes()
    (tmp_path / "own.tnnmodel").unlink()
    (tmp_path / "own.tnnmodel").mkdir()
    check_refused(road.run(*words), 4, "own.tnnmodel is a folder")
    assert (tmp_path / "own.json").read_bytes() == before


def test_verify_holds_the_formats_against_each_other(road: Road, usual: Artifact) -> None:
    done = road.run("verify", usual.path, "--json", "--fp16")
    assert done.code == 0, done.err
    (row,) = done.record["runtimes"]
    assert row["holds"]
    assert row["parity"]["relative"] < 1e-5
    assert done.record["half"]["first_overflow"] is None
    assert len(done.record["half"]["layers"]) == len(read_proto(usual.tnnproto).layers)
    assert done.record["inputs"] == "2 pictures (of little)"
    table = road.run("verify", usual.path, "--images", road.image)
    assert "labels equal" in table.out
    assert "1 picture (" in table.out


def test_verify_names_the_layer_that_a_runner_computes_wrongly(
    road: Road, usual: Artifact, tmp_path: Path
) -> None:
    layers = [one for one in read_proto(usual.tnnproto).layers if one.record.TYPE == "Convolution"]
    with tnntest(tmp_path) as runner:
        words = ("verify", usual.path, "--runner", runner.path, "--runner-device", "NAIVE")
        assert road.run(*words).code == 0
        runner.spoilt = layers[len(layers) // 2].name
        done = road.run(*words)
    check_refused(done, 4, f"layer {runner.spoilt!r} (Convolution) is the first to depart")


def test_verify_needs_something_to_hold_against(road: Road, tmp_path: Path) -> None:
    alone = exported(road, tmp_path, "--format", "tnn")
    check_refused(road.run("verify", alone.path), 2, "nothing to hold it against")
    check_refused(road.run("verify", alone.path, "--emulator", "qemu"), 2, "go with --runner PATH")
    script = tmp_path / "TNNTest"
    script.write_text("#!/bin/sh\necho 'E/tnn: device is nil'; exit 0\n")
    script.chmod(0o755)
    words = ("--runner", script, "--runner-device", "ARM")
    check_refused(
        road.run("verify", alone.path, *words), 6, "no output; it printed: E/tnn: device is nil"
    )


def test_bench_of_halved_weights_on_this_host(road: Road, tmp_path: Path) -> None:
    made = exported(road, tmp_path, "--precision", "fp16")
    done = road.run(
        "bench", made.path, "--device", "host", "--rounds", "2", "--iterations", "2", "--seconds",
        "0", "--warmup-seconds", "0", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.record["results"][0]["parity"]["relative"] < 5e-2


def test_bench_measures_what_takes_bytes_and_ends_in_labels(road: Road, tmp_path: Path) -> None:
    made = exported(road, tmp_path, "--input-type", "uint8", "--output", "labels")
    done = road.run(
        "bench", made.path, "--device", "host", "--rounds", "2", "--iterations", "2", "--seconds",
        "0", "--warmup-seconds", "0", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.record["results"][0]["parity"]["labels_equal"] > 0.999
    assert json.loads(made.path.read_text())["outputs"][0]["kind"] == "labels"


def test_a_run_given_as_weights_stands_for_its_best(road: Road, tmp_path: Path) -> None:
    words = ("export", "--weights", road.latest, "--output-dir", tmp_path, "--format", "onnx")
    done = road.run(*words)
    assert done.code == 0, done.err
    assert f"exporting {road.latest / 'checkpoints' / 'best.safetensors'}" in done.err
    refused = road.run(*words[:2], tmp_path, *words[3:])
    assert refused.code == 2
    assert "is a directory" in refused.err
