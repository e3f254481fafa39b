"""Measure a network on a split of a prepared set, by the protocol that is asked for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from topformer_cli.api.comparing import Evidence, Measured, measured
from topformer_cli.api.models import Model
from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.sets import open_set
from topformer_cli.api.worst import Looked
from topformer_cli.data.looks import WHOLE, Looks
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.segmentation import SegmentationTask
from topformer_cli.engine.task import Progress, Task
from topformer_cli.engine.tasks import make_task
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import UNKNOWN
from topformer_cli.recipe import Choices, Recipe, load_recipe, preset_names, recipe_names
from topformer_cli.results import DetectionResult, EvalResult
from topformer_cli.rundir import RunDir, file_sha256
from topformer_cli.sections.detection import DetectionRecipe
from topformer_cli.sections.segmentation import SegmentationRecipe

ProtocolName = Literal["code", "paper"]

OWN: Final = "own"
"""The name of a protocol that is neither the authors' code's nor the paper's."""

MMDETECTION: Final = "mmdetection"
"""The name of the protocol of mmdetection's default configuration of RetinaNet, by which the paper
measured (Table 11): a short side of 800 pixels, a long one of at most 1333."""

_COCO: Final = "coco-retinanet"
"""The recipe that has it."""


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What to evaluate a model on; its own set unless named.

    protocol: None for that of its recipe. fetching is called with bytes done and bytes in all where
    the set lies elsewhere.
    """

    device: str = "auto"
    dataset: str | None = None
    split: str = "val"
    places: Places = USUAL
    fetching: Progress = lambda _done, _total: None
    protocol: ProtocolName | None = None
    looks: Looks = WHOLE


def evaluate_model(model: Model, request: EvalRequest, progress: Progress) -> Measured:
    """Measure a model on a split of a prepared set, and hold it against published scores.

    Raises:
        UsageError: there is no such protocol for its recipe, it cannot look so often, or what the
            model was trained on is not known.
        DataError: the set is not prepared, is of another task or has other classes.
    """
    if request.dataset is None and model.spec.dataset == UNKNOWN:
        message = (
            f"{model.file} does not say what it was trained on; name a prepared set that has its "
            f"{len(model.spec.classes)} classes with --dataset"
        )
        raise UsageError(message)
    recipe = by_protocol(model.recipe, request.protocol)
    prepared = open_set(request.dataset or recipe.dataset, request.places)
    task = _looking(make_task(recipe, prepared, model.spec), request.looks)
    prepared.complete(request.fetching, (request.split,))
    network = model.network.to(resolve_device(request.device))
    result = task.evaluate(network, request.split, str(model.file), progress)
    if isinstance(result, EvalResult | DetectionResult):
        result = replace(result, protocol=f"{protocol_of(recipe)}: {result.protocol}")
    looked = None
    if isinstance(task, SegmentationTask):
        looked = Looked(task.segmenter(network, str(model.file)), prepared)
    evidence = Evidence(recipe, model.spec, model.origin, prepared.card, request.looks)
    return measured(evidence, result, looked)


def evaluations_of(run: RunDir | None, file: Path, places: Places) -> Path:
    """Return the folder of the evaluations of a run, or of a file that is of none.

    A file is known by what is in it: two that are called alike do not share a folder.
    """
    if run is not None:
        return run.path
    return places.work_dir / "eval" / f"{file.stem}-{file_sha256(file)[:8]}"


def by_protocol(recipe: Recipe, wanted: ProtocolName | None) -> Recipe:
    """Return a recipe that tests as the authors' code or the paper does.

    Raises:
        UsageError: nothing is known of that for this recipe.
    """
    if wanted is None:
        return recipe
    known = _presets(recipe)
    if not isinstance(recipe, SegmentationRecipe) or wanted not in known:
        has = f"; it has {', '.join(known)}" if known else ""
        message = (
            f"--protocol {wanted}: recipe {recipe.name} has no such protocol{has}; leave the "
            "option out to test by its own"
        )
        raise UsageError(message)
    return recipe.model_copy(update={"evaluation": _preset(recipe, wanted).evaluation})


def protocol_of(recipe: Recipe) -> str:
    """Name the protocol of a recipe: `code`, `paper`, `code and paper` where they agree, or OWN.

    Of detection: MMDETECTION, or OWN.
    """
    if isinstance(recipe, DetectionRecipe):
        theirs = load_recipe(_COCO, Choices())
        return MMDETECTION if _tested(recipe) == _tested(theirs) else OWN
    presets = _presets(recipe)
    same = [one for one in presets if _tested(_preset(recipe, one)) == _tested(recipe)]
    return " and ".join(same) or OWN


def _presets(recipe: Recipe) -> tuple[str, ...]:
    """Return the presets of a recipe, none where there is only one: it says nothing then."""
    known = preset_names(recipe.name) if recipe.name in recipe_names() else ()
    return known if len(known) > 1 else ()


def _preset(recipe: Recipe, preset: str) -> SegmentationRecipe:
    found = load_recipe(recipe.name, Choices(recipe.size, preset))
    assert isinstance(found, SegmentationRecipe)
    return found


def _tested(recipe: Recipe) -> dict[str, object]:
    """Return how a recipe tests; how often is no part of that."""
    return recipe.evaluation.model_dump(exclude={"every"})


def _looking(task: Task, looks: Looks) -> Task:
    if looks == WHOLE:
        return task
    if not isinstance(task, SegmentationTask):
        message = "--scales, --flip, --window: only for segmentation; leave them out"
        raise UsageError(message)
    return replace(task, looks=looks)
