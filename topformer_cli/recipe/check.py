"""Values become a recipe of their task, or one line for each key that is wrong."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from topformer_cli.errors import RecipeError, did_you_mean
from topformer_cli.recipe.layers import TYPED, Layer
from topformer_cli.sections.record import Recipe, Section
from topformer_cli.sections.table import RECIPES

_MEMBER: Final = re.compile(r"constrained-|literal\[")
"""What pydantic adds to the place of a problem where a value may be of several types."""

_NEAR: Final = 0.7
"""How alike, 0..1, a key must be to one that is meant: `erase` and `betas` are 0.6."""

_OTHER_NAMES: Final[Mapping[str, str]] = {
    "epochs": "'schedule.iterations', which counts steps",
    "max_iters": "'schedule.iterations'",
    "learning_rate": "'optimizer.lr'",
    "batch_size": "'batch'",
    "min_lr": "'schedule.floor', a share of optimizer.lr",
}
"""What other tools call a key -> the one here."""


def kind_of(values: Mapping[str, Any]) -> type[Recipe]:
    """Return the recipe of a file's task; what all have in common if it names none."""
    task = values.get("task")
    if isinstance(task, str) and task in RECIPES:
        return RECIPES[task]
    return Recipe


def apply(values: dict[str, Any], layer: Layer, kind: type[Recipe]) -> None:
    """Set the values of a layer.

    Raises:
        RecipeError: a key is of no section, or a whole one.
    """
    for dotted, value in layer.dotted.items():
        _require_a_key(dotted, layer.place, kind)
        *parents, last = dotted.split(".")
        target = values
        for parent in parents:
            inner = target.get(parent)
            if not isinstance(inner, dict):
                hint = _whose(dotted, kind) or did_you_mean(parent, _sections(kind))
                message = f"{layer.place} {dotted}: no section {parent!r}{hint}"
                raise RecipeError(message)
            target = inner
        target[last] = value


def _require_a_key(dotted: str, place: str, kind: type[Recipe]) -> None:
    if dotted == "size":
        message = f"{place} size: is no setting; give --size"
        raise RecipeError(message)
    if dotted == "task":
        message = f"{place} task: a recipe is for one task; name a recipe of the other one"
        raise RecipeError(message)
    if dotted in _sections(kind):
        keys = ", ".join(f"{dotted}.{key}" for key in _fields_at(kind, (dotted,)))
        message = f"{place} {dotted}: is a section; set one of {keys}"
        raise RecipeError(message)


def validate(values: dict[str, Any], place: str, layers: Sequence[Layer] = ()) -> Recipe:
    """Check all values; a mistake is told where it stands.

    place is the file of the values; of layers only those that people think of as theirs.

    Raises:
        RecipeError: one line for each key that is unknown, missing or wrong.
    """
    kind = kind_of(values)
    try:
        return kind.model_validate(_tuples(values))
    except ValidationError as error:
        # Without its task nobody knows which keys a recipe may have.
        problems = [
            one for one in error.errors() if kind is not Recipe or one["type"] != "extra_forbidden"
        ]
        by_place: dict[str, list[str]] = {}
        for one in _one_a_key(problems):
            key = ".".join(str(part) for part in one["loc"])
            layer = next((layer for layer in reversed(layers) if layer.sets(key)), None)
            by_place.setdefault(layer.place if layer else place, []).append(_explain(one, kind))
        raise RecipeError(_one_line(by_place)) from error


def _one_a_key(problems: Sequence[Any]) -> list[Any]:
    """Return one problem a key: of a number or a word, that it is not the number."""
    found: dict[tuple[Any, ...], Any] = {}
    for one in problems:
        loc = tuple(part for part in one["loc"] if not _MEMBER.match(str(part)))
        if loc not in found or found[loc]["type"] == "literal_error":
            found[loc] = {**one, "loc": loc}
    return list(found.values())


def _one_line(by_place: Mapping[str, Sequence[str]]) -> str:
    """Join what is wrong, what was typed first."""
    parts = [f"{TYPED} {text}" for text in by_place.get(TYPED, ())]
    parts += [f"{place}: {'; '.join(texts)}" for place, texts in by_place.items() if place != TYPED]
    return "; ".join(parts)


def _explain(problem: Any, kind: type[Recipe]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    location = tuple(problem["loc"])
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key{_meant(location, kind)}"
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["type"] == "tuple_type":
        return f"{key}: expected a list, as in [512, 512], got {_shown(problem['input'])}"
    if problem["input"] == "auto":
        return f"{key}: `auto` needs a prepared set; run `topformer data prepare` first"
    got = _shown(problem["input"])
    if problem["type"] == "value_error":
        # A sentence of ours, which may go on about the value or ask.
        said = str(problem["ctx"]["error"])
        return f"{key}: got {got}; {said}" if key else said
    said = problem["msg"].lower()
    close = _closest(problem)
    return f"{key}: got {got}{close} {said}" if close else f"{key}: {said}, got {got}"


def _closest(problem: Any) -> str:  # noqa: ANN401
    """Return `; did you mean ...?` for a word that is like one of those that are allowed."""
    if problem["type"] != "literal_error" or not isinstance(problem["input"], str):
        return ""
    return did_you_mean(problem["input"], re.findall(r"'([^']*)'", problem["ctx"]["expected"]))


def _meant(location: Sequence[Any], kind: type[Recipe]) -> str:
    """Return what an unknown key is called here, or the keys whose last name is closest to its."""
    *section, last = (str(part) for part in location)
    if whose := _whose(".".join((*section, last)), kind):
        return whose
    beside = _fields_at(kind, section)
    if last in _OTHER_NAMES:
        return f"; did you mean {_OTHER_NAMES[last]}?"
    by_name: dict[str, list[str]] = {}
    for key in _keys(kind):
        by_name.setdefault(key.rpartition(".")[2], []).append(key)
    close = difflib.get_close_matches(last, by_name, n=1, cutoff=_NEAR)
    if not close:
        return ""
    meant = [".".join((*section, close[0]))] if close[0] in beside else by_name[close[0]]
    return f"; did you mean {' or '.join(map(repr, meant))}?"


def _whose(key: str, kind: type[Recipe]) -> str:
    """Return the tasks whose recipes have a key; empty if none has."""
    tasks = [task for task, other in RECIPES.items() if other is not kind and key in _keys(other)]
    own = next((task for task, other in RECIPES.items() if other is kind), None)
    if not tasks or own is None:
        return ""
    return f"; recipes of {' and '.join(tasks)} have it, this one is for {own}"


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


def _keys(kind: type[Recipe]) -> list[str]:
    """Return the keys at the top, and those of all sections."""
    inside = [f"{name}.{key}" for name in _sections(kind) for key in _fields_at(kind, (name,))]
    return [*_fields_at(kind, ()), *inside]


def _tuples(value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
