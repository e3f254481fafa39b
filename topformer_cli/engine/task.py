"""What differs between tasks, so that one training loop serves them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.evaluate import Progress, Split, evaluate
from topformer_cli.engine.losses import upsampled_cross_entropy
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.errors import UsageError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.models.topformer import TopFormer
from topformer_cli.recipe import Recipe
from topformer_cli.results import EvalResult


class Task(Protocol):
    """Loss, evaluation and headline number of one kind of network."""

    def loss(self, network: TopFormer, images: Tensor, labels: Tensor) -> Tensor:
        """Score one batch of normalised images."""
        ...

    def evaluate(self, network: TopFormer, weights: str, progress: Progress) -> EvalResult:
        """Measure the network on the validation split."""
        ...

    def headline(self, result: EvalResult) -> float:
        """Return the number whose highest value makes a checkpoint the best one."""
        ...


@dataclass(frozen=True, slots=True)
class SegmentationTask:
    """Cross-entropy at full resolution and mIoU."""

    recipe: Recipe
    prepared: PreparedSet
    spec: ModelSpec

    def loss(self, network: TopFormer, images: Tensor, labels: Tensor) -> Tensor:
        """Score one batch: images [B, 3, H, W], labels [B, H, W] uint8."""
        return upsampled_cross_entropy(network(images), labels, self.recipe.loss.normalise)

    def evaluate(self, network: TopFormer, weights: str, progress: Progress) -> EvalResult:
        """Evaluate the inference form by the recipe's protocol."""
        device = next(network.parameters()).device
        predictor = TorchPredictor(network, weights, device)
        segmenter = Segmenter(predictor, self.spec, self.recipe.evaluation)
        return evaluate(segmenter, Split(self.prepared), weights, progress)

    def headline(self, result: EvalResult) -> float:
        """Return the mIoU."""
        return result.miou


TASKS: Final[Mapping[str, Callable[[Recipe, PreparedSet, ModelSpec], Task]]] = {
    "segmentation": SegmentationTask
}


def model_spec(recipe: Recipe, card: DatasetCard) -> ModelSpec:
    """Write the identity card of the network that a recipe trains on a set."""
    return ModelSpec(
        task=recipe.task,
        size=recipe.size,
        head=recipe.model.head,
        fuse=recipe.fuse,
        classes=card.classes,
        palette=card.palette,
        input_size=recipe.augment.crop,
        dataset=card.name,
        data_terms=card.terms,
    )


def resolve_device(name: str) -> torch.device:
    """Return a torch device; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: this machine, or this build of torch, has no such device.
    """
    if name != "auto":
        device = torch.device(name)
        _require_present(device)
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _require_present(device: torch.device) -> None:
    count = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 1)
    if (device.index or 0) >= count:
        message = f"--device {device}: torch finds {count} such devices here; use auto or cpu"
        raise UsageError(message)
