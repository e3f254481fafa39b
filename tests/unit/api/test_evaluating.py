"""Protocols by their names: the authors' code, the paper, and a recipe's own."""

import pytest

from topformer_cli.api.evaluating import MMDETECTION, OWN, by_protocol, protocol_of
from topformer_cli.errors import UsageError
from topformer_cli.recipe import Choices, Recipe, load_recipe
from topformer_cli.sections.segmentation import SegmentationRecipe


def recipe(name: str, *overrides: str, preset: str | None = None) -> SegmentationRecipe:
    found = load_recipe(name, Choices("tiny", preset, overrides))
    assert isinstance(found, SegmentationRecipe)
    return found


@pytest.mark.parametrize(
    ("name", "preset", "wanted", "resize", "scale", "called"),
    [
        ("pascal-context", "code", None, "keep_ratio", (520, 520), "code"),
        ("pascal-context", "code", "paper", "stretch", (480, 480), "paper"),
        ("pascal-context-59", "paper", None, "stretch", (480, 480), "paper"),
        ("pascal-context-59", "paper", "code", "keep_ratio", (520, 520), "code"),
        ("ade20k", "code", "paper", "keep_ratio", (2048, 512), "code and paper"),
        ("ade20k-448", "code", None, "keep_ratio", (2048, 448), "code and paper"),
        ("coco-stuff-10k", "code", "code", "keep_ratio", (2048, 512), "code and paper"),
    ],
)
def test_protocols(
    name: str, preset: str, wanted: str, resize: str, scale: tuple[int, int], called: str
) -> None:
    found: Recipe = by_protocol(recipe(name, preset=preset), wanted)  # type: ignore[arg-type]
    assert isinstance(found, SegmentationRecipe)
    assert (found.evaluation.resize, found.evaluation.scale) == (resize, scale)
    assert protocol_of(found) == called


def test_what_is_neither_has_a_name_of_its_own() -> None:
    own = recipe("ade20k", "evaluation.scale=[2048,384]")
    assert protocol_of(own) == OWN
    back = by_protocol(own, "paper")
    assert isinstance(back, SegmentationRecipe)
    assert back.evaluation.scale == (2048, 512)


@pytest.mark.parametrize("name", ["coco-retinanet", "imagenet"])
def test_tasks_without_protocols_refuse_them(name: str) -> None:
    with pytest.raises(UsageError, match=f"recipe {name} has no such protocol"):
        by_protocol(load_recipe(name, Choices()), "paper")


def test_detection_is_tested_as_mmdetection_does_or_not() -> None:
    usual = load_recipe("coco-retinanet", Choices("base"))
    assert protocol_of(usual) == MMDETECTION
    rarely = load_recipe("coco-retinanet", Choices(overrides=("evaluation.every=9",)))
    assert protocol_of(rarely) == MMDETECTION
    smaller = load_recipe("coco-retinanet", Choices(overrides=("evaluation.scale=[667,400]",)))
    assert protocol_of(smaller) == OWN


def test_a_custom_set_has_no_paper() -> None:
    assert protocol_of(recipe("scenes")) == OWN
    custom = recipe("ade20k").model_copy(update={"name": "photos-of-mine"})
    assert protocol_of(custom) == OWN
    with pytest.raises(UsageError, match="photos-of-mine has no such protocol; leave"):
        by_protocol(custom, "paper")
