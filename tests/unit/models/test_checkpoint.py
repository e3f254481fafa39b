"""Our checkpoints: round trip, and what a file that does not fit is told."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.fakes.disk import files_end_at
from tests.unit.models.conftest import MakeNetwork, make_spec
from topformer_cli.errors import DataError
from topformer_cli.models.checkpoint import (
    Checkpoint,
    build_from,
    load_checkpoint,
    save_checkpoint,
)
from topformer_cli.models.spec import ModelSpec

ORIGIN = {"step": 7, "iterations": 9, "recipe": {"seed": 0}}


@pytest.fixture
def checkpoint(lively: MakeNetwork) -> Checkpoint:
    return Checkpoint(make_spec(), lively().state_dict(), ORIGIN)


def test_round_trip_keeps_weights_card_and_origin(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "a" / "last.safetensors"
    save_checkpoint(path, checkpoint)
    read = load_checkpoint(path)
    assert read.spec == checkpoint.spec
    assert read.origin == ORIGIN
    assert read.weights.keys() == checkpoint.weights.keys()
    assert all(torch.equal(read.weights[name], v) for name, v in checkpoint.weights.items())
    network = build_from(read, "it")
    assert all(torch.equal(v, checkpoint.weights[n]) for n, v in network.state_dict().items())
    assert [one.name for one in path.parent.iterdir()] == ["last.safetensors"]


def test_channels_last_weights_are_written_as_they_are(lively: MakeNetwork, tmp_path: Path) -> None:
    network = lively().to(memory_format=torch.channels_last)
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, Checkpoint(make_spec(), network.state_dict(), {}))
    weights = load_checkpoint(path).weights
    assert all(torch.equal(v, weights[n]) for n, v in network.state_dict().items())


def test_a_full_disk_leaves_the_old_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()
    with files_end_at(1000), pytest.raises(OSError, match="File too large"):
        save_checkpoint(path, checkpoint)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no checkpoint .*gone.safetensors"):
        load_checkpoint(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 400, 60_000])
def test_cut_off_file(checkpoint: Checkpoint, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"last.safetensors is not a readable checkpoint"):
        load_checkpoint(path)


def test_foreign_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(DataError, match="no identity card; it was not written by topformer"):
        load_checkpoint(path)


def test_header_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata={"topformer": "{"})
    with pytest.raises(DataError, match="is not a readable checkpoint"):
        load_checkpoint(path)


def test_weights_of_another_shape_are_all_counted(checkpoint: Checkpoint) -> None:
    other = dataclasses.replace(checkpoint, spec=make_spec(classes=6))
    with pytest.raises(
        DataError, match=r"it does not fit TopFormer-tiny: head.classify.bias is \(5,\), not"
    ):
        build_from(other, "it")


def test_missing_and_unexpected_tensors_are_named(checkpoint: Checkpoint) -> None:
    weights = dict(checkpoint.weights)
    weights["extra"] = weights.pop("head.classify.bias")
    with pytest.raises(DataError, match=r"extra unexpected; head.classify.bias missing"):
        build_from(dataclasses.replace(checkpoint, weights=weights), "it")
    with pytest.raises(DataError, match=r"and \d+ more"):
        build_from(dataclasses.replace(checkpoint, weights={}), "it")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": "huge"}, "size 'huge'"),
        ({"task": "painting"}, "task 'painting'"),
        ({"unheard_of": 1}, "fields unheard_of"),
        ({"classes": None}, "fields classes"),
        ({"fuse": None, "palette": None}, "fields fuse, palette"),
        ({"backbone": "resnet"}, "backbone 'resnet'"),
        ({"task": "segmentation", "backbone": "mobilenetv3"}, "backbone 'mobilenetv3'"),
        ({"task": "detection", "backbone": "mobilenetv3"}, "size 'tiny'"),
    ],
)
def test_card_of_another_version(change: dict[str, object], words: str) -> None:
    record = {**make_spec().to_json(), **change}
    record = {name: value for name, value in record.items() if value is not None}
    with pytest.raises(DataError, match=f"here: the identity card does not fit.*{words}"):
        ModelSpec.from_json(record, "here")


def mobilenet() -> ModelSpec:
    return dataclasses.replace(
        make_spec(), task="detection", head="retinanet", backbone="mobilenetv3", size=None
    )


@pytest.mark.parametrize("spec", [make_spec(), mobilenet()], ids=lambda spec: spec.variant)
def test_card_survives_json(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json())), "here") == spec


def test_a_card_from_before_other_backbones_is_topformers() -> None:
    record = make_spec().to_json()
    del record["backbone"]
    assert ModelSpec.from_json(record, "here") == make_spec()
    with pytest.raises(DataError, match="size None"):
        ModelSpec.from_json({**record, "size": None}, "here")


def test_networks_are_called_what_they_are() -> None:
    for spec, network, short_name in (
        (make_spec(), "TopFormer-tiny", "topformer-tiny"),
        (dataclasses.replace(make_spec("base"), task="detection"), "RetinaNet with TopFormer-base",
         "topformer-base"),
        (mobilenet(), "RetinaNet with MobileNetV3", "retinanet-mobilenetv3"),
    ):  # fmt: skip
        assert (spec.network, spec.short_name) == (network, short_name)


def test_terms_of_the_weights_that_a_network_began_with_hold_for_it() -> None:
    own = dataclasses.replace(make_spec(), dataset="mine", data_terms="ask me")
    start = dataclasses.replace(make_spec(), dataset="theirs", data_terms="research only")
    free = dataclasses.replace(make_spec(), data_terms="")
    assert own.begun_from(start).data_terms == (
        "ask me; began with weights from theirs: research only"
    )
    assert own.begun_from(start).begun_from(start) == own.begun_from(start)
    assert free.begun_from(start).data_terms == "began with weights from theirs: research only"
    assert own.begun_from(free) == own
    assert own.begun_from(own) == own


def test_card_of_the_first_version_is_read() -> None:
    record = {
        "task": "segmentation", "size": "tiny", "head": "simple", "fuse": "depthwise",
        "classes": ["a", "b"], "palette": [[1, 2, 3], [4, 5, 6]], "input_size": [512, 512],
        "dataset": "mine", "data_terms": "", "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
    }  # fmt: skip
    spec = ModelSpec.from_json(record, "here")
    assert (spec.task, spec.fuse, spec.palette[1]) == ("segmentation", "depthwise", (4, 5, 6))
    assert spec == ModelSpec.from_json({k: v for k, v in record.items() if k != "task"}, "here")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 5},
        {"classes": ["only one"]},
        {"palette": [[1, 2]] * 5},
        {"palette": "abcde"},
        {"input_size": [64]},
        {"input_size": ["a", "b"]},
        {"mean": [1, 2]},
        {"std": "none"},
        {"dataset": None},
        {"head": "of another world"},
        {"head": [1]},
        {"fuse": "half"},
        None,
    ],
)
def test_false_cards(
    checkpoint: Checkpoint, tmp_path: Path, change: dict[str, object] | None
) -> None:
    path = tmp_path / "false.safetensors"
    save_checkpoint(path, checkpoint)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["topformer"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["spec"] = {**header["spec"], **change} if change else "no card"
    save_file(weights, path, {"topformer": json.dumps(header)})
    with pytest.raises(
        DataError, match=r"false.safetensors: the identity card is (damaged|no rec)"
    ):
        load_checkpoint(path)
