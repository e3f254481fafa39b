"""The sides of images in recipes of detection."""

import pytest

from topformer_cli.errors import RecipeError
from topformer_cli.recipe import Choices, SetFacts, load_recipe, parse_resolved
from topformer_cli.sections.detection import DetectionRecipe


@pytest.mark.parametrize("name", ["coco-retinanet", "custom-detection"])
def test_one_scale_is_enough_to_change_both_sides(name: str) -> None:
    facts = SetFacts("mine", (480, 640), 100)
    for overrides, least in (
        (("augment.scale=[256,192]",), 192),
        (("augment.scale=[256,192]", "augment.least_short=128"), 128),
        ((), 800 if name == "coco-retinanet" else 480),
    ):
        found = load_recipe(name, Choices(None, None, overrides), facts)
        assert isinstance(found, DetectionRecipe)
        assert found.augment.least_short == least
        assert parse_resolved(found.model_dump(mode="json"), "it") == found


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("augment.scale=[256,192]", "augment.least_short=200"),
            "-o augment.least_short: got 200; above the short side of augment.scale [256, 192]; "
            "lower it, or take auto to follow the scale",
        ),
        (
            ("augment.scale=[192,256]",),
            "-o augment.scale: got [192, 256]; expected [long side, short side]",
        ),
        (("augment.scale=256",), "-o augment.scale: expected a list, as in [512, 512], got 256"),
    ],
)
def test_sides_that_do_not_go_together_are_told_once(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("coco-retinanet", Choices(None, None, overrides))
    assert str(error.value) == said
