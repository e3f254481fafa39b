"""An export is opened by any of its files, and only when all of them are its own."""

import json
from pathlib import Path

import pytest

from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.errors import ExportError

REMEDY = "run `topformer export` again"


@pytest.mark.parametrize("suffix", [".json", ".onnx", ".tnnproto", ".tnnmodel"])
def test_every_file_opens_the_same_export(artifact: Artifact, suffix: str) -> None:
    assert load_artifact(artifact.path.with_suffix(suffix)) == artifact


def test_the_manifest_tells_everything(artifact: Artifact) -> None:
    record = json.loads(artifact.path.read_text())
    assert record["schema_version"] == 2
    assert record["card"] == {"classes": ["road", "sky"], "palette": [[1, 2, 3], [4, 5, 6]]}
    (taken,) = record["inputs"]
    assert taken == {
        "name": "input",
        "shape": [1, 3, 32, 64],
        "layout": "NCHW",
        "colour": "RGB",
        "type": "float32",
        "values": "normalised",
    }
    (given,) = record["outputs"]
    del given["tnn_channels"]  # a matter of the rewrites
    assert given == {
        "name": "logits",
        "shape": [1, 2, 4, 8],
        "kind": "logits",
        "meaning": "logits at 1/8",
    }
    assert [file["name"] for file in record["files"]] == [
        "net.onnx",
        "net.tnnproto",
        "net.tnnmodel",
    ]
    assert set(record["parity"]) == {"onnx", "tnn"}
    assert record["versions"].keys() == {"topformer", "torch", "onnx", "onnxruntime"}
    assert record["images"] == "noise"
    assert artifact.formats == ("onnx", "tnn")
    assert artifact.onnx.stat().st_size == record["files"][0]["bytes"]


@pytest.mark.parametrize("suffix", [".onnx", ".tnnproto", ".tnnmodel"])
def test_a_changed_file_is_found(artifact: Artifact, suffix: str) -> None:
    path = artifact.file(suffix)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"is not the file of this export \(sha256") as caught:
        load_artifact(artifact.path)
    assert str(path) in str(caught.value)
    assert REMEDY in str(caught.value)


def test_a_cut_file_is_found(artifact: Artifact) -> None:
    artifact.tnnmodel.write_bytes(artifact.tnnmodel.read_bytes()[:-1])
    with pytest.raises(ExportError, match=r"\d+ bytes instead of \d+"):
        load_artifact(artifact.tnnproto)


def test_missing_files_are_found(artifact: Artifact) -> None:
    artifact.tnnmodel.unlink()
    with pytest.raises(ExportError, match="names this file and it is missing"):
        load_artifact(artifact.onnx)
    artifact.path.unlink()
    with pytest.raises(ExportError, match=r"net.json: no manifest .*the export is not whole"):
        load_artifact(artifact.onnx)


def test_a_file_beside_the_export_is_not_of_it(artifact: Artifact) -> None:
    other = artifact.path.with_suffix(".txt")
    other.write_text("notes")
    with pytest.raises(ExportError, match=r"is not of the export that net.json describes"):
        load_artifact(other)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("schema_version", 1, "schema_version"),
        ("files", [], "files"),
        ("surprise", 1, "surprise"),
        ("inputs", [{"name": "input", "shape": []}], "inputs.0.shape"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    artifact: Artifact, key: str, value: object, place: str
) -> None:
    record = json.loads(artifact.path.read_text())
    record[key] = value
    artifact.path.write_text(json.dumps(record))
    with pytest.raises(ExportError, match=rf"no manifest of schema 2 \({place}: ") as caught:
        load_artifact(artifact.path)
    assert REMEDY in str(caught.value)


def test_a_name_cannot_lead_out_of_the_folder(artifact: Artifact, tmp_path: Path) -> None:
    record = json.loads(artifact.path.read_text())
    record["files"][0]["name"] = "../net.onnx"
    artifact.path.write_text(json.dumps(record))
    (tmp_path.parent / "net.onnx").write_bytes(artifact.onnx.read_bytes())
    with pytest.raises(ExportError, match="it is missing"):
        load_artifact(artifact.path)
