"""What the commands do, for Python users as well: load, train, evaluate, segment, export, bench.

The one module where data, models, engine, deploy and bench meet.
"""

import hashlib
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from topformer_cli import __version__
from topformer_cli.cache import cache_dir
from topformer_cli.data.card import DatasetCard
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import UP_TO_DATE, prepare_folder, prepare_known
from topformer_cli.data.sources import IMAGE_SUFFIXES, FolderRequest
from topformer_cli.data.spec import DatasetSpec
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.evaluate import Progress, Split, evaluate
from topformer_cli.engine.observer import Observer
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.engine.task import model_spec, resolve_device
from topformer_cli.engine.train import TrainJob, train
from topformer_cli.errors import DataError, UsageError
from topformer_cli.models.checkpoint import build_from
from topformer_cli.models.pretrained import Request, read_weights
from topformer_cli.models.spec import ModelSpec, SizeName
from topformer_cli.models.topformer import TopFormer
from topformer_cli.recipe import (
    CUSTOM,
    DEFAULT_RECIPE,
    Choices,
    Recipe,
    SetFacts,
    load_recipe,
    load_resolved,
    parse_resolved,
    recipe_names,
)
from topformer_cli.results import EvalResult
from topformer_cli.rundir import RunDir, atomic_write, latest_run, new_run, open_run, write_json


@dataclass(frozen=True, slots=True)
class Places:
    """Where runs and prepared data lie."""

    work_dir: Path = Path("runs")
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What a model is loaded from: a run, a checkpoint, a weights file, or the latest run."""

    target: Path | None = None
    weights: Path | None = None
    size: SizeName | None = None
    partial: bool = False
    places: Places = Places()


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded network with its card, its recipe, and words for where it came from."""

    network: TopFormer
    spec: ModelSpec
    recipe: Recipe
    file: Path
    run: RunDir | None
    took: str


def open_set(name: str, places: Places) -> PreparedSet:
    """Open a prepared set by name or folder."""
    return PreparedSet.open(name, cache_dir(places.cache))


def resolve_recipe(name: str | None, choices: Choices, places: Places) -> Recipe:
    """Resolve a recipe's name, or the name of a prepared set that has no recipe of its own."""
    name = name or DEFAULT_RECIPE
    if name in recipe_names() or name.endswith((".yaml", ".yml")):
        return load_recipe(name, choices)
    card = open_set(name, places).card
    facts = SetFacts(card.name, card.median_size, card.counts["train"])
    return load_recipe(CUSTOM, choices, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """A set to prepare: source for a published one, images, masks and classes for a custom one."""

    name: str
    source: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    classes: str | None = None
    ignore: tuple[int, ...] = ()
    val_fraction: float | None = None
    title: str = ""
    terms: str = ""
    force: bool = False
    places: Places = Places()


def prepare(request: PrepareRequest, progress: Progress) -> tuple[DatasetCard, bool]:
    """Prepare a set and say whether there was anything to do.

    Raises:
        UsageError: the options do not describe one kind of set.
        DataError: something is wrong with the set; nothing was published.
    """
    states: list[str] = []

    def update(what: str, done: int, total: int) -> None:
        states.append(what) if not states or states[-1] != what else None
        progress(done, total)

    cache = cache_dir(request.places.cache)
    if request.source is not None:
        card = prepare_known(
            _known_set(request), request.source, cache, update, force=request.force
        )
    else:
        card = prepare_folder(_folder_request(request, cache), update)
    return card, UP_TO_DATE not in states


def _known_set(request: PrepareRequest) -> DatasetSpec:
    if request.name not in DATASETS:
        message = (
            f"{request.name!r} is no published set this version knows ({', '.join(DATASETS)}); "
            "a set of your own takes --images, --masks and --classes"
        )
        raise UsageError(message)
    if request.images or request.masks or request.classes or request.ignore:
        message = f"--source is for the published set {request.name}; drop the other options"
        raise UsageError(message)
    return DATASETS[request.name]


def _folder_request(request: PrepareRequest, cache: Path) -> FolderRequest:
    if request.images is None or request.masks is None or request.classes is None:
        known = request.name in DATASETS
        needed = "--source FOLDER" if known else "--images FOLDER --masks FOLDER --classes FILE"
        message = f"topformer data prepare {request.name} needs {needed}"
        raise UsageError(message)
    if request.name in recipe_names():
        message = f"{request.name!r} is the name of a published set; choose another name"
        raise UsageError(message)
    return FolderRequest(
        name=request.name,
        images=request.images,
        masks=request.masks,
        classes=request.classes,
        cache_dir=cache,
        ignore=request.ignore,
        val_fraction=request.val_fraction,
        title=request.title,
        terms=request.terms,
        force=request.force,
    )


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A new run; weights is a file to start from."""

    recipe: str | None
    choices: Choices
    device: str = "auto"
    workers: int | None = None
    weights: Path | None = None
    partial_weights: bool = False
    places: Places = Places()


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """A run that is ready to start or to go on."""

    job: TrainJob
    run: RunDir
    resume: bool


def plan_training(request: TrainRequest) -> TrainPlan:
    """Check everything a new run needs, then create its folder.

    Raises:
        RecipeError: the recipe or an override is wrong.
        DataError: the set is not prepared, or the weights do not fit.
    """
    recipe = resolve_recipe(request.recipe, request.choices, request.places)
    job = _job(recipe, request)
    run = new_run(request.places.work_dir, "train", f"{recipe.name}-{recipe.size}")
    atomic_write(run.recipe, recipe.to_yaml())
    write_json(run.environment, environment(job.device))
    return TrainPlan(job, run, resume=False)


def plan_resume(which: Path | None, request: TrainRequest) -> TrainPlan:
    """Open a stopped run, the latest one unless named.

    Raises:
        UsageError: there is no such run, or it is finished.
    """
    run = open_run(which) if which else latest_run(request.places.work_dir)
    if run.finished:
        message = f"{run.path} is finished; nothing to resume (start anew without --resume)"
        raise UsageError(message)
    return TrainPlan(_job(load_resolved(run.recipe), request), run, resume=run.state.is_file())


def run_training(plan: TrainPlan, observer: Observer) -> EvalResult:
    """Train to the end."""
    return train(plan.job, plan.run, observer, resume=plan.resume)


def _job(recipe: Recipe, request: TrainRequest) -> TrainJob:
    prepared = open_set(recipe.dataset, request.places)
    spec = model_spec(recipe, prepared.card)
    device = resolve_device(request.device)
    workers = (
        request.workers if request.workers is not None else (4 if device.type == "cuda" else 0)
    )
    if request.weights is None:
        return TrainJob(recipe, prepared, spec, device, workers)
    weights = Request(
        request.weights, recipe.size, tuple(DATASETS.values()), partial=request.partial_weights
    )
    start = read_weights(weights)
    if start.spec.classes != spec.classes and len(start.spec.classes) != len(spec.classes):
        message = (
            f"{request.weights} has {len(start.spec.classes)} classes, {recipe.dataset} has "
            f"{len(spec.classes)}: its head does not fit"
        )
        raise DataError(message)
    build_from(start, str(request.weights))
    return TrainJob(recipe, prepared, spec, device, workers, start, request.weights.name)


def load_model(source: ModelSource) -> Model:
    """Load a network.

    Raises:
        UsageError: there is no run to take, or two sources were named.
        DataError: the file does not hold a model that fits.
    """
    if source.weights and source.target:
        message = f"--weights {source.weights} and {source.target}: name one of them"
        raise UsageError(message)
    run = None if source.weights or _is_file(source.target) else _run(source)
    file = source.weights or source.target if run is None else _best(run)
    if file is None:
        message = "no model was named"
        raise UsageError(message)
    checkpoint = read_weights(
        Request(file, source.size, tuple(DATASETS.values()), partial=source.partial)
    )
    recipe = _recipe_of(checkpoint.origin, checkpoint.spec, file)
    network = build_from(checkpoint, str(file)).eval()
    return Model(network, checkpoint.spec, recipe, file, run, _took(file, run, checkpoint.origin))


def _is_file(target: Path | None) -> bool:
    return target is not None and target.is_file()


def _run(source: ModelSource) -> RunDir:
    return open_run(source.target) if source.target else latest_run(source.places.work_dir)


def _best(run: RunDir) -> Path:
    for which in ("best", "last"):
        if (path := run.weights(which)).is_file():
            return path
    message = f"{run.path} has no checkpoint yet; go on with `topformer train --resume auto`"
    raise DataError(message)


def _recipe_of(origin: Any, spec: ModelSpec, file: Path) -> Recipe:  # noqa: ANN401 - JSON
    if isinstance(origin.get("recipe"), dict):
        return parse_resolved(origin["recipe"], str(file))
    name = spec.dataset if spec.dataset in recipe_names() else DEFAULT_RECIPE
    return load_recipe(name, Choices(size=spec.size))


def _took(file: Path, run: RunDir | None, origin: Any) -> str:  # noqa: ANN401 - JSON
    step = f" (step {origin['step']} of {origin['iterations']})" if "step" in origin else ""
    unfinished = ", an unfinished run" if run is not None and not run.finished else ""
    return f"{file}{step}{unfinished}"


def segmenter(model: Model, device: str) -> Segmenter:
    """Wrap a model for label maps of whole pictures by its recipe's protocol."""
    predictor = TorchPredictor(model.network, str(model.file), resolve_device(device))
    return Segmenter(predictor, model.spec, model.recipe.evaluation)


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What to evaluate a model on; its own set unless named."""

    device: str = "auto"
    dataset: str | None = None
    split: str = "val"
    places: Places = Places()


def evaluate_model(model: Model, request: EvalRequest, progress: Progress) -> EvalResult:
    """Measure a model on a split of a prepared set.

    Raises:
        DataError: the set is not prepared or has other classes.
    """
    prepared = open_set(request.dataset or model.recipe.dataset, request.places)
    split = Split(prepared, request.split)
    return evaluate(segmenter(model, request.device), split, str(model.file), progress)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB [H, W, 3], turned upright as its EXIF tag says.

    Raises:
        DataError: there is no such file or it is no picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        message = f"no image {path}"
        raise DataError(message) from error
    except (UnidentifiedImageError, OSError) as error:
        message = f"{path} is not a readable image ({error})"
        raise DataError(message) from error
    return np.asarray(upright)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the picture files named, and those directly in the folders named.

    Raises:
        DataError: a path does not exist, or a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            message = f"no image or folder {path}"
            raise DataError(message)
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if path.is_dir()
            else [path]
        )
        if not inside:
            message = f"{path} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})"
            raise DataError(message)
        found += inside
    return found


def output_names(pictures: Sequence[Path], output: Path | None, kind: str) -> list[Path]:
    """Name one PNG for each picture: beside nothing of the user's, in the folder asked for.

    Raises:
        UsageError: one file was named for several pictures, or two results would share a name.
    """
    if output is not None and output.suffix.lower() == ".png" and not output.is_dir():
        if len(pictures) > 1:
            message = f"-o {output}: one file for {len(pictures)} images; name a folder"
            raise UsageError(message)
        return [output]
    names = [(output or Path()) / f"{picture.stem}-{kind}.png" for picture in pictures]
    if len(set(names)) < len(names):
        message = "two of the images have the same name; segment them into different folders"
        raise UsageError(message)
    return names


def environment(device: torch.device) -> dict[str, Any]:
    """Describe versions, machine and command line of a run."""
    return {
        "topformer": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "command": sys.argv,
    }


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
