"""The task of segmentation: cross-entropy at full resolution, and mIoU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.samples import Batch, MaskSamples
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.evaluate import Split, evaluate
from topformer_cli.engine.losses import upsampled_cross_entropy
from topformer_cli.engine.predict import Segmenter, TorchPredictor
from topformer_cli.engine.task import Progress
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import EvalResult
from topformer_cli.sections.segmentation import SegmentationRecipe


@dataclass(frozen=True, slots=True)
class SegmentationTask:
    """A segmentation network on a set of masks."""

    recipe: SegmentationRecipe
    prepared: PreparedSet
    spec: ModelSpec

    def build(self) -> nn.Module:
        """Build the network with the recipe's drop rates."""
        model = self.recipe.model
        return build_model(self.spec, drop_path=model.drop_path, dropout=model.dropout)

    def batches(self, start_step: int, stop_step: int, workers: int) -> Iterator[Batch]:
        """Yield images [B, H, W, 3] and train ids [B, H, W], both uint8."""
        recipe = self.recipe
        samples = MaskSamples(self.prepared, recipe.augment)
        source = TrainBatches(samples, recipe.batch, recipe.seed, workers)
        yield from source.batches(start_step, stop_step)

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Score logits against train ids [B, H, W]."""
        (labels,) = targets
        return upsampled_cross_entropy(network(images), labels, self.recipe.loss.normalise)

    def evaluate(
        self, network: nn.Module, split: str, weights: str, progress: Progress
    ) -> EvalResult:
        """Evaluate the inference form by the recipe's protocol."""
        device = next(network.parameters()).device
        predictor = TorchPredictor(network, weights, device)
        segmenter = Segmenter(predictor, self.spec, self.recipe.evaluation)
        return evaluate(segmenter, Split(self.prepared, split), weights, progress)
