"""What a recipe builds and what it costs, and what an exported file is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from topformer_cli.api.models import ModelSource, load_model
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.training import resolve_recipe
from topformer_cli.data.catalog import DATASETS
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.tnn.describe import TnnDescription, describe
from topformer_cli.deploy.tnn.difference import TnnDifference, diff
from topformer_cli.engine.tasks import sketched_spec
from topformer_cli.errors import UsageError
from topformer_cli.models.beside import AUXILIARY
from topformer_cli.models.build import build_model, build_trained
from topformer_cli.models.cost import PartCost, cost_by_part
from topformer_cli.models.inference import check_input_size
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import DEFAULT_RECIPE, Choices, Recipe, find_recipe, preset_settings
from topformer_cli.results.ledger import Ledger
from topformer_cli.sections.segmentation import SegmentationRecipe

TNN_SUFFIXES: Final = (".tnnproto", ".tnnmodel")


@dataclass(frozen=True, slots=True)
class Description:
    """A resolved recipe, its network's card and cost by part, and the input size of the count.

    presets are the settings in which the recipe's presets differ, by preset; ledger is the run's.
    beside counts the parameters of a head that is trained beside the network's own.
    """

    recipe: Recipe
    spec: ModelSpec
    costs: tuple[PartCost, ...]
    input_size: tuple[int, int]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ledger: Ledger | None = None
    beside: int = 0


def describe_recipe(
    name: str | None, choices: Choices, input_hw: tuple[int, int] | None, places: Places
) -> Description:
    """Resolve a recipe and count its network.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: a custom set is not prepared.
    """
    recipe = resolve_recipe(name, choices, places)
    known = DATASETS.get(recipe.dataset)
    classes = known.classes if known else open_set(recipe.dataset, places).card.classes
    found = find_recipe(name or DEFAULT_RECIPE)
    presets = preset_settings(found, choices) if found else {}
    return replace(_describe(recipe, len(classes), input_hw), presets=presets)


def describe_run(source: ModelSource, input_hw: tuple[int, int] | None) -> Description:
    """Describe what a run or checkpoint was trained with."""
    model = load_model(source)
    ledger = Ledger.from_json(model.origin.get("ledger"))
    return replace(_describe(model.recipe, len(model.spec.classes), input_hw), ledger=ledger)


def describe_export(path: Path) -> Artifact:
    """Open an export by its manifest, or by one of its files.

    Raises:
        ExportError: a file is missing, damaged, or not the one that the manifest names.
    """
    return load_artifact(path)


def describe_network(path: Path) -> TnnDescription:
    """Describe a TNN network, named by a file of it or by the manifest of an export.

    Raises:
        UsageError: the file is no exported file.
        ExportError: a file is missing or damaged, or the export has no TNN files.
    """
    if path.suffix in TNN_SUFFIXES:
        return describe(path.with_suffix(".tnnproto"))
    if path.suffix == ".json" or path.with_suffix(".json").is_file():
        return describe(load_artifact(path).tnnproto)
    message = f"{path} is no TNN network; name a .tnnproto file, or the .json of an export"
    raise UsageError(message)


def describe_difference(
    path: Path, other: Path
) -> tuple[TnnDescription, TnnDescription, TnnDifference]:
    """Describe two TNN networks and compare them; errors as `describe_network`."""
    before, after = describe_network(path), describe_network(other)
    return before, after, diff(before, after)


def _describe(recipe: Recipe, classes: int, input_hw: tuple[int, int] | None) -> Description:
    size = input_hw or recipe.input_size
    check_input_size(*size)
    spec = replace(sketched_spec(recipe, classes), input_size=size)
    costs = tuple(cost_by_part(build_model(spec), *size))
    return Description(recipe, spec, costs, size, beside=_beside(recipe, spec))


def _beside(recipe: Recipe, spec: ModelSpec) -> int:
    if not isinstance(recipe, SegmentationRecipe) or not recipe.model.auxiliary:
        return 0
    head = build_trained(spec, 0.0, 0.0).get_submodule(AUXILIARY)
    return sum(one.numel() for one in head.parameters())
