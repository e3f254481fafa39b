"""Bundle an export for an app, with the numbers that were measured of this very model."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.models import Model
from topformer_cli.api.pictures import find_images
from topformer_cli.api.places import Places
from topformer_cli.api.reading import read_image
from topformer_cli.data.scenes import render_scene
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.bundle import Figures, Sample, refuse_strangers, write_bundle
from topformer_cli.errors import DataError, ExportError
from topformer_cli.models.cost import cost_by_part
from topformer_cli.results import BenchResult, BenchSession, EvalResult

GOLDEN_HW: Final = (360, 640)
"""Of the rendered picture: a usual camera's shape, and the size of no network's input."""
LONGEST: Final = 1024
"""Side in pixels of the golden picture; raw copies of a larger one would fill the bundle."""
MOST_LATENCIES: Final = 6


def check_folder(folder: Path) -> None:
    """Refuse a folder for a bundle before the work of an export is done.

    Raises:
        ExportError: it holds what is not of an earlier bundle.
    """
    refuse_strangers(folder)


def bundle_model(
    model: Model, artifact: Artifact, folder: Path, images: Path | None, places: Places
) -> tuple[Path, ...]:
    """Write a folder to build an app from; the golden is made of the first of the user's images.

    Without images it is a rendered scene: pictures of a data set may not be passed on with an app.

    Raises:
        ExportError: the folder holds something else or cannot be written to.
    """
    sample = _sample(images)
    figures = _figures(model, artifact, places)
    try:
        return write_bundle(artifact, folder, sample, figures)
    except OSError as error:
        reason = error.strerror or error
        message = f"--bundle {folder}: cannot be written ({reason}); nothing was replaced"
        raise ExportError(message) from error


def _sample(images: Path | None) -> Sample:
    if images is None:
        picture, _ = render_scene(np.random.default_rng(0), GOLDEN_HW)
        return Sample(picture, "a street scene rendered by topformer, free of rights")
    return Sample(_shrunk(read_image(find_images([images])[0])), "a picture of the exporter's")


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if max(height, width) <= LONGEST:
        return picture
    scale = LONGEST / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk: NDArray[np.uint8] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return shrunk


def _figures(model: Model, artifact: Artifact, places: Places) -> Figures:
    height, width = artifact.manifest.input.shape[2:]
    total = cost_by_part(model.network, height, width)[-1]
    return Figures(
        parameters=total.parameters,
        multiply_adds=total.multiply_adds,
        evaluations=tuple(_evaluations(model)),
        latencies=tuple(_latencies(model, artifact, places))[:MOST_LATENCIES],
    )


def _evaluations(model: Model) -> Iterator[EvalResult]:
    """Yield what `topformer eval` found for this checkpoint, else what its training did."""
    if model.run is None:
        return
    written = model.file.stat().st_mtime
    found = [
        _read(path)
        for path in sorted(model.run.path.glob("eval-*.json"))
        if path.stat().st_mtime >= written
    ]
    of_this = [one for one in found if _same_file(one.get("weights"), model.file)]
    read = map(EvalResult.from_json, of_this or _during_training(model))
    yield from (one for one in read if one is not None)


def _during_training(model: Model) -> Iterator[dict[str, Any]]:
    """Yield the evaluation of the step at which a finished run kept this checkpoint."""
    assert model.run is not None
    result = _read(model.run.result)
    if model.file == model.run.weights("last"):
        yield result.get("last", {})
    elif model.file == model.run.weights("best") and model.run.metrics.is_file():
        for line in model.run.metrics.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if (record.pop("kind"), record.pop("step")) == ("eval", result.get("best_step")):
                yield record


def _same_file(name: str | None, file: Path) -> bool:
    return name is not None and Path(name).resolve() == file.resolve()


def _latencies(model: Model, artifact: Artifact, places: Places) -> Iterator[BenchResult]:
    """Yield trustworthy measurements of these very files, by their hashes, the newest first."""
    hashes = {file.sha256 for file in artifact.manifest.files}
    found = []
    roots = [places.work_dir, *([model.run.path] if model.run is not None else [])]
    for path in (path for root in roots for path in root.glob("bench/*/result.json")):
        if path.parent.is_symlink():  # `latest`
            continue
        with contextlib.suppress(DataError):
            for result in BenchSession.from_json(_read(path)).results:
                trusted = result.verdict == "stable" and not result.emulated
                if trusted and result.files and set(result.files.values()) <= hashes:
                    found.append(result)
    yield from sorted(found, key=lambda result: result.started, reverse=True)


def _read(path: Path) -> dict[str, Any]:
    """Return a record; an empty one for a file that holds none."""
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(path.read_bytes())
        if isinstance(record, dict):
            return record
    return {}
