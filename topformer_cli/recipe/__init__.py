"""Recipes: one strict YAML file a data set, resolved into the frozen record of its task.

Precedence, lowest first: recipe file, by_size, preset, overrides of a recipe that names this one as
its base, -o overrides.
"""

from typing import Final

from topformer_cli.recipe.files import (
    CUSTOM,
    ablation_names,
    awaits_set_of_its_name,
    baseline_names,
    find_recipe,
    recipe_names,
    recipe_of_set,
    recipes_dir,
)
from topformer_cli.recipe.layers import Choices
from topformer_cli.recipe.load import SetFacts, load_recipe, load_resolved, parse_resolved
from topformer_cli.recipe.settings import (
    departures,
    differences,
    preset_names,
    preset_settings,
    settings,
)
from topformer_cli.sections.record import DEFAULT_SIZE, Recipe
from topformer_cli.sections.table import RECIPES

__all__ = [
    "CUSTOM",
    "DEFAULT_RECIPE",
    "DEFAULT_SIZE",
    "RECIPES",
    "Choices",
    "Recipe",
    "SetFacts",
    "ablation_names",
    "awaits_set_of_its_name",
    "baseline_names",
    "departures",
    "differences",
    "find_recipe",
    "load_recipe",
    "load_resolved",
    "parse_resolved",
    "preset_names",
    "preset_settings",
    "recipe_names",
    "recipe_of_set",
    "recipes_dir",
    "settings",
]

DEFAULT_RECIPE: Final = "ade20k"
