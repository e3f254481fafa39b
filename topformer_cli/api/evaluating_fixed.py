"""The protocol of exported files, by task: pictures brought to the one size that a file takes.

A file has one input size and the paper's protocols have many. So a file and its network are both
measured by a protocol of the file's own, `fixed`, which has no place beside published scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import torch

from topformer_cli.api.evaluating_phones import PhonePredictor
from topformer_cli.api.models import Model
from topformer_cli.api.worst import Looked
from topformer_cli.data.protocol import EvalSettings
from topformer_cli.data.store import PreparedSet
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.predictors import FileOutputs, open_predictor
from topformer_cli.engine.detect import evaluate_boxes
from topformer_cli.engine.evaluate import Split, evaluate
from topformer_cli.engine.fixed_boxes import Compute, FixedDetector, maps_in_torch
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.engine.task import Progress
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import EXPORTED, ModelSpec, Task
from topformer_cli.predictor import Predictor
from topformer_cli.results import DetectionResult, EvalResult
from topformer_cli.results.evaluation import FIXED

Fit = Literal["stretch", "letterbox"]


class Subject(Protocol):
    """A file, a phone or a network that is measured by `fixed`."""

    @property
    def name(self) -> str:
        """What computes, as results name it."""

    def evaluate(self, split: Split, progress: Progress) -> EvalResult | DetectionResult:
        """Measure it on a split."""

    def looked(self, prepared: PreparedSet) -> Looked | None:
        """Return what to look at the worst images with; None where there are no label maps."""


class Fixed(Protocol):
    """What an export takes and gives, for whatever computes it."""

    spec: ModelSpec

    def file(self, kind: str) -> Subject:
        """Take one format of the export, on this host."""

    def phone(self, predictor: PhonePredictor) -> Subject:
        """Take a phone that has the export."""

    def network(self, model: Model, device: torch.device) -> Subject:
        """Take the network that it was made of."""


def fixed_protocol(artifact: Artifact, fit: Fit | None) -> Fixed:
    """Return the protocol of an export; label maps are stretched and boxes letterboxed as a rule.

    Raises:
        UsageError: it has no identity card, or is for something that is not exported.
    """
    if not artifact.card:
        message = (
            f"{artifact.path}: has no identity card that says its classes and how pictures are "
            "normalised; evaluate an export of a checkpoint"
        )
        raise UsageError(message)
    spec = ModelSpec.from_json(artifact.card, str(artifact.path))
    if spec.task not in _FIXED:
        message = (
            f"{artifact.path} is an export for {spec.task}; exports for {' and '.join(EXPORTED)} "
            "are evaluated, others as the checkpoint that they were made of"
        )
        raise UsageError(message)
    return _FIXED[spec.task](artifact, spec, fit)


def _settings(artifact: Artifact, fit: Fit) -> EvalSettings:
    height, width = artifact.manifest.input.shape[2:]
    return EvalSettings(fit, (width, height), 1)


class _FixedMaps:
    """The protocol of an export for segmentation."""

    def __init__(self, artifact: Artifact, spec: ModelSpec, fit: Fit | None) -> None:
        self.artifact, self.spec = artifact, spec
        self.settings = _settings(artifact, fit or "stretch")
        self.takes_bytes = artifact.manifest.input.type == "uint8"

    def file(self, kind: str) -> Subject:
        return self._of(open_predictor(self.artifact, kind), takes_bytes=self.takes_bytes)

    def phone(self, predictor: PhonePredictor) -> Subject:
        return self._of(predictor, takes_bytes=self.takes_bytes)

    def network(self, model: Model, device: torch.device) -> Subject:
        network = TorchPredictor(model.network, str(model.file), device)
        return self._of(network, takes_bytes=False)

    def _of(self, predictor: Predictor, *, takes_bytes: bool) -> Subject:
        return _Maps(Segmenter(predictor, self.spec, self.settings, takes_bytes=takes_bytes))


@dataclass(frozen=True, slots=True)
class _Maps:
    segmenter: Segmenter

    @property
    def name(self) -> str:
        return self.segmenter.predictor.name

    def evaluate(self, split: Split, progress: Progress) -> EvalResult:
        result = evaluate(self.segmenter, split, self.name, progress)
        return replace(result, protocol=f"{FIXED}: {result.protocol}")

    def looked(self, prepared: PreparedSet) -> Looked:
        return Looked(self.segmenter, prepared)


class _FixedBoxes:
    """The protocol of an export for detection."""

    def __init__(self, artifact: Artifact, spec: ModelSpec, fit: Fit | None) -> None:
        decoding = artifact.manifest.decoding
        if decoding is None:
            message = f"{artifact.path}: does not say how boxes are decoded; export it again"
            raise UsageError(message)
        self.artifact, self.spec, self.decoding = artifact, spec, decoding
        self.settings = _settings(artifact, fit or "letterbox")

    def file(self, kind: str) -> Subject:
        file = FileOutputs(self.artifact, kind)
        return self._exported(file, file.name)

    def phone(self, predictor: PhonePredictor) -> Subject:
        return self._exported(predictor.compute, predictor.name)

    def network(self, model: Model, device: torch.device) -> Subject:
        return _Boxes(self._finder(maps_in_torch(model.network, device)), str(model.file))

    def _exported(self, compute: Compute, name: str) -> Subject:
        manifest = self.artifact.manifest
        finder = replace(
            self._finder(compute),
            ends_in_boxes=manifest.output.kind == "boxes",
            takes_bytes=manifest.input.type == "uint8",
        )
        return _Boxes(finder, name)

    def _finder(self, compute: Compute) -> FixedDetector:
        return FixedDetector(compute, self.spec, self.settings, self.decoding)


@dataclass(frozen=True, slots=True)
class _Boxes:
    finder: FixedDetector
    name: str

    def evaluate(self, split: Split, progress: Progress) -> DetectionResult:
        result = evaluate_boxes(self.finder, split, self.name, progress)
        return replace(result, protocol=f"{FIXED}: {result.protocol}")

    def looked(self, _prepared: PreparedSet) -> None:
        return None


_FIXED: Final[Mapping[Task, Callable[[Artifact, ModelSpec, Fit | None], Fixed]]] = {
    "segmentation": _FixedMaps,
    "detection": _FixedBoxes,
}
"""Task -> its protocol; networks for others are not exported."""
