"""For Python users: the work of the commands as a handful of functions, under `topformer_cli`.

    model = topformer_cli.load("runs/train/latest")
    model.network, model.spec                          # the torch module, and its identity card
    labels = topformer_cli.predict(model, "photo.jpg")
    result = topformer_cli.evaluate(model)
    artifact = topformer_cli.export(model)
    session = topformer_cli.measure(artifact, "host")  # as `topformer bench`

They call what the commands call, and raise `topformer_cli.errors.TopformerError` where a command
ends with an error's line. What a command has as options is in the record that each takes last.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.benching import HOST, BenchChoices, Subject, bench, find_targets
from topformer_cli.api.detecting import BoxChoice, BoxFinder
from topformer_cli.api.evaluating import EvalRequest, evaluate_model
from topformer_cli.api.evaluating_files import FileRequest, evaluate_file
from topformer_cli.api.exporting import ExportChoices, export_model, open_artifact
from topformer_cli.api.models import Model, ModelSource, load_model, segmenter
from topformer_cli.api.places import USUAL, Places
from topformer_cli.api.reading import read_image
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.engine.box_matches import Detections
from topformer_cli.errors import UsageError, together
from topformer_cli.models.spec import SizeName
from topformer_cli.results import BenchSession, Result

SCORE: Final = 0.3
"""The least score of a box, as in `topformer detect`."""


def load(
    source: str | Path | None = None, *, size: SizeName | None = None, places: Places = USUAL
) -> Model:
    """Load a run, a checkpoint or a weights file; without one the latest run.

    `network` of what it returns is the torch module in evaluation mode, `spec` its identity card.
    size: of weights that do not say.

    Raises:
        UsageError: there is no run to take.
        DataError: the file does not hold a model that fits.
    """
    target = None if source is None else Path(source)
    if target is not None and target.is_file():
        return load_model(ModelSource(weights=target, size=size, places=places))
    return load_model(ModelSource(target, size=size, places=places))


def predict(
    model: Model, image: str | Path | NDArray[np.uint8], *, device: str = "auto"
) -> NDArray[np.uint8] | Detections:
    """Label every pixel of a picture, or find the objects in it, by the model's protocol.

    Shapes: a file, or [H, W, 3] RGB -> train ids [H, W] of a network for segmentation; boxes
    [n, 4] in pixels, scores [n] and labels [n] of a detector, those with a score of SCORE or more.

    Raises:
        UsageError: the model is for something else.
        DataError: the file is no picture.
    """
    picture = read_image(Path(image)) if isinstance(image, str | Path) else image
    if model.spec.task == "segmentation":
        return segmenter(model, device)(picture)
    if model.spec.task == "detection":
        return BoxFinder(model, device, BoxChoice(score=SCORE))(picture)
    message = f"{model.file} is a network for {model.spec.task}, which labels no pixel and no box"
    raise UsageError(message)


def evaluate(subject: Model | Artifact | str | Path, request: EvalRequest | None = None) -> Result:
    """Measure a model, or an exported file, on the validation split of its set.

    Raises:
        DataError: the set is not prepared, is of another task or has other classes.
        ExportError: there is no such export, or its files do not belong together.
    """
    wanted = request or EvalRequest()
    if isinstance(subject, Model):
        return evaluate_model(subject, wanted, _silent).result
    path = subject.path if isinstance(subject, Artifact) else Path(subject)
    return evaluate_file(path, FileRequest(wanted), _silent).result


def export(model: Model, choices: ExportChoices | None = None, places: Places = USUAL) -> Artifact:
    """Write ONNX and TNN files of a model, each verified against it.

    Raises:
        UsageError: choices that do not go together.
        ExportError: the network cannot be exported; nothing was written.
        ParityError: a file does not compute the same; nothing took its final name.
    """
    return export_model(model, choices or ExportChoices(), places).artifact


def measure(
    artifact: Artifact | str | Path, device: str = HOST, choices: BenchChoices | None = None
) -> BenchSession:
    """Measure the latency of an export on a phone, by its serial, or on this host.

    Raises:
        DeviceError: the phone or its runner is not ready.
        ParityError: it does not compute there what it should.
        MeasurementError: the runner crashed or hung.
    """
    subject = artifact if isinstance(artifact, Artifact) else open_artifact(Path(artifact))
    wanted = replace(choices or BenchChoices(), devices=(device,))
    done = bench([Subject(subject)], wanted, find_targets(wanted))
    if done.errors:
        raise together(done.errors)
    return done.session


def _silent(_done: int, _total: int) -> None:
    """Tell nobody of the progress."""
