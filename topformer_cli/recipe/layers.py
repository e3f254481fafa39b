"""What overrides the values of a recipe file, in order of precedence, lowest first.

by_size, preset, the overrides of a recipe that builds on this one, -o.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from topformer_cli.errors import RecipeError, did_you_mean
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.recipe.files import parse_override, read_yaml, recipe_path
from topformer_cli.sections.record import DEFAULT_SIZE

TYPED: Final = "-o"
"""The place of overrides on the command line."""

_DERIVED_KEYS: Final = ("base", "size", "overrides")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line adds to a recipe file; size None is the usual one."""

    size: SizeName | None = None
    preset: str | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """Overrides by dotted key, and the place where they stand."""

    place: str
    dotted: Mapping[str, Any]

    def sets(self, key: str) -> bool:
        """Say whether a key's value is from here, as itself or as a part of one."""
        return any(key == given or key.startswith(f"{given}.") for given in self.dotted)


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """The values of a recipe file as they stand there, and what is built on them.

    file is the one with the values; on_top are the overrides of the recipe that names it as base,
    nothing if it was named itself. size is the one that recipe takes where none is asked for.
    """

    file: Path
    values: dict[str, Any]
    on_top: Layer
    size: SizeName = DEFAULT_SIZE


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe file, and where it has a `base`, that one with its overrides.

    Raises:
        RecipeError: a file cannot be read, the base has a base itself, or keys stand beside it.
    """
    values = read_yaml(path)
    if "base" not in values:
        if "overrides" in values:
            message = f"{path.name}: overrides: they need a recipe to change; add `base: NAME`"
            raise RecipeError(message)
        return RecipeFile(path, values, Layer(path.name, {}))
    if beside := [str(key) for key in values if key not in _DERIVED_KEYS]:
        message = (
            f"{path.name}: {', '.join(beside)}: beside `base` there are only `size` and "
            "`overrides: {key.path: value}`; put them there, or drop the base"
        )
        raise RecipeError(message)
    file = _base_path(values["base"], path)
    below = read_yaml(file)
    if "base" in below:
        message = (
            f"{path.name}: base {file.stem!r} builds on {below['base']!r} itself; a base has none: "
            f"name {below['base']!r} and repeat the overrides"
        )
        raise RecipeError(message)
    size = values.get("size", DEFAULT_SIZE)
    if size not in SIZES:
        message = f"{path.name}: size: got {size!r}{did_you_mean(str(size), SIZES)}"
        raise RecipeError(message)
    on_top = Layer(f"{path.name} overrides", _overrides(values, path))
    return RecipeFile(file, below, on_top, size)


def _base_path(name: Any, path: Path) -> Path:  # noqa: ANN401 - YAML holds anything
    if not isinstance(name, str):
        message = f"{path.name}: base: expected the name of a recipe, got {name!r}"
        raise RecipeError(message)
    try:
        found = recipe_path(name, path.parent)
    except RecipeError as error:
        message = f"{path.name}: base: {error}"
        raise RecipeError(message) from error
    if not found.is_file():
        message = f"{path.name}: base: no recipe file {found}"
        raise RecipeError(message)
    return found


def _overrides(values: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    overrides = values.get("overrides")
    if not isinstance(overrides, dict) or not all(isinstance(key, str) for key in overrides):
        message = f"{path.name}: overrides: expected {{key.path: value}}, as in {{batch: 8}}"
        raise RecipeError(message)
    return overrides


def take_layers(recipe: RecipeFile, choices: Choices) -> list[Layer]:
    """Take by_size and presets out of a file's values and return all overrides, lowest first.

    The chosen preset stays, by name.

    Raises:
        RecipeError: a size or preset is unknown, or an override has a wrong form.
    """
    values, path = recipe.values, recipe.file
    by_size, presets = (_take_named(values, key, path) for key in ("by_size", "presets"))
    for size in by_size:
        if size not in SIZES:
            message = f"{path.name}: by_size.{size}: unknown size{did_you_mean(size, SIZES)}"
            raise RecipeError(message)
    preset = choices.preset or values.get("preset", "code")
    if preset not in (presets or {"code": {}}):
        known = ", ".join(presets) or "code"
        message = f"preset {preset!r}: {path.stem} has {known}{did_you_mean(preset, presets)}"
        raise RecipeError(message)
    values["preset"] = preset
    size = choices.size or recipe.size
    typed = dict(parse_override(text) for text in choices.overrides)
    return [
        Layer(f"{path.name} by_size.{size}", by_size.get(size, {})),
        Layer(f"{path.name} presets.{preset}", presets.get(preset, {})),
        recipe.on_top,
        Layer(TYPED, typed),
    ]


def _take_named(values: dict[str, Any], key: str, path: Path) -> dict[str, dict[str, Any]]:
    taken: Any = values.pop(key, {})
    layers = [*taken.items()] if isinstance(taken, dict) else [(None, None)]
    for name, layer in layers:
        names = [name, *layer] if isinstance(layer, dict) else [None]
        if not all(isinstance(word, str) for word in names):
            message = f"{path.name}: {key}: expected names with overrides: {{tiny: {{batch: 8}}}}"
            raise RecipeError(message)
    return dict(layers)
