"""From images to label maps with any predictor."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.data.looks import WHOLE, Looks, Window, windows
from topformer_cli.data.protocol import EvalSizes, Evaluation, eval_input, eval_sizes, scaled
from topformer_cli.engine.canvas import Canvas, View, labels_of_views
from topformer_cli.engine.resize import upsampled_labels
from topformer_cli.models.inference import fold_batchnorm
from topformer_cli.models.spec import ModelSpec
from topformer_cli.predictor import FloatArray, Predictor


class TorchPredictor:
    """A network in its inference form on a torch device."""

    def __init__(self, network: nn.Module, name: str, device: torch.device) -> None:
        folded = fold_batchnorm(network).to(device)
        self.network = folded.to(memory_format=torch.channels_last)
        self.name = name
        self.device = device
        self.at_once = torch.get_num_threads() if device.type == "cpu" else 1

    @torch.inference_mode()
    def __call__(self, images: FloatArray) -> FloatArray:
        """Compute logits; shapes as in `Predictor`."""
        batch = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        logits: Tensor = self.network(batch)
        return logits.float().cpu().numpy()


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A predictor with the protocol that prepares its input: RGB picture in, label map out.

    takes_bytes: the predictor wants 0..255 and normalises by itself.
    """

    predictor: Predictor
    spec: ModelSpec
    settings: Evaluation
    looks: Looks = WHOLE
    takes_bytes: bool = False

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label every pixel.

        Shapes: image [H, W, 3] RGB -> labels [H, W] train ids. As in the authors' code, logits are
        resized to the network input's size first and to the picture's own size after that.
        """
        if self.looks == WHOLE:
            return self._at_once(image)
        views = [
            self._view(image, scaled(self.settings, factor), flipped)
            for factor in self.looks.scales
            for flipped in ((False, True) if self.looks.flip else (False,))
        ]
        with torch.inference_mode():
            return labels_of_views(views, len(self.spec.classes)).numpy()

    def _at_once(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        sizes = eval_sizes(*_size(image), self.settings)
        given = self._given(eval_input(image, self.settings))
        if not given.is_floating_point():
            return _nearest(given.numpy()[0], sizes)
        with torch.inference_mode():
            if sizes.shown == sizes.input:
                return upsampled_labels(given, sizes.input, sizes.original).numpy()
            canvas = Canvas(sizes.shown, windows(sizes.input, WHOLE), lambda _: given)
            return labels_of_views([View(canvas, sizes.original)], len(given)).numpy()

    def _view(self, image: NDArray[np.uint8], settings: Evaluation, flipped: bool) -> View:
        """Prepare one look; the network sees a window when its rows are asked for."""
        sizes = eval_sizes(*_size(image), settings)
        resized = eval_input(image, settings)
        if flipped:
            resized = resized.copy()
            resized[:, : sizes.shown[1]] = resized[:, : sizes.shown[1]][:, ::-1].copy()

        def logits_of(window: Window) -> Tensor:
            part = resized[window.top : window.bottom, window.left : window.right]
            return self._given(part)

        canvas = Canvas(sizes.shown, windows(sizes.input, self.looks), logits_of)
        return View(canvas, sizes.original, flipped)

    def _given(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return the logits [C, h, w] of an input [H, W, 3], or its label map [1, H, W]."""
        values: NDArray[Any] = (
            pixels.transpose(2, 0, 1)[None] if self.takes_bytes else normalised(pixels, self.spec)
        )
        return torch.from_numpy(self.predictor(values))[0]


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _nearest(labels: NDArray[Any], sizes: EvalSizes) -> NDArray[np.uint8]:
    """Stretch a label map of the input over the picture."""
    shown = labels[: sizes.shown[0], : sizes.shown[1]].astype(np.uint8)
    size = sizes.original[::-1]
    return np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def normalised(image: NDArray[np.uint8], spec: ModelSpec) -> FloatArray:
    """Turn an RGB picture [H, W, 3] into the network's input [1, 3, H, W]."""
    mean, std = np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32)
    values = (image.astype(np.float32) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
