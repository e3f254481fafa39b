"""Classifiers of other libraries, as these publish them, begin the baselines."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import efficientnet_b1, mobilenet_v2, resnet18

from tests.unit.models.conftest import LIBRARIES, make_lively, make_spec
from tests.unit.models.test_start import classifier
from topformer_cli.errors import DataError
from topformer_cli.models.backbones import CLASSIFIERS
from topformer_cli.models.baselines.classifiers import CLASSIFIERS as OF_ENCODERS
from topformer_cli.models.baselines.encoders import segformer
from topformer_cli.models.baselines.files import CLASSIFIER_FILES, UNLIKE
from topformer_cli.models.baselines.table import BASELINES, ENCODER_NAMES, Baseline
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint
from topformer_cli.models.foreign.names import V1C
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import ModelSpec
from topformer_cli.models.start import Start, fit_start
from topformer_cli.models.zoo import ZOO

BEGUN = {row.encoder: key for key, row in reversed(BASELINES.items())}
"""Encoder -> the first network that has it."""
WHOLE = {file.encoders[0]: name for name, file in CLASSIFIER_FILES.items() if file.encoders}


def card(row: Baseline) -> ModelSpec:
    return replace(make_spec(), size=None, fuse=None, head=row.head, backbone=row.encoder)


def published(backbone: str, folder: Path) -> tuple[dict[str, Tensor], Path]:
    """Write a classifier as its library does; return its tensors by our names, and the file."""
    pytest.importorskip(LIBRARIES.get(backbone, "torchvision"))
    torch.manual_seed(5)
    network: Any = make_lively(CLASSIFIERS[backbone](5))
    state = network.state_dict()
    if backbone == "mit-b0":
        whole = segformer("SegformerForImageClassification", num_labels=5)
        whole.load_state_dict(state)
        whole.save_pretrained(folder)  # by the names from before transformers 5, as published
        return state, folder / "model.safetensors"
    if backbone == "hrnet-w18-small":
        save_file(state, folder / "model.safetensors")
        return state, folder / "model.safetensors"
    inverse = (
        {ours: f"stem.{place}" for place, ours in V1C.items()} if backbone == "resnet18" else {}
    )
    renamed = {}
    for name, value in state.items():
        module, _, leaf = name.rpartition(".")
        renamed[f"{inverse.get(module, module)}.{leaf}"] = value
    torch.save(OrderedDict(renamed), folder / "theirs.pth")
    return state, folder / "theirs.pth"


def begun(path: Path, row: Baseline, *, partial: bool = False) -> Start:
    given = read_weights(Request(path, partial=partial, wanted=row))
    return fit_start(given, card(row), "it", partial=partial)


@pytest.mark.parametrize("encoder", WHOLE)
def test_an_encoder_is_all_that_its_classifier_has_of_it(encoder: str, tmp_path: Path) -> None:
    backbone, row = WHOLE[encoder], BASELINES[BEGUN[encoder]]
    state, path = published(backbone, tmp_path)
    read = read_weights(Request(path))
    assert (read.spec.backbone, read.spec.task, len(read.spec.classes)) == (
        backbone, "classification", 5,
    )  # fmt: skip
    assert all(torch.equal(state[name], value) for name, value in read.weights.items())
    start = begun(path, row)
    network = build_model(card(row)).state_dict()
    assert start.checkpoint.weights.keys() == {n for n in network if n.startswith("encoder.")}
    file = CLASSIFIER_FILES[backbone]
    named = {file.in_encoder(name): value for name, value in state.items()}
    assert all(torch.equal(named[n], value) for n, value in start.checkpoint.weights.items())
    assert file.classes in start.of_classifier
    assert {one.split(".")[0] for one in start.report.missing} == {"head"}
    heads = len(network) - len(start.checkpoint.weights)
    count = len(start.checkpoint.weights)
    assert str(start).startswith(f"{count} tensors matched, none missing, none unexpected; ")
    assert f"; {len(start.of_classifier)} of the classifier dropped (" in str(start)
    assert f"; {heads} of the head drawn anew (head." in str(start)


def test_transformers_classifier_computes_what_it_did() -> None:
    pytest.importorskip("transformers")
    own: Any = CLASSIFIERS["mit-b0"](5).eval()
    whole = segformer("SegformerForImageClassification", num_labels=5).eval()
    whole.load_state_dict(own.state_dict())
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(own(images), whole(images).logits, atol=1e-6)


def test_every_classifier_but_the_detectors_own_is_of_an_encoder() -> None:
    assert {*OF_ENCODERS} | {"shufflenetv2", "mobilenetv3"} == {*CLASSIFIERS}
    of_paper = {row.encoder for row in BASELINES.values() if row.of_paper}
    assert {*WHOLE} == of_paper - {"mobilenetv3-large-reduced"}
    assert {*UNLIKE} <= {*ENCODER_NAMES}


def test_open_mmlabs_stem_computes_what_it_did(tmp_path: Path) -> None:
    state, path = published("resnet18", tmp_path)
    theirs = torch.load(path, weights_only=True)
    parts: list[nn.Module] = []
    for inputs, outputs, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
        parts += [
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        ]  # fmt: skip
    stem = nn.Sequential(*parts).eval()
    stem.load_state_dict(
        {n.removeprefix("stem."): v for n, v in theirs.items() if n.startswith("stem.")}
    )
    row = BASELINES["liteaspp-resnet18"]
    network: Any = build_model(card(row)).eval()
    network.load_state_dict(begun(path, row).checkpoint.weights, strict=False)
    images = torch.randn(1, 3, 64, 64)
    encoder = network.encoder
    with torch.no_grad():
        assert torch.equal(stem(images), encoder.relu(encoder.bn1(encoder.conv1(images))))
    assert state["bn1.weight"] is not None


def test_a_file_of_another_network_is_told_what_fits(tmp_path: Path) -> None:
    row = BASELINES["liteaspp-resnet18"]
    fits = (
        "; it begins with open-mmlab's resnet18_v1c (--weights open-mmlab-resnet18); torchvision's "
        "resnet18 begins with one 7x7 convolution in place of three 3x3"
    )
    torch.save(resnet18().state_dict(), tmp_path / "plain.pth")
    torch.save(mobilenet_v2(num_classes=5).state_dict(), tmp_path / "other.pth")
    for name, words in (("plain.pth", "holds nothing that fits"), ("other.pth", "nothing of it")):
        with pytest.raises(DataError) as error:
            begun(tmp_path / name, row, partial=True)
        assert words in str(error.value)
        assert str(error.value).endswith(f"Lite-ASPP with ResNet18{fits}")
    with pytest.raises(
        DataError, match="it holds TopFormer-tiny: nothing of it fits Lite-ASPP"
    ) as e:
        fit_start(classifier(), card(row), "it", partial=True)
    assert str(e.value).endswith(fits)


def test_a_larger_network_of_the_kind_is_told_what_fits(tmp_path: Path) -> None:
    torch.save(efficientnet_b1(num_classes=5).state_dict(), tmp_path / "b1.pth")
    with pytest.raises(DataError, match=r"does not match EfficientNet: .* unexpected") as error:
        begun(tmp_path / "b1.pth", BASELINES["deeplabv3plus-efficientnet"])
    assert str(error.value).endswith(
        "it begins with torchvision's efficientnet_b0 (--weights torchvision-efficientnet)"
    )


def test_the_reduced_encoder_has_no_file_and_takes_a_part_of_one(tmp_path: Path) -> None:
    row = BASELINES["lraspp-mobilenetv3-large-reduced"]
    _, path = published("mobilenetv3", tmp_path)
    with pytest.raises(DataError, match=r"of another shape .*; nobody publishes ImageNet weights"):
        begun(path, row)
    start = begun(path, row, partial=True)
    left = {name.split(".")[1] for name in start.report.reshaped}
    assert left == {"13", "14", "15", "16"}
    assert "encoder.12.block.3.0.weight" in start.checkpoint.weights


def test_a_file_that_lacks_its_classes_is_told(tmp_path: Path) -> None:
    state = mobilenet_v2().state_dict()
    del state["classifier.1.weight"]
    torch.save(state, tmp_path / "cut.pth")
    words = "has no classifier.1.weight; give torchvision's mobilenet_v2 as a whole"
    with pytest.raises(DataError, match=words):
        begun(tmp_path / "cut.pth", BASELINES["raspp-mobilenetv2"])
    torch.save(mobilenet_v2(num_classes=5).state_dict(), tmp_path / "whole.pth")
    words = r"not TopFormer-tiny; -o model\.network=raspp-mobilenetv2 takes it"
    with pytest.raises(DataError, match=words):
        read_weights(Request(tmp_path / "whole.pth", "tiny"))


def test_a_classifiers_card_comes_back() -> None:
    spec = replace(
        make_spec(), task="classification", head="linear", size=None, fuse=None, backbone="resnet18"
    )
    assert ModelSpec.from_json(spec.to_json(), "a card") == spec
    assert spec.network == "ResNet18"
    with pytest.raises(DataError, match="backbone 'resnet18'"):
        ModelSpec.from_json({**spec.to_json(), "task": "detection"}, "a card")
    assert Checkpoint(spec, build_model(spec).state_dict(), {}).spec.variant == "resnet18"


def test_published_digits_are_those_that_torchvision_gives() -> None:
    urls = {
        weights.url
        for name in dir(torchvision.models)
        if name.endswith("_Weights")
        for weights in getattr(torchvision.models, name)
    }
    rows = [one for one in ZOO.values() if one.publisher == "torchvision"]
    assert len(rows) == 4
    for one in rows:
        assert one.url in urls
        assert (len(one.sha256), one.url.endswith(f"-{one.sha256}.pth")) == (8, True)
