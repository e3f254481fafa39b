"""A detector of one input size, as an app runs it: a picture fitted in, boxes out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topformer_cli.data.protocol import EvalSettings, eval_input, eval_sizes
from topformer_cli.engine.box_matches import Detections
from topformer_cli.engine.detect import selection_name
from topformer_cli.engine.predict import normalised
from topformer_cli.models.boxes import Selection
from topformer_cli.models.inference import fold_batchnorm
from topformer_cli.models.spec import ModelSpec

Compute: TypeAlias = Callable[[NDArray[Any]], list[NDArray[Any]]]
"""Gives the maps of a detector's head for an input [1, 3, H, W], or corners, scores, classes."""


@dataclass(frozen=True, slots=True)
class FixedDetector:
    """What `compute` finds in pictures that are brought to its input size.

    ends_in_boxes: it decodes and suppresses by itself, by the same selection. takes_bytes: it wants
    0..255 and normalises by itself.
    """

    compute: Compute
    spec: ModelSpec
    settings: EvalSettings
    selection: Selection
    ends_in_boxes: bool = False
    takes_bytes: bool = False
    at_once: int = 1

    @property
    def protocol(self) -> str:
        """How pictures are fitted in, and boxes chosen."""
        width, height = self.settings.scale
        return f"{self.settings.resize} {width}x{height}; {selection_name(self.selection)}"

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Find the objects in a picture [H, W, 3] RGB.

        Boxes are chosen in the whole input and cut off at the picture's edges after that, as a file
        must that does not know where the picture ends.
        """
        original = image.shape[:2]
        sizes = eval_sizes(original[0], original[1], self.settings)
        pixels = eval_input(image, self.settings)
        values: NDArray[Any] = (
            pixels.transpose(2, 0, 1)[None] if self.takes_bytes else normalised(pixels, self.spec)
        )
        corners, scores, labels = self._chosen(self.compute(values), sizes.input)
        (height, width), (rows, columns) = original, sizes.shown
        corners = corners.astype(np.float64) * np.array([width / columns, height / rows] * 2)
        corners = np.clip(corners, 0, [width, height] * 2)
        solid = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return Detections(
            corners[solid], scores[solid].astype(np.float64), labels[solid].astype(np.int64)
        )

    def _chosen(
        self, outputs: list[NDArray[Any]], input_hw: tuple[int, int]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        if self.ends_in_boxes:
            corners, scores, labels = outputs
            return corners, scores, labels
        # Imported here: torchvision takes seconds.
        from topformer_cli.models.deployed_boxes import boxes_of_maps

        found = boxes_of_maps(outputs, input_hw, self.selection)
        return found.boxes.numpy(), found.scores.numpy(), found.labels.numpy()


def maps_in_torch(network: nn.Module, device: torch.device) -> Compute:
    """Return what computes the maps of a RetinaNet's head in its inference form."""
    from topformer_cli.models.deployed_boxes import HeadMaps
    from topformer_cli.models.detector import RetinaNet

    folded = fold_batchnorm(network).to(device)
    assert isinstance(folded, RetinaNet)
    maps = HeadMaps(folded.to(memory_format=torch.channels_last)).eval()

    @torch.inference_mode()
    def compute(values: NDArray[Any]) -> list[NDArray[Any]]:
        batch = torch.from_numpy(values).to(device, memory_format=torch.channels_last)
        return [one.float().numpy(force=True) for one in maps(batch)]

    return compute
