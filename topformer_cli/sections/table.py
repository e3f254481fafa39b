"""The recipes by task."""

from typing import Final

from topformer_cli.sections.classification import ClassificationRecipe
from topformer_cli.sections.detection import DetectionRecipe
from topformer_cli.sections.record import Recipe
from topformer_cli.sections.segmentation import SegmentationRecipe

RECIPES: Final[dict[str, type[Recipe]]] = {
    "segmentation": SegmentationRecipe,
    "classification": ClassificationRecipe,
    "detection": DetectionRecipe,
}
