"""Recipes of classification: what ImageNet's set, what fits a custom set, what cannot be."""

import pytest

from topformer_cli.errors import RecipeError
from topformer_cli.recipe import CUSTOM, Choices, SetFacts, differences, load_recipe
from topformer_cli.sections.classification import ClassificationRecipe


def test_imagenet_is_trained_for_600_epochs_of_the_authors_batch() -> None:
    recipe = load_recipe("imagenet", Choices())
    epoch = 1281167 // 1024
    assert (recipe.batch, recipe.schedule.iterations) == (1024, 600 * epoch)
    assert recipe.schedule.warmup == recipe.evaluation.every == 10 * epoch
    assert recipe.optimizer.lr * recipe.schedule.warmup_ratio == pytest.approx(1e-6)
    assert isinstance(recipe, ClassificationRecipe)
    assert recipe.schedule.every == pytest.approx(2.4 * epoch)
    assert recipe.schedule.noise_every == epoch
    assert (recipe.ema, recipe.optimizer.kind, recipe.optimizer.eps) == (0.9999, "rmsprop", 1e-3)


def test_imagenet_by_adamw_differs_in_optimizer_and_schedule_alone() -> None:
    adamw, usual = (load_recipe(name, Choices("base")) for name in ("imagenet-adamw", "imagenet"))
    different = differences(adamw, usual)
    assert {key.partition(".")[0] for key in different} == {"optimizer", "schedule"}
    assert adamw.schedule.decay(375_300) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("augment.mixup=-0.1", "augment.mixup: input should be greater than or equal to 0"),
        ("augment.erase=1.5", "augment.erase: input should be less than or equal to 1, got 1.5"),
        ("augment.randaugment=-1", "augment.randaugment: input should be greater than or equal"),
        ("augment.randaugment=1.5", "augment.randaugment: input should be a valid integer"),
        ("augment.magnitude=11", "augment.magnitude: input should be less than or equal to 10"),
        ("augment.magnitude_std=-1", "augment.magnitude_std: input should be greater than"),
        ("augment.area=[1.0,0.08]", "augment.area: got [1.0, 0.08]; expected [least, most]"),
        ("optimizer.kind=sgd", "optimizer.kind: input should be 'adamw' or 'rmsprop', got 'sgd'"),
        ("optimizer.betas=[1.0,0.9]", "optimizer.betas.0: input should be less than 1, got 1.0"),
        ("optimizer.eps=0", "optimizer.eps: input should be greater than 0, got 0"),
        ("optimizer.decayed=none", "optimizer.decayed: input should be 'all', 'weights' or 'b"),
        ("schedule.factor=1.1", "schedule.factor: input should be less than or equal to 1"),
        ("schedule.every=0", "schedule.every: input should be greater than 0, got 0"),
        ("schedule.noise_from=2", "schedule.noise_from: input should be less than or equal to 1"),
        ("ema=1", "ema: input should be less than 1, got 1"),
    ],
)
def test_impossible_settings_of_pretraining_are_told(override: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe("imagenet", Choices("tiny", None, (override,)))
    assert str(error.value).startswith(f"-o {said}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "size", [(32, 32), (40, 500), (56, 56), (64, 64), (127, 161), (375, 500), (4000, 3000)]
)
def test_auto_of_a_custom_set_of_classes(size: tuple[int, int]) -> None:
    recipe = load_recipe(CUSTOM["classification"], Choices(), SetFacts("mine", size, 400))
    assert isinstance(recipe, ClassificationRecipe)
    (side, _) = recipe.evaluation.crop
    assert recipe.augment.crop == (side, side) == recipe.input_size
    assert side == 224 if min(size) >= 256 else side <= min(size)
    assert side == 64 or size != (64, 64)
    assert recipe.evaluation.short_side == side * 8 // 7
    assert (recipe.name, recipe.schedule.iterations) == ("mine", 750)


def test_mixed_pairs_are_not_torn() -> None:
    plain, mixing = (
        load_recipe("imagenet", Choices("tiny", None, (f"augment.mixup={alpha}",)))
        for alpha in (0, 0.2)
    )
    assert plain.refuses(3) is plain.refuses(128) is mixing.refuses(128) is None
    assert "a device takes 3 at once; make that even" in str(mixing.refuses(3))
