"""The recipes of published sets: what the authors' configurations say, for every size."""

import pytest

from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.recipe import CUSTOM, Choices, load_recipe, recipe_names
from topformer_cli.sections.segmentation import SegmentationRecipe

CONTEXT = ("pascal-context", "pascal-context-59")
STUFF = ("coco-stuff-10k", "coco-stuff-164k")
EVERY = pytest.mark.parametrize("size", SIZES)


def load(name: str, size: SizeName, preset: str | None = None) -> SegmentationRecipe:
    recipe = load_recipe(name, Choices(size, preset))
    assert isinstance(recipe, SegmentationRecipe)
    return recipe


def test_every_published_set_with_masks_has_a_recipe_of_its_name() -> None:
    masks = {name for name, spec in DATASETS.items() if spec.task == "segmentation"}
    assert masks <= {*recipe_names()} - {*CUSTOM.values()}
    assert all(load(name, "tiny").dataset == name for name in masks)


@EVERY
@pytest.mark.parametrize("name", [*CONTEXT, *STUFF])
@pytest.mark.parametrize("preset", ["code", "paper"])
def test_schedule(name: str, size: SizeName, preset: str) -> None:
    recipe = load(name, size, preset)
    assert (recipe.batch, recipe.schedule.iterations, recipe.schedule.warmup) == (16, 80_000, 1500)
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay) == (1.2e-4, 0.01)
    assert (recipe.optimizer.head_lr_factor, recipe.schedule.power) == (10.0, 1.0)
    assert (recipe.model.drop_path, recipe.model.dropout) == (0.1, 0.1)
    assert recipe.augment.ratio == (0.5, 2.0)
    assert recipe.fuse == ("depthwise" if (size, preset) == ("tiny", "code") else "full")


@EVERY
@pytest.mark.parametrize("name", CONTEXT)
def test_context_is_tested_with_its_ratio_or_stretched(name: str, size: SizeName) -> None:
    code, paper = (load(name, size, preset) for preset in ("code", "paper"))
    assert code.augment == paper.augment
    assert (code.augment.crop, code.augment.scale) == ((480, 480), (520, 520))
    assert (code.evaluation.resize, code.evaluation.scale) == ("keep_ratio", (520, 520))
    assert (paper.evaluation.resize, paper.evaluation.scale) == ("stretch", (480, 480))
    assert code.evaluation.multiple == paper.evaluation.multiple == 1
    assert load(name, size) == code


@EVERY
@pytest.mark.parametrize("name", STUFF)
@pytest.mark.parametrize("preset", ["code", "paper"])
def test_stuff_is_tested_at_512_without_a_second_resize(
    name: str, size: SizeName, preset: str
) -> None:
    recipe = load(name, size, preset)
    assert (recipe.augment.crop, recipe.augment.scale) == ((512, 512), (2048, 512))
    assert (recipe.evaluation.resize, recipe.evaluation.scale) == ("keep_ratio", (2048, 512))
    assert recipe.evaluation.multiple == 1
