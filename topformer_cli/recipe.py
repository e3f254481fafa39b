"""Recipes: one strict YAML file a data set, resolved into one frozen record.

Precedence, lowest first: recipe file, by_size, preset, -o overrides. `3e-4` is a number here; in
plain YAML 1.1 it is text.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from topformer_cli.errors import RecipeError
from topformer_cli.models.spec import SIZES, Fuse, SizeName

CUSTOM: Final = "custom"
DEFAULT_RECIPE: Final = "ade20k"
DEFAULT_SIZE: Final[SizeName] = "tiny"

Side = Annotated[int, Field(ge=32)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ModelSection(_Section):
    """The network; fuse `auto` is the released form of each size."""

    head: Literal["simple"]
    fuse: Literal["auto", "depthwise", "full"]
    drop_path: Rate
    dropout: Rate


class AugmentSection(_Section):
    """Training augmentation; crop is (height, width), scale (long side, short side) in pixels."""

    crop: tuple[Annotated[Side, Field(multiple_of=32)], Annotated[Side, Field(multiple_of=32)]]
    scale: tuple[Side, Side]
    ratio: tuple[Positive, Positive]
    flip: Share
    cat_max_ratio: Share
    photometric: bool


class OptimizerSection(_Section):
    """AdamW; parameters whose name holds `head` learn head_lr_factor times faster."""

    lr: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    betas: tuple[Rate, Rate]
    head_lr_factor: Positive


class ScheduleSection(_Section):
    """Linear warm-up from warmup_ratio, then polynomial decay to zero, per iteration."""

    iterations: Count
    warmup: Annotated[int, Field(ge=0)]
    warmup_ratio: Annotated[float, Field(ge=0, le=1)]
    power: Positive


class LossSection(_Section):
    """Cross-entropy; the authors divide by all pixels, ignored ones included."""

    normalise: Literal["all_pixels", "valid"]


class EvaluationSection(_Section):
    """The test-time resize, scale (long side, short side), and how often training evaluates."""

    resize: Literal["keep_ratio", "stretch"]
    scale: tuple[Side, Side]
    multiple: Count
    every: Count


class Recipe(_Section):
    """A resolved recipe: everything that defines a run except where it goes."""

    name: str
    size: SizeName
    preset: str
    task: Literal["segmentation"]
    dataset: str
    batch: Count
    seed: Annotated[int, Field(ge=0)] = 0
    amp: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    model: ModelSection
    augment: AugmentSection
    optimizer: OptimizerSection
    schedule: ScheduleSection
    loss: LossSection
    evaluation: EvaluationSection

    @property
    def fuse(self) -> Fuse:
        """The fuse convolution, with `auto` resolved by size."""
        return SIZES[self.size].fuse if self.model.fuse == "auto" else self.model.fuse

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML that `load_resolved` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What recipes/custom.yaml needs of a prepared set's card."""

    name: str
    median_size: tuple[int, int]
    train_images: int


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
    return sorted(path.stem for path in recipes_dir().glob("*.yaml") if path.stem != CUSTOM)


def load_recipe(name: str, choices: Choices, facts: SetFacts | None = None) -> Recipe:
    """Resolve a recipe by name or by the path of a YAML file.

    facts fill the `auto` values of a recipe that has any.

    Raises:
        RecipeError: no such recipe, or one line for each key that is unknown, missing or wrong.
    """
    path = _recipe_path(name)
    values = _read_yaml(path)
    layers = _layers(values, choices, path)
    for place, dotted in layers:
        for key, value in dotted.items():
            _assign(values, key, value, place)
    if facts is not None:
        _fill_auto(values, facts)
    values["name"] = values["dataset"] if path.stem == CUSTOM else path.stem
    values["size"] = choices.size
    return _validate(values, path.name, layers[-1][1])


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


def _assign(values: dict[str, Any], dotted: str, value: Any, place: str) -> None:  # noqa: ANN401
    *parents, last = dotted.split(".")
    target = values
    for parent in parents:
        inner = target.get(parent)
        if not isinstance(inner, dict):
            message = f"{place} {dotted}: no section {parent!r}{did_you_mean(parent, _sections())}"
            raise RecipeError(message)
        target = inner
    if dotted in _sections():
        keys = ", ".join(f"{dotted}.{key}" for key in _fields_at((dotted,)))
        message = f"{place} {dotted}: is a section; set one of {keys}"
        raise RecipeError(message)
    target[last] = value


def _fill_auto(values: dict[str, Any], facts: SetFacts) -> None:
    """Replace `auto` by what fits the set.

    A typical short side, at most 512 pixels, sets crop and scale; training sees each image about
    60 times, and is evaluated ten times on the way.
    """
    short = min(min(facts.median_size), 512)
    side = max(64, round(short / 32) * 32)
    _fill(values, "dataset", facts.name)
    _fill(values["augment"], "crop", [side, side])
    for section in ("augment", "evaluation"):
        _fill(values[section], "scale", [4 * max(short, 32), max(short, 32)])
    batch = values["batch"] if isinstance(values.get("batch"), int) and values["batch"] > 0 else 1
    _fill(values["schedule"], "iterations", min(40_000, max(500, 60 * facts.train_images // batch)))
    if isinstance(iterations := values["schedule"]["iterations"], int):
        _fill(values["evaluation"], "every", max(1, iterations // 10))


def _fill(section: dict[str, Any], key: str, value: Any) -> None:  # noqa: ANN401
    if section.get(key) == "auto":
        section[key] = value


def _validate(values: dict[str, Any], place: str, typed: Mapping[str, Any] | None = None) -> Recipe:
    """Check all values; a mistake in a typed override is reported as one."""
    try:
        return Recipe.model_validate(_tuples(values))
    except ValidationError as error:
        problems = error.errors()
        parts = [f"-o {_explain(one)}" for one in problems if _is_typed(one, typed or {})]
        in_file = [_explain(one) for one in problems if not _is_typed(one, typed or {})]
        if in_file:
            parts.append(f"{place}: " + "; ".join(in_file))
        message = "; ".join(parts)
        raise RecipeError(message) from error


def _is_typed(problem: Any, typed: Mapping[str, Any]) -> bool:  # noqa: ANN401 - ErrorDetails
    key = ".".join(str(part) for part in problem["loc"])
    return any(key == given or key.startswith(f"{given}.") for given in typed)


def _explain(problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    location = tuple(problem["loc"])
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        siblings = _fields_at(location[:-1])
        return f"{key}: unknown key{did_you_mean(str(location[-1]), siblings)}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["input"] == "auto":
        return f"{key}: `auto` needs a prepared set; run `topformer data prepare` first"
    if problem["type"] == "literal_error" and location[-1] == "size":
        return f"{key}: got {problem['input']!r}{did_you_mean(str(problem['input']), SIZES)}"
    return f"{key}: {problem['msg'].lower()}, got {_shown(problem['input'])}"


def _shown(value: Any) -> str:  # noqa: ANN401
    return repr(list(value) if isinstance(value, tuple) else value)


def _fields_at(location: Sequence[Any]) -> list[str]:
    model: Any = Recipe
    for part in location:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)


def _sections() -> list[str]:
    return [
        name
        for name, field in Recipe.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Section)
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
