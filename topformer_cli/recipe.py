"""Recipes: one strict YAML file a data set, resolved into the frozen record of its task.

Precedence, lowest first: recipe file, by_size, preset, -o overrides. `3e-4` is a number here; in
plain YAML 1.1 it is text.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from topformer_cli.errors import RecipeError
from topformer_cli.models.spec import SIZES, SizeName
from topformer_cli.sections.record import Recipe, Section
from topformer_cli.sections.table import RECIPES

__all__ = [
    "CUSTOM",
    "DEFAULT_RECIPE",
    "DEFAULT_SIZE",
    "RECIPES",
    "Choices",
    "Recipe",
    "SetFacts",
    "did_you_mean",
    "load_recipe",
    "load_resolved",
    "parse_resolved",
    "recipe_names",
    "recipe_of_set",
    "recipes_dir",
]

CUSTOM: Final[Mapping[str, str]] = {
    "segmentation": "custom",
    "classification": "custom-classification",
    "detection": "custom-detection",
}
"""Task -> the recipe of prepared sets that have none of their own."""

DEFAULT_RECIPE: Final = "ade20k"
DEFAULT_SIZE: Final[SizeName] = "tiny"


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What the recipe of a custom set needs of its card; median_size is (height, width).

    place is the path or the address that the set is opened by, where it is not its name.
    """

    name: str
    median_size: tuple[int, int]
    train_images: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line adds to a recipe file."""

    size: SizeName = DEFAULT_SIZE
    preset: str | None = None
    overrides: tuple[str, ...] = ()


def recipes_dir() -> Path:
    """Return the folder of recipes: inside the wheel, or at the top of an editable checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the recipes that stand for a data set of their own."""
    return sorted(
        path.stem for path in recipes_dir().glob("*.yaml") if path.stem not in CUSTOM.values()
    )


def recipe_of_set(dataset: str) -> str | None:
    """Return the one recipe that was written for a set and has another name; None without it."""
    found = [
        name for name in recipe_names() if _read_yaml(_recipe_path(name)).get("dataset") == dataset
    ]
    return found[0] if len(found) == 1 else None


def load_recipe(name: str, choices: Choices, facts: SetFacts | None = None) -> Recipe:
    """Resolve a recipe by name or by the path of a YAML file.

    facts fill the `auto` values of a recipe that has any.

    Raises:
        RecipeError: no such recipe, or one line for each key that is unknown, missing or wrong.
    """
    path = _recipe_path(name)
    values = _read_yaml(path)
    kind = _kind(values)
    layers = _layers(values, choices, path)
    for place, dotted in layers:
        for key, value in dotted.items():
            _assign(values, key, value, _Place(place, kind))
    if facts is not None:
        _fill_auto(values, facts, kind)
    values["name"] = path.stem
    if path.stem in CUSTOM.values():
        values["name"] = _called(str(values["dataset"]), facts)
    values["size"] = choices.size
    return _validate(values, path.name, layers[-1][1])


def _called(dataset: str, facts: SetFacts | None) -> str:
    """Return what runs on a set are called after: not a path or an address."""
    if facts is not None and dataset == facts.place:
        return facts.name
    return re.sub(r"[^\w.-]+", "-", dataset.rstrip("/").rpartition("/")[2])


def load_resolved(path: Path) -> Recipe:
    """Read back the resolved recipe of a run.

    Raises:
        RecipeError: the file is missing or was changed into something invalid.
    """
    return parse_resolved(_read_yaml(path), str(path))


def parse_resolved(values: dict[str, Any], where: str) -> Recipe:
    """Read back a resolved recipe that a file or a checkpoint holds.

    Raises:
        RecipeError: it was changed into something invalid, or is of another version.
    """
    return _validate(values, where)


class _Loader(yaml.SafeLoader):
    """YAML in which 3e-4 is a number."""


_Loader.yaml_implicit_resolvers = {
    first: list(resolvers) for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def _recipe_path(name: str) -> Path:
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return Path(name)
    path = recipes_dir() / f"{name}.yaml"
    if not path.is_file():
        message = f"no recipe {name!r}{did_you_mean(name, recipe_names())}; recipes: " + ", ".join(
            recipe_names()
        )
        raise RecipeError(message)
    return path


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        message = f"no recipe file {path}"
        raise RecipeError(message) from error
    except OSError as error:
        message = f"recipe {path}: {error.strerror}"
        raise RecipeError(message) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{path} is not a YAML file: {' '.join(str(error).split())}"
        raise RecipeError(message) from error
    if not isinstance(values, dict):
        message = f"{path}: expected a mapping of keys at the top"
        raise RecipeError(message)
    return values


def _layers(
    values: dict[str, Any], choices: Choices, path: Path
) -> list[tuple[str, Mapping[str, Any]]]:
    """Take by_size and presets out of the file and return the overrides in order of precedence."""
    by_size, presets = (_take_overrides(values, key, path) for key in ("by_size", "presets"))
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
    typed = dict(_parse_override(text) for text in choices.overrides)
    return [
        (f"{path.name} by_size.{choices.size}", by_size.get(choices.size, {})),
        (f"{path.name} presets.{preset}", presets.get(preset, {})),
        ("-o", typed),
    ]


def _take_overrides(values: dict[str, Any], key: str, path: Path) -> dict[str, dict[str, Any]]:
    taken: Any = values.pop(key, {})
    layers = [*taken.items()] if isinstance(taken, dict) else [(None, None)]
    for name, layer in layers:
        names = [name, *layer] if isinstance(layer, dict) else [None]
        if not all(isinstance(word, str) for word in names):
            message = f"{path.name}: {key}: expected names with overrides: {{tiny: {{batch: 8}}}}"
            raise RecipeError(message)
    return dict(layers)


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"-o {text!r}: expected key.path=value, as in -o optimizer.lr=3e-4"
        raise RecipeError(message)
    try:
        return key, yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        message = f"-o {text!r}: the value is not YAML"
        raise RecipeError(message) from error


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an override stands, and the kind of recipe that it changes."""

    name: str
    kind: type[Recipe]


def _assign(values: dict[str, Any], dotted: str, value: Any, place: _Place) -> None:  # noqa: ANN401
    sections = _sections(place.kind)
    if dotted == "task":
        message = f"{place.name} task: a recipe is for one task; name a recipe of the other one"
        raise RecipeError(message)
    *parents, last = dotted.split(".")
    target = values
    for parent in parents:
        inner = target.get(parent)
        if not isinstance(inner, dict):
            close = did_you_mean(parent, sections)
            message = f"{place.name} {dotted}: no section {parent!r}{close}"
            raise RecipeError(message)
        target = inner
    if dotted in sections:
        keys = ", ".join(f"{dotted}.{key}" for key in _fields_at(place.kind, (dotted,)))
        message = f"{place.name} {dotted}: is a section; set one of {keys}"
        raise RecipeError(message)
    target[last] = value


def _kind(values: Mapping[str, Any]) -> type[Recipe]:
    """Return the recipe of a file's task; what all have in common if it names none."""
    task = values.get("task")
    if isinstance(task, str) and task in RECIPES:
        return RECIPES[task]
    return Recipe


def _fill_auto(values: dict[str, Any], facts: SetFacts, kind: type[Recipe]) -> None:
    """Replace `auto` by what fits the set.

    Sizes are the task's to say. Training sees each image about 60 times, and is evaluated ten
    times on the way.
    """
    batch = values["batch"] if isinstance(values.get("batch"), int) and values["batch"] > 0 else 1
    steps = min(40_000, max(500, 60 * facts.train_images // batch))
    sizes = kind.auto_sizes(facts.median_size)
    place = facts.place or facts.name
    for key, value in {"dataset": place, **sizes, "schedule.iterations": steps}.items():
        _fill(values, key, value)
    if isinstance(iterations := values["schedule"]["iterations"], int):
        _fill(values, "evaluation.every", max(1, iterations // 10))


def _fill(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401
    section, _, key = dotted.rpartition(".")
    target = values[section] if section else values
    if target.get(key) == "auto":
        target[key] = value


def _validate(values: dict[str, Any], place: str, typed: Mapping[str, Any] | None = None) -> Recipe:
    """Check all values; a mistake in a typed override is reported as one."""
    kind = _kind(values)
    try:
        return kind.model_validate(_tuples(values))
    except ValidationError as error:
        # Without its task nobody knows which keys a recipe may have.
        problems = [
            one for one in error.errors() if kind is not Recipe or one["type"] != "extra_forbidden"
        ]
        parts = [f"-o {_explain(one, kind)}" for one in problems if _is_typed(one, typed or {})]
        in_file = [_explain(one, kind) for one in problems if not _is_typed(one, typed or {})]
        if in_file:
            parts.append(f"{place}: " + "; ".join(in_file))
        message = "; ".join(parts)
        raise RecipeError(message) from error


def _is_typed(problem: Any, typed: Mapping[str, Any]) -> bool:  # noqa: ANN401 - ErrorDetails
    key = ".".join(str(part) for part in problem["loc"])
    return any(key == given or key.startswith(f"{given}.") for given in typed)


def _explain(problem: Any, kind: type[Recipe]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    location = tuple(problem["loc"])
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        siblings = _fields_at(kind, location[:-1])
        return f"{key}: unknown key{did_you_mean(str(location[-1]), siblings)}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["input"] == "auto":
        return f"{key}: `auto` needs a prepared set; run `topformer data prepare` first"
    if problem["type"] == "literal_error" and location[-1] == "size":
        return f"{key}: got {problem['input']!r}{did_you_mean(str(problem['input']), SIZES)}"
    said = problem["msg"].removeprefix("Value error, ").lower()
    return f"{key}: {said}, got {_shown(problem['input'])}"


def _shown(value: Any) -> str:  # noqa: ANN401
    return repr(list(value) if isinstance(value, tuple) else value)


def _fields_at(kind: type[Recipe], location: Sequence[Any]) -> list[str]:
    model: Any = kind
    for part in location:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)


def _sections(kind: type[Recipe]) -> list[str]:
    return [
        name
        for name, field in kind.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    ]


def did_you_mean(word: str, known: Sequence[str] | Mapping[Any, Any]) -> str:
    """Return `; did you mean ...?` for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _tuples(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
