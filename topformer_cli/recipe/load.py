"""A recipe by name, resolved: overrides applied, `auto` filled, every value checked."""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topformer_cli.errors import RecipeError
from topformer_cli.recipe.check import apply, kind_of, validate
from topformer_cli.recipe.files import CUSTOM, read_yaml, recipe_path
from topformer_cli.recipe.layers import Choices, Layer, read_recipe, take_layers
from topformer_cli.sections.record import Recipe


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What the recipe of a custom set needs of its card; median_size is (height, width).

    place is the path or the address that the set is opened by, where it is not its name.
    """

    name: str
    median_size: tuple[int, int]
    train_images: int
    place: str = ""


def load_recipe(name: str, choices: Choices, facts: SetFacts | None = None) -> Recipe:
    """Resolve a recipe by name or by the path of a YAML file.

    facts fill the `auto` values of a recipe that has any.

    Raises:
        RecipeError: no such recipe, or one line for each key that is unknown, missing or wrong; or
            a size for a network that comes in one.
    """
    path = recipe_path(name)
    read = read_recipe(path)
    values, kind = read.values, kind_of(read.values)
    layers = take_layers(read, choices)
    if not _has_sizes(read.values, layers[1:], kind):
        layers[0] = replace(layers[0], dotted={})
    for layer in layers:
        apply(values, layer, kind)
    if facts is not None:
        _fill_auto(values, facts, kind)
    values["name"] = path.stem
    if path.stem in CUSTOM.values():
        values["name"] = _called(str(values["dataset"]), facts)
    usual = kind.usual_size(values)
    if choices.size and usual is None:
        model = values["model"]
        named = model.get("network", model.get("backbone"))
        message = f"--size {choices.size}: {named} comes in one size; drop it"
        raise RecipeError(message)
    values["size"] = choices.size or (usual and read.size)
    return validate(values, read.file.name, layers[2:])


def _has_sizes(values: dict[str, Any], layers: Sequence[Layer], kind: type[Recipe]) -> bool:
    """Say whether the network that layers choose comes in sizes, which by_size is for."""
    chosen = copy.deepcopy(values)
    for layer in layers:
        apply(chosen, layer, kind)
    return kind.usual_size(chosen) is not None


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
    return parse_resolved(read_yaml(path), str(path))


def parse_resolved(values: dict[str, Any], where: str) -> Recipe:
    """Read back a resolved recipe that a file or a checkpoint holds.

    Raises:
        RecipeError: it was changed into something invalid, or is of another version.
    """
    return validate(values, where)


def _fill_auto(values: dict[str, Any], facts: SetFacts, kind: type[Recipe]) -> None:
    """Replace `auto` by what fits the set.

    Sizes are the task's to say. Training sees each image about 60 times, in 500 to 40 000 steps,
    and is evaluated ten times on the way.
    """
    batch = values["batch"] if isinstance(values.get("batch"), int) and values["batch"] > 0 else 1
    steps = min(40_000, max(500, 60 * facts.train_images // batch))
    sizes = kind.auto_sizes(facts.median_size)
    place = facts.place or facts.name
    for key, value in {"dataset": place, **sizes, "schedule.iterations": steps}.items():
        _fill(values, key, value)
    iterations = values["schedule"]["iterations"]
    # Where it is no number only that is told.
    tenth = iterations // 10 if isinstance(iterations, int) else 1
    _fill(values, "evaluation.every", max(1, tenth))


def _fill(values: dict[str, Any], dotted: str, value: Any) -> None:  # noqa: ANN401
    section, _, key = dotted.rpartition(".")
    target = values[section] if section else values
    if target.get(key) == "auto":
        target[key] = value
