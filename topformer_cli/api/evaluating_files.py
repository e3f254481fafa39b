"""Measure an exported file beside the network that it was made of, both by the file's protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from topformer_cli.api.benching import BenchChoices
from topformer_cli.api.evaluating import EvalRequest
from topformer_cli.api.evaluating_fixed import Fit, Subject, fixed_protocol
from topformer_cli.api.evaluating_phones import phone_predictor
from topformer_cli.api.exporting import open_artifact
from topformer_cli.api.made_of import checkpoint_of, run_of
from topformer_cli.api.models import Model, ModelSource, load_model
from topformer_cli.api.sets import open_set
from topformer_cli.api.worst import Looked
from topformer_cli.deploy.artifact import SUFFIXES, Artifact
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.task import Progress
from topformer_cli.models.spec import Task
from topformer_cli.results import DetectionResult, EvalResult
from topformer_cli.rundir import RunDir

FILE_SUFFIXES: Final[Mapping[str, str]] = {
    suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes
}
"""Suffix of an exported file -> its format."""


def is_exported(path: Path | None) -> bool:
    """Say whether a path names an exported file, or the manifest of an export."""
    return path is not None and (path.suffix in FILE_SUFFIXES or path.suffix == ".json")


@dataclass(frozen=True, slots=True)
class FileRequest:
    """How an exported file is measured.

    fit: how pictures are brought to its input size; None for what is usual of its task. against:
    the run or checkpoint to measure beside it; None for the checkpoint that it was made of, if its
    run is still there. most: so many images in place of all. phone: the phone that computes it,
    beside this host.
    """

    usual: EvalRequest = field(default_factory=EvalRequest)
    fit: Fit | None = None
    against: Path | None = None
    most: int | None = None
    phone: BenchChoices | None = None


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """What a file came to, and what should compute the same, by the same protocol.

    what: names the latter; why: says why there is none. looked: of label maps, what to look at the
    worst images with, on this host. run: the run that the file is of.
    """

    result: EvalResult | DetectionResult
    beside: EvalResult | DetectionResult | None
    looked: Looked | None = field(repr=False, compare=False)
    run: RunDir | None = None
    what: str = ""
    why: str = ""

    @property
    def difference(self) -> float | None:
        """The mIoU or AP of the file above the other one's."""
        if self.beside is None:
            return None
        return self.result.headline.value - self.beside.headline.value

    def line(self) -> str:
        """Say how far the two lie apart."""
        if self.beside is None:
            return f"not held against PyTorch: {self.why}"
        apart = "" if self.difference is None else f"; difference {self.difference:+.4f}"
        return f"{self.what} by the same protocol: {self.beside.headline}{apart}"

    def to_json(self) -> dict[str, Any]:
        """Return the record of the file, with what was measured beside it as `beside`."""
        beside = None
        if self.beside is not None:
            beside = {"what": self.what, "weights": self.beside.weights, **self.beside.scores}
        apart = {f"{self.result.headline.key}_difference": self.difference}
        return self.result.to_json() | {"beside": beside, **apart, "not_held": self.why or None}


def evaluate_file(path: Path, request: FileRequest, progress: Progress) -> MeasuredFile:
    """Measure an exported network on a split of a prepared set.

    Progress counts the images of both evaluations.

    Raises:
        UsageError: it is a network for something else, or has no identity card.
        ExportError: there is no such export, or its files do not belong together.
        DataError: the set is not prepared, is of another task or has other classes.
        DeviceError: the phone or its runner is not ready.
        MeasurementError: the runner failed there.
    """
    artifact = open_artifact(path)
    protocol = fixed_protocol(artifact, request.fit)
    spec, usual = protocol.spec, request.usual
    prepared = open_set(usual.dataset or spec.dataset, usual.places)
    prepared.require(spec.task)
    prepared.complete(usual.fetching, (usual.split,))
    turns = _Turns(Split(prepared, usual.split, most=request.most), progress)
    file = protocol.file(FILE_SUFFIXES.get(path.suffix, artifact.formats[0]))
    looked, run = file.looked(prepared), run_of(artifact)
    if request.phone is not None:
        turns.turns = 2
        with phone_predictor(artifact, request.phone) as predictor:
            result = turns.evaluate(protocol.phone(predictor))
        return MeasuredFile(result, turns.evaluate(file), looked, run, f"{file.name} on this host")
    model, why = _source(artifact, request, spec.task)
    if model is None:
        return MeasuredFile(turns.evaluate(file), None, looked, run, why=why)
    turns.turns = 2
    network = protocol.network(model, resolve_device(usual.device))
    result = turns.evaluate(file)
    return MeasuredFile(result, turns.evaluate(network), looked, run, f"{model.file} in PyTorch")


@dataclass
class _Turns:
    """Evaluations one after another, with one progress."""

    split: Split
    progress: Progress
    turns: int = 1
    done: int = 0

    def evaluate(self, subject: Subject) -> EvalResult | DetectionResult:
        before, total = self.done, len(self.split)

        def tell(done: int, _total: int) -> None:
            self.progress(before + done, total * self.turns)

        result = subject.evaluate(self.split, tell)
        self.done += total
        return result


def _source(artifact: Artifact, request: FileRequest, task: Task) -> tuple[Model | None, str]:
    """Return the network that a file was made of, or why it is not to be had."""
    if (file := request.against or checkpoint_of(artifact)) is not None:
        places = request.usual.places
        return load_model(ModelSource(file, places=places, tasks=(task,))), ""
    name = artifact.manifest.source.name
    return None, f"{name}, of which it was made, is not in its run; name it with --against"
