"""Proof that a written file computes what the network computes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topformer_cli.deploy.box_proof import BoxProof
from topformer_cli.deploy.manifest import ParityRecord
from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.runtimes import OPENERS, Runtime
from topformer_cli.parity import Parity, agreement, compare_labels, require


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What a written file is held against.

    samples: sets of inputs. references: the outputs that each must give. tolerance: the largest
    accepted max|difference| / max|reference|. labels: the file ends in a label map, and the
    references are the logits that decide it, not label maps. boxes: of a detector, held in
    addition, or alone where there are no references. classes: axis 1 of the outputs is theirs.
    """

    samples: Sequence[Arrays]
    references: Sequence[Arrays]
    tolerance: float
    labels: bool = False
    boxes: BoxProof | None = None
    classes: bool = True

    @classmethod
    def of_images(cls, images: NDArray[Any], reference: NDArray[Any], tolerance: float) -> "Proof":
        """Make the proof of a network of one input and one output, image by image."""
        samples = [[images[i : i + 1]] for i in range(len(images))]
        return cls(samples, [[reference[i : i + 1]] for i in range(len(images))], tolerance)

    def loosened(self, tolerance: float) -> "Proof":
        """Return the proof for weights in less precision: boxes are compared, and may move."""
        boxes = replace(self.boxes, tolerance_px=float("inf")) if self.boxes else None
        return replace(self, tolerance=tolerance, boxes=boxes)

    def hold(self, runtime: Runtime) -> Parity:
        """Run all samples and return the worst output's parity.

        Raises:
            ExportError: the file takes other inputs.
            ParityError: an output has another shape or values that are not finite.
        """
        outputs = [runtime(sample) for sample in self.samples]
        return self.judge(outputs)

    def judge(self, outputs: Sequence[Arrays]) -> Parity:
        """Compare what a runtime gave for the samples, and return the worst output's parity.

        Raises:
            ParityError: an output has another shape or values that are not finite.
        """
        parities = [
            self._compare(np.concatenate(references), np.concatenate(found))
            for references, found in zip(
                zip(*self.references, strict=True), zip(*outputs, strict=True), strict=True
            )
        ]
        return max(parities, key=lambda parity: parity.relative)

    def _compare(self, reference: NDArray[Any], found: NDArray[Any]) -> Parity:
        if self.labels:
            return compare_labels(reference, found)
        return agreement(reference, found, classes=self.classes)


def prove(kind: str, path: Path, proof: Proof) -> ParityRecord:
    """Verify a file of a format and return its parity with the bound it met.

    Raises:
        ParityError: the file lies outside the bound.
    """
    runtime = OPENERS[kind](path)
    outputs = [runtime(sample) for sample in proof.samples]
    if proof.boxes is None:
        return _record(path, proof.judge(outputs), proof.tolerance)
    found = proof.boxes.judge(outputs, path.name)
    if proof.references:
        record = _record(path, proof.judge(outputs), proof.tolerance)
        return record.model_copy(update={"boxes": found.record})
    return ParityRecord(**found.parity.to_json(), bound=found.bound, boxes=found.record)


def _record(path: Path, parity: Parity, tolerance: float) -> ParityRecord:
    require(parity, path.name, tolerance)
    return ParityRecord(**parity.to_json(), bound=tolerance)


def compute(module: nn.Module, images: NDArray[Any]) -> NDArray[Any]:
    """Compute a module's output for images [N, 3, H, W], image by image as the files do."""
    with torch.inference_mode():
        outputs = [module(torch.from_numpy(image[None])).numpy() for image in images]
    return np.concatenate(outputs)
