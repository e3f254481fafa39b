"""What a recipe builds and what it costs, for `topformer info`."""

from dataclasses import dataclass

from topformer_cli.api.models import ModelSource, load_model
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.training import resolve_recipe
from topformer_cli.data.catalog import DATASETS
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import PartCost, cost_by_part
from topformer_cli.models.inference import check_input_size
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Choices, Recipe


@dataclass(frozen=True, slots=True)
class Description:
    """A resolved recipe, its network's cost by part, and the input size it is counted at."""

    recipe: Recipe
    costs: tuple[PartCost, ...]
    input_size: tuple[int, int]


def describe_recipe(
    name: str | None, choices: Choices, input_hw: tuple[int, int] | None, places: Places
) -> Description:
    """Resolve a recipe and count its network.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: a custom set is not prepared.
    """
    recipe = resolve_recipe(name, choices, places)
    known = DATASETS.get(recipe.dataset)
    classes = known.classes if known else open_set(recipe.dataset, places).card.classes
    return _describe(recipe, len(classes), input_hw)


def describe_run(source: ModelSource, input_hw: tuple[int, int] | None) -> Description:
    """Describe what a run or checkpoint was trained with."""
    model = load_model(source)
    return _describe(model.recipe, len(model.spec.classes), input_hw)


def _describe(recipe: Recipe, classes: int, input_hw: tuple[int, int] | None) -> Description:
    size = input_hw or recipe.input_size
    check_input_size(*size)
    spec = ModelSpec(
        task=recipe.task,
        size=recipe.size,
        head=recipe.head,
        fuse=recipe.fuse,
        classes=tuple(str(index) for index in range(classes)),
        palette=((0, 0, 0),) * classes,
        input_size=size,
        dataset=recipe.dataset,
    )
    return Description(recipe, tuple(cost_by_part(build_model(spec), *size)), size)
