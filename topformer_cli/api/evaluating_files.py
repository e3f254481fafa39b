"""Measure an exported file beside the network that it was made of.

A file has one input size and the paper's protocols have many, so both are measured by a protocol of
the file's own, `fixed`, which has no place beside published scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from topformer_cli.api.evaluating import EvalRequest
from topformer_cli.api.exporting import open_artifact
from topformer_cli.api.models import Model, ModelSource, load_model
from topformer_cli.api.sets import open_set
from topformer_cli.data.protocol import EvalSettings
from topformer_cli.data.store import PreparedSet
from topformer_cli.deploy.artifact import SUFFIXES, Artifact
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.engine.device import resolve_device
from topformer_cli.engine.evaluate import Split, evaluate
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.engine.task import Progress
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import EvalResult
from topformer_cli.rundir import RunDir, file_sha256

Fit = Literal["stretch", "letterbox"]

FIXED: Final = "fixed"

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

    fit: how pictures are brought to its input size. against: the run or checkpoint to measure
    beside it; None for the checkpoint that it was made of, if its run is still there.
    """

    usual: EvalRequest = field(default_factory=EvalRequest)
    fit: Fit = "stretch"
    against: Path | None = None


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """What a file came to, and the network that it was made of by the same protocol.

    why: why there is none.
    """

    result: EvalResult
    network: EvalResult | None
    why: str = ""

    def line(self) -> str:
        """Say what became of the network on its way into the file."""
        if self.network is None:
            return f"not held against PyTorch: {self.why}"
        difference = self.result.miou - self.network.miou
        return (
            f"{self.network.weights} in PyTorch by the same protocol: mIoU "
            f"{self.network.miou:.2f}; difference {difference:+.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the record of the file, with the network's score as `network`."""
        record = self.result.to_json() | {"network": None, "network_missing": self.why or None}
        if self.network is not None:
            record["network"] = {"weights": self.network.weights, **self.network.scores}
            record["miou_difference"] = self.result.miou - self.network.miou
        return record


def evaluate_file(path: Path, request: FileRequest, progress: Progress) -> MeasuredFile:
    """Measure an exported segmentation network on a split of a prepared set.

    Progress counts the images of both.

    Raises:
        UsageError: it is a network for something else, or has no identity card.
        ExportError: there is no such export, or its files do not belong together.
        DataError: the set is not prepared, is of another task or has other classes.
    """
    artifact = open_artifact(path)
    spec = _card(artifact)
    usual = request.usual
    prepared = open_set(usual.dataset or spec.dataset, usual.places)
    prepared.require(spec.task)
    prepared.complete(usual.fetching, (usual.split,))
    model, why = _source(artifact, request)
    settings = _settings(artifact, request.fit)
    kind = FILE_SUFFIXES.get(path.suffix, artifact.formats[0])
    segmenter = Segmenter(
        open_predictor(artifact, kind),
        spec,
        settings,
        takes_bytes=artifact.manifest.input.type == "uint8",
    )
    run = _Run(prepared, usual.split, progress, 1 if model is None else 2)
    result = run.evaluate(segmenter, str(artifact.main_file(kind)))
    if model is None:
        return MeasuredFile(result, None, why)
    predictor = TorchPredictor(model.network, str(model.file), resolve_device(usual.device))
    network = run.evaluate(Segmenter(predictor, model.spec, settings), str(model.file))
    return MeasuredFile(result, network)


@dataclass
class _Run:
    """Evaluations one after another, with one progress."""

    prepared: PreparedSet
    split: str
    progress: Progress
    rounds: int
    done: int = 0

    def evaluate(self, segmenter: Segmenter, weights: str) -> EvalResult:
        before, total = self.done, self.prepared.length(self.split)

        def tell(done: int, _total: int) -> None:
            self.progress(before + done, total * self.rounds)

        result = evaluate(segmenter, Split(self.prepared, self.split), weights, tell)
        self.done += total
        return replace(result, protocol=f"{FIXED}: {result.protocol}")


def _settings(artifact: Artifact, fit: Fit) -> EvalSettings:
    height, width = artifact.manifest.input.shape[2:]
    return EvalSettings(fit, (width, height), 1)


def _card(artifact: Artifact) -> ModelSpec:
    if not artifact.card:
        message = (
            f"{artifact.path}: has no identity card that says its classes and how pictures are "
            "normalised; evaluate an export of a checkpoint"
        )
        raise UsageError(message)
    spec = ModelSpec.from_json(artifact.card, str(artifact.path))
    if spec.task != "segmentation":
        message = (
            f"{artifact.path} is an export for {spec.task}; exports for segmentation are "
            "evaluated, others as the checkpoint that they were made of"
        )
        raise UsageError(message)
    return spec


def _source(artifact: Artifact, request: FileRequest) -> tuple[Model | None, str]:
    """Return the network that a file was made of, or why it is not to be had."""
    if request.against is not None:
        return load_model(ModelSource(request.against, tasks=("segmentation",))), ""
    source = artifact.manifest.source
    run = RunDir(artifact.path.resolve().parent.parent)
    for which in ("best", "last"):
        file = run.weights(which)
        if file.is_file() and file_sha256(file) == source.sha256:
            return load_model(ModelSource(file, tasks=("segmentation",))), ""
    return None, f"{source.name}, of which it was made, is not in its run; name it with --against"
