"""The task of classification: cross-entropy of the whole image, top-1 and top-5."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.data.class_augment import CentreCrop, centre_input
from topformer_cli.data.decode import decode_image
from topformer_cli.data.samples import ClassSamples
from topformer_cli.data.store import ClassSample, PreparedSet
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.examples import Example
from topformer_cli.engine.feed import Feed, FeedOptions, host_feed
from topformer_cli.engine.predict import TorchPredictor, normalised
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.task import (
    PartLoss,
    Progress,
    Statistics,
    evaluation_notes,
    require_classes,
)
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import ModelSpec
from topformer_cli.predictor import FloatArray, Predictor
from topformer_cli.results import ClassificationResult
from topformer_cli.sections.classification import ClassificationRecipe

EVALUATED_TOGETHER: Final = 32
TOP: Final = 5


@dataclass(frozen=True, slots=True)
class ClassificationTask:
    """A classification network on a set of images with one class each."""

    recipe: ClassificationRecipe
    prepared: PreparedSet
    spec: ModelSpec

    @property
    def statistics(self) -> Statistics:
        """Take the moments of all images together, as the paper's SyncBN does."""
        return "together"

    @property
    def fixed_shapes(self) -> bool:
        """Crops have one size."""
        return True

    def build(self) -> nn.Module:
        """Build the network with the recipe's drop rates."""
        model = self.recipe.model
        return build_model(self.spec, drop_path=model.drop_path, dropout=model.dropout)

    def feed(self, options: FeedOptions) -> Feed:
        """Feed images and train ids [B] int64; of mixed images more, see `ClassSamples`."""
        recipe = self.recipe
        samples = ClassSamples(self.prepared, recipe.augment)
        return host_feed(samples, recipe, self.spec, options)

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> PartLoss:
        """Score logits against train ids [B]; parts are of one size."""
        logits, smoothing = network(images), self.recipe.loss.label_smoothing
        if self.recipe.augment.mixup:
            labels, others, shares = targets
            first, second = (
                F.cross_entropy(logits, one, reduction="none", label_smoothing=smoothing)
                for one in (labels, others)
            )
            loss = torch.lerp(second, first, shares).mean()
        else:
            loss = F.cross_entropy(logits, targets[0], label_smoothing=smoothing)
        return PartLoss(loss, loss.new_ones((), dtype=torch.float32))

    def evaluate(
        self,
        network: nn.Module,
        split: str,
        weights: str,
        progress: Progress,
        world: World = ALONE,
    ) -> ClassificationResult:
        """Evaluate the inference form on central crops."""
        device = next(network.parameters()).device
        predictor = TorchPredictor(network, weights, device)
        classifier = ImageClassifier(predictor, self.spec, self.recipe.evaluation)
        return evaluate_classes(classifier, Split(self.prepared, split, world), weights, progress)

    def examples(self, network: nn.Module) -> Sequence[Example]:  # noqa: ARG002
        """Return nothing: a class is no picture."""
        return ()


@dataclass(frozen=True, slots=True)
class ImageClassifier:
    """A predictor with the protocol that prepares its input: RGB picture in, scores out."""

    predictor: Predictor
    spec: ModelSpec
    settings: CentreCrop

    def input(self, image: NDArray[np.uint8]) -> FloatArray:
        """Turn a picture [H, W, 3] into the network's input [1, 3, h, w]."""
        return normalised(centre_input(image, self.settings), self.spec)

    def __call__(self, inputs: Sequence[FloatArray]) -> FloatArray:
        """Return logits [N, classes] of N inputs."""
        return self.predictor(np.concatenate(inputs))


def evaluate_classes(
    classifier: ImageClassifier, split: Split, weights: str, progress: Progress
) -> ClassificationResult:
    """Compare answers with labels, one crop an image.

    Raises:
        DataError: the model's classes are not the set's.
    """
    prepared, spec = split.prepared, classifier.spec
    card = prepared.card
    require_classes(spec, card)
    counts = _Counts(len(card.classes))
    total = prepared.length(split.name)
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(split.indices), EVALUATED_TOGETHER):
            indices = split.indices[start : start + EVALUATED_TOGETHER]
            samples = [prepared.classified(split.name, index) for index in indices]
            inputs = list(pool.map(lambda one: _input(classifier, one), samples))
            counts.add(classifier(inputs), np.array([sample.label for sample in samples]))
            progress(min(indices[-1] + split.world.size, total), total)
    counts.add_up(split.world)
    crop = "x".join(str(side) for side in classifier.settings.crop)
    return ClassificationResult(
        model=spec.network,
        weights=weights,
        dataset=card.name,
        split=split.name,
        images=total,
        protocol=f"short side {classifier.settings.short_side}, centre {crop}; single crop",
        classes=card.classes,
        top1=counts.share(counts.first.sum()),
        top5=counts.share(counts.among_top) if len(card.classes) > TOP else None,
        accuracy=counts.accuracy(),
        counts=tuple(int(count) for count in counts.images),
        notes=evaluation_notes(spec, card),
    )


def _input(classifier: ImageClassifier, sample: ClassSample) -> FloatArray:
    return classifier.input(decode_image(sample.image))


class _Counts:
    """Images and right answers by class."""

    def __init__(self, classes: int) -> None:
        self.images = np.zeros(classes, np.int64)
        self.first = np.zeros(classes, np.int64)
        self.among_top = 0

    def add(self, logits: FloatArray, labels: NDArray[np.int64]) -> None:
        """Count logits [N, classes] against train ids [N].

        The label comes after every class that is not below it, so that neither ties nor scores
        that are no numbers count as right.
        """
        own = logits[np.arange(len(labels)), labels]
        better = (~(logits < own[:, None])).sum(1) - 1
        self.images += np.bincount(labels, minlength=len(self.images))
        self.first += np.bincount(labels[better == 0], minlength=len(self.images))
        self.among_top += int((better < TOP).sum())

    def add_up(self, world: World) -> None:
        """Take in what other processes counted."""
        counts = world.counted(np.concatenate([self.images, self.first, [self.among_top]]))
        self.images, self.first = (part.copy() for part in np.split(counts[:-1], 2))
        self.among_top = int(counts[-1])

    def share(self, count: int) -> float:
        total = int(self.images.sum())
        return 100.0 * int(count) / total if total else 0.0

    def accuracy(self) -> tuple[float | None, ...]:
        return tuple(
            100.0 * int(right) / int(images) if images else None
            for right, images in zip(self.first, self.images, strict=True)
        )
