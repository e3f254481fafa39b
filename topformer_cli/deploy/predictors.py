"""Exported files as predictors: images in, logits or labels out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.runtimes import OPENERS, Runtime
from topformer_cli.errors import ExportError


class FilePredictor:
    """A file with one image input and one output, run image by image.

    channels: how many of the output's channels (axis 1) count; all when absent.

    Raises:
        ExportError: the file takes more than one input.
    """

    def __init__(self, runtime: Runtime, channels: int | None = None) -> None:
        if len(runtime.shapes) != 1:
            message = f"{runtime.name}: takes {len(runtime.shapes)} inputs, a predictor has one"
            raise ExportError(message)
        self._runtime = runtime
        self._channels = channels
        self.at_once = 1

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return self._runtime.name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, [1, 3, H, W]."""
        return self._runtime.shapes[0]

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute logits [N, classes, h, w] or labels [N, 1, H, W] for images [N, 3, H, W].

        Raises:
            ExportError: the images have another size than the file.
        """
        if not len(images):
            message = f"{self.name}: takes images of shape {list(self.input_shape)}, got none"
            raise ExportError(message)
        outputs = [self._one(images[i : i + 1]) for i in range(len(images))]
        return np.concatenate(outputs)

    def _one(self, image: NDArray[Any]) -> NDArray[Any]:
        outputs = self._runtime([image])
        if len(outputs) != 1:
            message = f"{self.name}: has {len(outputs)} outputs, a predictor has one"
            raise ExportError(message)
        return outputs[0][:, : self._channels]


class FileOutputs:
    """One format of an export with all its outputs; what only pads one of them is cut off."""

    def __init__(self, artifact: Artifact, kind: str) -> None:
        self._runtime = OPENERS[kind](artifact.main_file(kind))
        self._outputs = artifact.manifest.outputs

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return self._runtime.name

    def __call__(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Compute the outputs, in the order of the manifest, for one input.

        Raises:
            ExportError: the input does not fit the file, or cannot be computed.
        """
        return [
            one[:, : given.shape[1]] if given.tnn_channels else one
            for one, given in zip(self._runtime([values]), self._outputs, strict=True)
        ]


def open_predictor(artifact: Artifact, kind: str) -> FilePredictor:
    """Open one format of an export; what only pads its output is cut off."""
    shape = artifact.manifest.output.shape
    channels = shape[1] if len(shape) > 1 else None
    return FilePredictor(OPENERS[kind](artifact.main_file(kind)), channels)
