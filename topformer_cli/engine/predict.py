"""From images to label maps with any predictor."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.data.protocol import Evaluation, eval_input
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

    @torch.inference_mode()
    def __call__(self, images: FloatArray) -> FloatArray:
        """Compute logits; shapes as in `Predictor`."""
        batch = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        logits: Tensor = self.network(batch)
        return logits.float().cpu().numpy()


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A predictor with the protocol that prepares its input: RGB picture in, label map out."""

    predictor: Predictor
    spec: ModelSpec
    settings: Evaluation

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Label every pixel.

        Shapes: image [H, W, 3] RGB -> labels [H, W] train ids. As in the authors' code, logits are
        resized to the network input's size first and to the picture's own size after that.
        """
        resized = eval_input(image, self.settings)
        logits = torch.from_numpy(self.predictor(normalised(resized, self.spec)))
        with torch.inference_mode():
            labels = upsampled_labels(logits[0], _size(resized), _size(image))
        return labels.numpy()


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def normalised(image: NDArray[np.uint8], spec: ModelSpec) -> FloatArray:
    """Turn an RGB picture [H, W, 3] into the network's input [1, 3, H, W]."""
    mean, std = np.asarray(spec.mean, np.float32), np.asarray(spec.std, np.float32)
    values = (image.astype(np.float32) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])
