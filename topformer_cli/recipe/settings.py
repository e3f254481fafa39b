"""The settings of resolved recipes by dotted key, and where two recipes differ."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from topformer_cli.recipe.files import recipe_path
from topformer_cli.recipe.layers import Choices, read_recipe
from topformer_cli.recipe.load import SetFacts, load_recipe
from topformer_cli.sections.record import Recipe

NAMES: Final = ("name", "size", "preset")
"""Keys that say which recipe it is, not what it sets."""

Settings = Mapping[str, Any]
"""Plain values by dotted key."""


def settings(recipe: Recipe) -> dict[str, Any]:
    """Return every setting by dotted key, and where that is `auto`, what it stands for."""
    found = {**dict(_flat(recipe.model_dump(mode="json"), "")), **recipe.stands_for}
    return {key: value for key, value in found.items() if key not in NAMES}


def differences(recipe: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return the settings in which recipes differ: the first one's value and the other's.

    A setting that one of them does not have is None there.
    """
    mine, others = settings(recipe), settings(other)
    keys = dict.fromkeys((*mine, *others))
    pairs = {key: (mine.get(key), others.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def departures(recipe: Recipe, reference: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return the differences that were chosen: a recipe's value and the reference's.

    Another network or optimizer brings keys of its own and lacks others: the lacking ones are left
    out, and its own where they have their defaults.
    """
    mine = settings(recipe)
    chosen = dict(_flat(recipe.model_dump(mode="json", exclude_defaults=True), ""))
    return {
        key: (here, there)
        for key, (here, there) in differences(recipe, reference).items()
        if key in mine and (there is not None or key in chosen)
    }


def preset_names(name: str) -> tuple[str, ...]:
    """Return the presets that a recipe has, its usual one first.

    Raises:
        RecipeError: there is no such recipe.
    """
    values = read_recipe(recipe_path(name)).values
    usual = values.get("preset", "code")
    presets = values.get("presets") or {}
    return tuple(dict.fromkeys((usual, *presets))) if isinstance(presets, dict) else (usual,)


def preset_settings(
    name: str, choices: Choices, facts: SetFacts | None = None
) -> dict[str, Settings]:
    """Return, by preset of a recipe, the settings that the presets set differently for a size.

    Raises:
        RecipeError: there is no such recipe, or a preset is wrong.
    """
    loaded = {
        preset: settings(load_recipe(name, replace(choices, preset=preset, overrides=()), facts))
        for preset in preset_names(name)
    }
    keys = {key: None for found in loaded.values() for key in found}
    apart = [key for key in keys if len({repr(found.get(key)) for found in loaded.values()}) > 1]
    return {preset: {key: found.get(key) for key in apart} for preset, found in loaded.items()}


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
