"""The files of recipes: where they lie, what they are called, and the YAML in them.

`3e-4` is a number here, and `off` is text; in plain YAML 1.1 they are text and a truth value.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from topformer_cli.errors import RecipeError, did_you_mean

CUSTOM: Final[Mapping[str, str]] = {
    "segmentation": "custom",
    "classification": "custom-classification",
    "detection": "custom-detection",
}
"""Task -> the recipe of prepared sets that have none of their own."""


ABLATIONS: Final = "ablations"
BASELINES: Final = "baselines"
FOLDERS: Final = (ABLATIONS, BASELINES)
"""The folders, beside the other recipes, of those that repeat the paper's ablations, and of those
that train the networks it is compared with."""


def recipes_dir() -> Path:
    """Return the folder of recipes: inside the wheel, or at the top of an editable checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the recipes that say which data set they are for; main ones first."""
    return [*_main_names(), *ablation_names(), *baseline_names()]


def ablation_names() -> list[str]:
    """Return the names of the recipes that repeat the paper's ablations."""
    return _names_in(ABLATIONS)


def baseline_names() -> list[str]:
    """Return the names of the recipes of the networks that TopFormer is compared with."""
    return _names_in(BASELINES)


def _names_in(folder: str) -> list[str]:
    return sorted(path.stem for path in (recipes_dir() / folder).glob("*.yaml"))


def _main_names() -> list[str]:
    return sorted(
        path.stem for path in recipes_dir().glob("*.yaml") if path.stem not in CUSTOM.values()
    )


def recipe_of_set(dataset: str) -> str | None:
    """Return the one recipe that was written for a set and has another name; None without it.

    A recipe that builds on another one is not asked.
    """
    found = [
        name for name in recipe_names() if read_yaml(recipe_path(name)).get("dataset") == dataset
    ]
    return found[0] if len(found) == 1 else None


def find_recipe(name: str) -> str | None:
    """Return the recipe that a name stands for: itself, a file, or a set's; None where none is."""
    name = _bare(name)
    if name not in recipe_names():
        name = recipe_of_set(name) or name
    return name if name in recipe_names() or name.endswith((".yaml", ".yml")) else None


def awaits_set_of_its_name(name: str) -> bool:
    """Say whether a recipe is for a prepared set that is called as the recipe is."""
    return name in recipe_names() and read_yaml(recipe_path(name)).get("dataset") == name


def recipe_path(name: str, folder: Path = Path()) -> Path:
    """Return the file of a recipe by name, or by its path, which may be relative to a folder.

    Raises:
        RecipeError: there is no recipe of that name.
    """
    for group in FOLDERS:
        if (bare := _bare(name)) in _names_in(group):
            return recipes_dir() / group / f"{bare}.yaml"
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return folder / name
    path = recipes_dir() / f"{name}.yaml"
    if not path.is_file():
        message = (
            f"no recipe {name!r}{did_you_mean(name, recipe_names())}; recipes: "
            f"{', '.join(_main_names())}; and those in {' and '.join(FOLDERS)} of {recipes_dir()}"
        )
        raise RecipeError(message)
    return path


def _bare(name: str) -> str:
    """Return the name of a recipe without its folder."""
    folder, _, rest = name.rpartition("/")
    return rest if folder in FOLDERS else name


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        RecipeError: it is missing, or something else.
    """
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


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of `key.path=value`.

    Raises:
        RecipeError: it has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"-o {text!r}: expected key.path=value, as in -o optimizer.lr=3e-4"
        raise RecipeError(message)
    try:
        return key, yaml.load(value, Loader=_Loader)
    except yaml.YAMLError as error:
        message = f"-o {text!r}: the value is not YAML"
        raise RecipeError(message) from error


class _Loader(yaml.SafeLoader):
    """YAML in which 3e-4 is a number, and only true and false are truth values."""


_BOOL: Final = "tag:yaml.org,2002:bool"
_TRUTH: Final = re.compile(r"(true|True|TRUE|false|False|FALSE)$")
_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)
