"""Weights begin a network of their own kind, of other classes, or of another task."""

from dataclasses import replace

import pytest
import torch

from tests.unit.models.conftest import MakeNetwork, make_lively, make_spec
from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint
from topformer_cli.models.design import Design
from topformer_cli.models.spec import BACKBONES, SIZES, BackboneName, ModelSpec, SizeName
from topformer_cli.models.start import fit_start


def classifier_spec(size: SizeName = "tiny", classes: int = 7) -> ModelSpec:
    spec = make_spec(size, classes)
    return replace(spec, task="classification", head="linear", fuse=None, dataset="kinds")


def classifier(size: SizeName = "tiny") -> Checkpoint:
    spec = classifier_spec(size)
    return Checkpoint(spec, make_lively(build_model(spec)).state_dict(), {"step": 3})


def test_the_same_network_is_taken_whole(lively: MakeNetwork) -> None:
    weights = lively().state_dict()
    start = fit_start(Checkpoint(make_spec(), weights, {}), make_spec(), "it", partial=False)
    assert start.report.complete
    assert start.checkpoint.weights.keys() == weights.keys()


@pytest.mark.parametrize("size", SIZES)
def test_a_classifier_gives_its_whole_trunk_to_segmentation(size: SizeName) -> None:
    pretrained = classifier(size)
    start = fit_start(pretrained, make_spec(size), "it", partial=True)
    trunk = {
        name
        for name in build_model(make_spec(size)).state_dict()
        if name.startswith(("token_pyramid.", "semantics_extractor."))
    }
    assert start.checkpoint.weights.keys() == trunk
    assert all(
        torch.equal(value, pretrained.weights[name])
        for name, value in start.checkpoint.weights.items()
    )
    assert {name.split(".")[0] for name in start.report.missing} == {"semantics_injection", "head"}
    assert {name.split(".")[1] for name in start.report.unexpected} == {"bn", "linear"}
    assert start.report.reshaped == ()


def test_another_task_is_refused_unless_asked_for() -> None:
    words = r"it is of a network for classification, not for segmentation \(\d+ tensors matched; .*"
    with pytest.raises(DataError, match=words + r"--partial-weights takes what fits") as error:
        fit_start(classifier(), make_spec(), "it", partial=False)
    assert "unexpected: head.linear.bias" in error.value.__notes__[0].splitlines()


def test_other_classes_are_refused_unless_asked_for(lively: MakeNetwork) -> None:
    given = Checkpoint(make_spec(), lively().state_dict(), {})
    other = make_spec(classes=6)
    with pytest.raises(
        DataError, match="it has 5 classes, mine has 6: its head does not fit; --reset-head drops"
    ):
        fit_start(given, other, "it", partial=False)
    start = fit_start(given, other, "it", partial=True)
    assert start.report.reshaped == ("head.classify.bias", "head.classify.weight")
    assert start.report.missing == start.report.unexpected == ()


def test_a_start_of_which_nothing_fits_is_refused() -> None:
    given = Checkpoint(make_spec(), {"other": torch.zeros(2)}, {})
    with pytest.raises(DataError, match=r"it does not fit .0 tensors matched"):
        fit_start(given, make_spec(), "it", partial=True)


@pytest.mark.parametrize("classes", [5, 6])
def test_the_layer_of_the_classes_is_dropped_when_asked(lively: MakeNetwork, classes: int) -> None:
    weights = lively().state_dict()
    given = Checkpoint(make_spec(), weights, {})
    start = fit_start(given, make_spec(classes=classes), "it", reset_head=True)
    assert start.dropped == ("head.classify.bias", "head.classify.weight")
    assert start.checkpoint.weights.keys() == weights.keys() - set(start.dropped)
    assert str(start) == (
        f"{len(weights) - 2} tensors matched, none missing, none unexpected; dropped and drawn "
        "anew: head.classify.bias, head.classify.weight (it had 5 classes)"
    )


def test_a_new_head_mends_nothing_else(lively: MakeNetwork) -> None:
    weights = lively().state_dict()
    del weights["head.fuse.bn.bias"]
    with pytest.raises(DataError, match=r"it has 5 classes, mine has 6.*head.fuse.bn.bias"):
        fit_start(Checkpoint(make_spec(), weights, {}), make_spec(classes=6), "it", reset_head=True)
    with pytest.raises(DataError, match="for classification, not for segmentation"):
        fit_start(classifier(), make_spec(), "it", reset_head=True)
    other = replace(make_spec(classes=6), design=Design(extractor="ffn"))
    given = Checkpoint(make_spec(), lively().state_dict(), {})
    with pytest.raises(DataError) as error:
        fit_start(given, other, "it", reset_head=True)
    assert "it holds TopFormer-tiny, not TopFormer-tiny (extractor ffn)" in str(error.value)
    assert "head.classify" not in str(error.value).partition(";")[0]


@pytest.mark.parametrize(("spec", "names"), [
    (classifier_spec(), ("head.linear.bias", "head.linear.weight")),
    (replace(classifier_spec(), backbone="mobilenetv3", size=None),
     ("classifier.3.bias", "classifier.3.weight")),
    (replace(classifier_spec(), task="detection", head="retinanet"),
     ("head.classification_head.cls_logits.bias", "head.classification_head.cls_logits.weight")),
])  # fmt: skip
def test_every_task_has_a_layer_of_its_classes(spec: ModelSpec, names: tuple[str, ...]) -> None:
    given = Checkpoint(spec, build_model(spec).state_dict(), {})
    wider = replace(spec, classes=(*spec.classes, "x"), palette=(*spec.palette, (0, 0, 0)))
    assert fit_start(given, wider, "it", reset_head=True).dropped == names


@pytest.mark.parametrize("backbone", ["shufflenetv2", "mobilenetv3"])
def test_torchvisions_classifier_gives_all_of_its_backbone(backbone: BackboneName) -> None:
    card = replace(classifier_spec(), backbone=backbone, size=None)
    given = Checkpoint(card, make_lively(build_model(card)).state_dict(), {})
    detector = replace(card, task="detection", head="retinanet")
    start = fit_start(given, detector, "it", partial=True)
    assert {name.split(".")[0] for name in start.report.missing} == {"neck", "head"}
    assert start.report.reshaped == ()
    network = build_model(detector)
    network.load_state_dict(dict(start.checkpoint.weights), strict=False)
    values = network.state_dict()
    assert all(torch.equal(values[name], v) for name, v in start.checkpoint.weights.items())
    for wanted in (make_spec(), replace(detector, backbone="topformer", size="tiny")):
        with pytest.raises(DataError) as error:
            fit_start(given, wanted, "it", partial=True)
        assert str(error.value) == (
            f"it holds {BACKBONES[backbone]}: nothing of it fits {wanted.network}"
        )


def test_weights_that_are_not_numbers_are_refused() -> None:
    given = classifier()
    given.weights["head.linear.bias"][0] = float("nan")
    with pytest.raises(DataError, match=r"it: head.linear.bias holds nan or inf"):
        fit_start(given, make_spec(), "it", partial=True)


@pytest.mark.parametrize("partial", [False, True])
def test_networks_of_other_kinds_have_nothing_in_common_but_by_chance(*, partial: bool) -> None:
    pytest.importorskip("torchvision")
    of = {"classes": ("a", "b"), "palette": ((0, 0, 0),) * 2}
    sea, pp = (
        ModelSpec(
            size=None, backbone=f"{name}-tiny", head="light", fuse=None, input_size=(64, 64),
            dataset="x", **of,
        )
        for name in ("seaformer", "strideformer")
    )  # fmt: skip
    given = Checkpoint(sea, build_model(sea).state_dict(), {})
    words = "it holds SeaFormer-Tiny: nothing of it fits PP-MobileSeg-Tiny$"
    with pytest.raises(DataError, match=words):
        fit_start(given, pp, "it", partial=partial)
