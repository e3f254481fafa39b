"""The task of detection: focal and L1 loss of every anchor, and average precision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from topformer_cli.data.box_samples import box_samples
from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.samples import Batch
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.box_loss import BoxTargets, detection_loss
from topformer_cli.engine.detect import Detector, evaluate_boxes
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.task import Progress
from topformer_cli.models.spec import SIZES, ModelSpec
from topformer_cli.results import DetectionResult
from topformer_cli.sections.detection import DetectionRecipe


@dataclass(frozen=True, slots=True)
class DetectionTask:
    """A RetinaNet on a set of boxes."""

    recipe: DetectionRecipe
    prepared: PreparedSet
    spec: ModelSpec

    def build(self) -> nn.Module:
        """Build the network with the recipe's kind of batch normalisation."""
        # Imported here: torchvision takes seconds, and other tasks import this package.
        from topformer_cli.models.detector import RetinaNet

        model = self.recipe.model
        return RetinaNet(SIZES[self.spec.size], len(self.spec.classes), model.drop_path, model.norm)

    def batches(self, start_step: int, stop_step: int, workers: int) -> Iterator[Batch]:
        """Yield images [B, H, W, 3] uint8 and what `BoxSamples` has besides."""
        recipe = self.recipe
        samples = box_samples(self.prepared, recipe.augment)
        source = TrainBatches(samples, recipe.batch, recipe.seed, workers, samples.groups)
        yield from source.batches(start_step, stop_step)

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Score logits and offsets of every anchor."""
        raw = network(images)
        return detection_loss(raw.logits, raw.offsets, BoxTargets.of(images, targets))

    def evaluate(
        self, network: nn.Module, split: str, weights: str, progress: Progress
    ) -> DetectionResult:
        """Evaluate the inference form by the recipe's protocol."""
        device = next(network.parameters()).device
        detector = Detector(network, self.spec, self.recipe.evaluation, device)
        return evaluate_boxes(detector, Split(self.prepared, split), weights, progress)
