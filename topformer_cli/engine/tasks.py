"""The tasks by name, and the identity card of what a recipe trains."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.classification import ClassificationTask
from topformer_cli.engine.detection import DetectionTask
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.task import Task
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Recipe

# Any: a task takes the recipe of its own kind, which stands under the same name in RECIPES.
TASKS: Final[Mapping[str, Callable[[Any, PreparedSet, ModelSpec], Task]]] = {
    "segmentation": SegmentationTask,
    "classification": ClassificationTask,
    "detection": DetectionTask,
}


def make_task(recipe: Recipe, prepared: PreparedSet, spec: ModelSpec) -> Task:
    """Return the task of a recipe on a set.

    Raises:
        DataError: the labels of the set are of another kind.
    """
    prepared.require(recipe.task)
    return TASKS[recipe.task](recipe, prepared, spec)


def model_spec(recipe: Recipe, card: DatasetCard) -> ModelSpec:
    """Write the identity card of the network that a recipe trains on a set."""
    return replace(
        sketched_spec(recipe, len(card.classes)),
        classes=card.classes,
        palette=card.palette,
        dataset=card.name,
        data_terms=card.terms,
        codes=card.codes,
    )


def sketched_spec(recipe: Recipe, classes: int) -> ModelSpec:
    """Write the card of a recipe's network for so many classes, of which only the number counts."""
    return ModelSpec(
        task=recipe.task,
        backbone=recipe.backbone,
        size=recipe.size,
        head=recipe.head,
        fuse=recipe.fuse,
        design=recipe.design,
        classes=tuple(str(index) for index in range(classes)),
        palette=((0, 0, 0),) * classes,
        input_size=recipe.input_size,
        dataset=recipe.dataset,
    )
