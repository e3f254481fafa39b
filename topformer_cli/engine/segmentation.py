"""The task of segmentation: cross-entropy at full resolution, and mIoU."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.looks import WHOLE, Looks
from topformer_cli.data.statistics import class_weights
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.evaluate import Split, evaluate
from topformer_cli.engine.examples import MapExample, example_indices
from topformer_cli.engine.feed import Feed, FeedOptions
from topformer_cli.engine.losses import pixel_count, upsampled_cross_entropy
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.segmentation_feed import segmentation_feed
from topformer_cli.engine.task import PartLoss, Progress, Statistics
from topformer_cli.errors import RecipeError
from topformer_cli.models.beside import BothLogits
from topformer_cli.models.build import build_model, build_trained
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import EvalResult
from topformer_cli.sections.segmentation import SegmentationRecipe


@dataclass(frozen=True, slots=True)
class SegmentationTask:
    """A segmentation network on a set of masks; looks: how often it looks at an image in tests."""

    recipe: SegmentationRecipe
    prepared: PreparedSet
    spec: ModelSpec
    looks: Looks = WHOLE
    weights: dict[torch.device, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that there is a weight for every class.

        Raises:
            RecipeError: there are more or fewer.
        """
        choice, classes = self.recipe.loss.class_weights, len(self.spec.classes)
        if not isinstance(choice, str) and len(choice) != classes:
            message = (
                f"loss.class_weights: {len(choice)} weights, {self.spec.dataset} has {classes} "
                "classes; give one a class, or take -o loss.class_weights=auto"
            )
            raise RecipeError(message)

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
        if model.auxiliary:
            return build_trained(self.spec, model.drop_path, model.dropout)
        return build_model(self.spec, drop_path=model.drop_path, dropout=model.dropout)

    def feed(self, options: FeedOptions) -> Feed:
        """Feed images and train ids [B, H, W] uint8, from wherever the recipe wants pixels."""
        return segmentation_feed(self.recipe, self.prepared, self.spec, options)

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> PartLoss:
        """Score logits against train ids [B, H, W], and those of a head beside by its weight."""
        (labels,) = targets
        weights = self._weights_on(labels.device)
        pixels = pixel_count(labels, "all_pixels")
        share = pixel_count(labels, self.recipe.loss.normalise, weights) / pixels
        found = network(images)
        if not isinstance(found, BothLogits):
            return PartLoss(upsampled_cross_entropy(found, labels, pixels, weights), share)
        own, beside = (upsampled_cross_entropy(one, labels, pixels, weights) for one in found)
        return PartLoss(own + self.recipe.model.auxiliary * beside, share)

    def _weights_on(self, device: torch.device) -> Tensor | None:
        """Return the class weights [C], which are brought to a device once."""
        choice = self.recipe.loss.class_weights
        if choice == "none":
            return None
        if device not in self.weights:
            values = class_weights(self.prepared.card) if choice == "auto" else choice
            self.weights[device] = torch.tensor(values, device=device)
        return self.weights[device]

    def evaluate(
        self,
        network: nn.Module,
        split: str,
        weights: str,
        progress: Progress,
        world: World = ALONE,
    ) -> EvalResult:
        """Evaluate the inference form by the recipe's protocol."""
        segmenter = self.segmenter(network, weights)
        return evaluate(segmenter, Split(self.prepared, split, world), weights, progress)

    def examples(self, network: nn.Module) -> Sequence[MapExample]:
        """Label validation images from all parts of the split."""
        prepared = self.prepared
        segmenter = self.segmenter(network, "examples")
        found = []
        for index in example_indices(prepared.length("val")):
            sample = prepared.sample("val", index)
            image, truth = (
                decode_image(sample.image),
                decode_mask(sample.mask, prepared.card.id_map),
            )
            found.append(MapExample(sample.id, image, truth, segmenter(image)))
        return found

    def segmenter(self, network: nn.Module, name: str) -> Segmenter:
        """Wrap a network for label maps of whole pictures by the recipe's protocol."""
        device = next(network.parameters()).device
        predictor = TorchPredictor(network, name, device)
        return Segmenter(predictor, self.spec, self.recipe.evaluation, self.looks)
