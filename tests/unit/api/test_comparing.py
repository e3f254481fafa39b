"""What speaks against holding a score against a published one, each reason by itself."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.evidence import (
    COUNTS,
    IMAGENET,
    card_of,
    evidence_like,
    recipe_of,
    result_like,
    spec_of,
)
from topformer_cli.api.comparing import Evidence, compare, measured
from topformer_cli.recipe import Choices, load_recipe
from topformer_cli.results.ledger import Spread, Start, TrainingData
from topformer_cli.results.published import PUBLISHED, Published

BY_KEY = {(row.source, row.recipe, row.size): row for row in PUBLISHED}
SMALL = BY_KEY["paper Table 1", "ade20k", "small"]
TINY = BY_KEY["README 2x8", "ade20k", "tiny"]
CONTEXT = BY_KEY["paper Table 9", "pascal-context", "tiny"]
BOXES = BY_KEY["paper Table 11", "coco-retinanet", "tiny"]
SCRATCH = Start()
OTHER = Start(kind="other", file="w", task="segmentation", dataset="coco-stuff-10k")
OF_16 = "departs from ade20k, preset paper, in "
PARTIAL = TrainingData(name="ade20k", fingerprint="", partial="partial: train 4 of 20210")


def reasons(evidence: Evidence, row: Published = SMALL, split: str = "val") -> tuple[str, ...]:
    comparison = compare(evidence, result_like(row, 30.0, split))
    assert comparison is not None
    assert comparison.comparable == (comparison.reasons == ())
    return comparison.reasons


@pytest.mark.parametrize(
    ("ledger", "reason"),
    [
        ({"start": SCRATCH}, "no ImageNet weights"),
        ({"start": Start(kind="unknown", file="w")}, "began with weights of unknown origin"),
        ({"start": OTHER}, "began with weights for segmentation on coco-stuff-10k"),
        ({"start": replace(IMAGENET, ours=True)}, "ImageNet weights are not the authors'"),
        (
            {"start": replace(IMAGENET, left=7)},
            "ImageNet weights left 7 tensors of the backbone as drawn",
        ),
        ({"data": PARTIAL}, "trained on a partial set (train 4 of 20210)"),
        (
            {"spread": Spread(batch=16, per_device=2, processes=8)},
            "batch normalisation over 2 images, not 16",
        ),
        (
            {"spread": Spread(batch=16, per_device=4, accumulation=4)},
            "batch normalisation over 4 images, not 16",
        ),
        ({"spread": Spread(batch=16, per_device=16, norm="frozen")}, "batch normalisation frozen"),
    ],
)
def test_what_the_ledger_says_is_a_reason(ledger: dict[str, Any], reason: str) -> None:
    assert reasons(evidence_like(SMALL, **ledger)) == (reason,)


def test_synchronised_statistics_over_the_batch_are_the_authors() -> None:
    spread = Spread(batch=16, per_device=4, processes=4, norm="sync")
    assert reasons(evidence_like(SMALL, spread=spread)) == ()


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("optimizer.lr=1e-3",), OF_16 + "optimizer.lr (0.001, not 0.00012)"),
        (("ema=0.999",), OF_16 + "ema (0.999, not 0)"),
        (("batch=8",), OF_16 + "batch (8, not 16)"),
        (("augment.flip=0",), OF_16 + "augment.flip (0, not 0.5)"),
        (("augment.photometric=false",), OF_16 + "augment.photometric (false, not true)"),
        (("evaluation.scale=[512,96]",), "protocol differs in scale ([512, 96], not [2048, 512])"),
        (("schedule.iterations=20",), "fewer iterations (20, not 160000)"),
        (("schedule.iterations=320000",), "more iterations (320000, not 160000)"),
        (
            (
                "loss.normalise=valid", "augment.flip=0", "model.dropout=0", "optimizer.lr=1e-3",
                "batch=8",
            ),
            OF_16 + "batch (8, not 16), optimizer.lr (0.001, not 0.00012), model.dropout (0, "
            "not 0.1), augment.flip (0, not 0.5) and 1 more",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_departs_is_a_reason(overrides: tuple[str, ...], reason: str) -> None:
    assert reasons(evidence_like(SMALL, *overrides)) == (reason,)


@pytest.mark.parametrize(
    "override",
    [
        "seed=7",
        "amp=bf16",
        "evaluation.every=4000",
        "pixels=files",
        "compile=off",
        "device_batch=4",
    ],
)
def test_what_is_noise_is_no_reason(override: str) -> None:
    assert reasons(evidence_like(SMALL, override)) == ()


def test_a_best_checkpoint_of_an_earlier_step_has_fewer_iterations() -> None:
    evidence = evidence_like(SMALL, origin={"step": 144_000})
    assert reasons(evidence) == ("fewer iterations (144000, not 160000)",)


def test_split_and_data_are_reasons() -> None:
    whole = evidence_like(SMALL)
    assert reasons(whole, split="train") == ("split train, not val",)
    short = replace(whole, card=card_of("ade20k", {**COUNTS, "val": 2000}))
    assert reasons(short) == ("10 of 2000 images of val",)
    elsewhere = replace(whole, spec=spec_of(whole.recipe, "coco-stuff-164k"))
    assert reasons(elsewhere) == ("trained on coco-stuff-164k",)


def test_reasons_add_up_and_the_nearest_score_is_named() -> None:
    evidence = evidence_like(SMALL, "batch=2", start=SCRATCH, spread=Spread(batch=2, per_device=2))
    comparison = compare(evidence, result_like(SMALL, 3.0))
    assert comparison is not None
    assert comparison.line() == (
        "not comparable: no ImageNet weights; departs from ade20k, preset paper, in batch "
        "(2, not 16); batch normalisation over 2 images, not 16 (held against paper Table 1)"
    )


def test_small_and_base_are_held_against_paper_and_readme_at_once() -> None:
    comparison = compare(evidence_like(SMALL), result_like(SMALL, 36.3))
    assert comparison is not None
    assert comparison.line() == (
        "published: paper Table 1 36.1 (here +0.20), README 2x8 36.5 (here -0.20)"
    )


def test_tiny_by_the_authors_code_is_not_held_against_the_paper() -> None:
    comparison = compare(evidence_like(TINY), result_like(TINY, 33.0))
    assert comparison is not None
    assert [one.source for one in comparison.beside] == ["README 2x8"]


def test_context_by_the_authors_code_is_tested_otherwise_than_the_paper_says() -> None:
    as_code = replace(CONTEXT, preset="code")
    (fuse, *rest) = reversed(reasons(evidence_like(as_code), CONTEXT))
    assert rest == ["protocol differs in resize (keep_ratio, not stretch), scale ([520, 520], "
                    "not [480, 480])"]  # fmt: skip
    assert fuse.endswith("preset paper, in model.fuse (depthwise, not full)")


def test_detectors_are_normalised_over_two_images_each() -> None:
    one = evidence_like(BOXES, spread=Spread(batch=16, per_device=16))
    assert reasons(one, BOXES) == ("batch normalisation over 16 images, not 2",)


@pytest.mark.parametrize(("backbone", "value"), [("shufflenetv2", 25.9), ("mobilenetv3", 27.2)])
def test_other_backbones_are_held_against_their_own_row(backbone: str, value: float) -> None:
    recipe = load_recipe("coco-retinanet", Choices(overrides=(f"model.backbone={backbone}",)))
    evidence = replace(evidence_like(BOXES), recipe=recipe, spec=spec_of(recipe, "coco"))
    comparison = compare(evidence, result_like(BOXES, value))
    assert comparison is not None
    assert comparison.reasons == (
        "the paper took it from Mobile-Former, which trained by a recipe of its own",
    )
    assert comparison.nearest == "paper Table 11"


def test_runs_before_ledgers_tell_what_they_know() -> None:
    for begun, said in (
        ("scratch", "no ImageNet weights"),
        ("weights.pth", "began with weights of unknown origin"),
    ):
        old = evidence_like(SMALL, origin={"ledger": None, "from": begun})
        assert reasons(old) == (said,)


def foreign(row: Published, *, name: str = "topformer.pth", complete: bool = True) -> Evidence:
    recipe = recipe_of(row)
    origin = {"file": name, "complete": complete}
    return Evidence(recipe, spec_of(recipe, row.dataset), origin, card_of(row.dataset))


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("topformer.pth", ["README 2x8", "README 4x8"]),
        ("topformer-T_512x512_2x8_160k-33.6.pth", ["README 2x8"]),
        ("topformer-T_512x512_4x8_160k-34.6.pth", ["README 4x8"]),
    ],
)
def test_the_authors_weights_are_held_against_their_readme(name: str, sources: list[str]) -> None:
    comparison = compare(foreign(TINY, name=name), result_like(TINY, 33.6))
    assert comparison is not None
    assert [one.source for one in comparison.beside] == sources
    assert comparison.line().endswith("; if the file is the authors' own")


def test_the_authors_weights_for_448_are_tested_at_448() -> None:
    evidence = foreign(TINY, name="topformer-T_448x448_2x8_160k-32.5.pth")
    assert reasons(evidence, TINY) == ("protocol differs in scale ([2048, 512], not [2048, 448])",)


def test_foreign_weights_need_the_network_the_split_and_all_of_the_file() -> None:
    whole = foreign(TINY)
    assert reasons(whole, TINY, "train") == ("split train, not val",)
    assert reasons(foreign(TINY, complete=False), TINY) == ("the file does not fill the network",)
    full = replace(whole, spec=replace(whole.spec, fuse="full"))
    assert reasons(full, TINY) == ("fuse convolution full, not depthwise",)
    assert reasons(foreign(CONTEXT), CONTEXT) == ("weights of unknown origin",)


def test_imagenet_weights_of_the_authors_have_their_accuracy_and_ours_have_not() -> None:
    row = BY_KEY["paper footnote 3", None, "base"]
    whole = foreign(replace(row, recipe="imagenet"))
    comparison = compare(whole, result_like(row, 75.0))
    assert comparison is not None
    assert [(one.source, one.difference) for one in comparison.beside] == [
        ("paper footnote 3", -0.3)
    ]
    ours = replace(whole, origin={"recipe": {}})
    assert "made of what they said of it" in reasons(ours, row)[0]


def test_a_set_that_only_has_the_name_of_a_published_one_is_a_custom_set() -> None:
    evidence = replace(evidence_like(SMALL), card=card_of("ade20k", {}))
    found = measured(evidence, result_like(SMALL, 30.0))
    assert found.comparison is None
    assert "comparison" not in found.to_json()


def test_the_record_tells_the_same() -> None:
    record = measured(evidence_like(SMALL), result_like(SMALL, 36.3)).to_json()
    assert record["miou"] == 36.3
    assert record["comparison"]["comparable"] is True
    assert record["comparison"]["beside"][0] == {
        "source": "paper Table 1", "value": 36.1, "difference": 0.2,
    }  # fmt: skip
    without = measured(evidence_like(SMALL, start=SCRATCH), result_like(SMALL, 36.3)).to_json()
    assert without["comparison"]["comparable"] is False
    assert without["comparison"]["reasons"] == ("no ImageNet weights",)
