"""The task of detection: focal and L1 loss of every anchor, and average precision."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from topformer_cli.data.box_samples import box_samples
from topformer_cli.data.decode import decode_image
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.box_loss import BoxTargets, detection_loss
from topformer_cli.engine.box_matches import Objects
from topformer_cli.engine.detect import Detector, Settings, evaluate_boxes
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.examples import SHOWN_SCORE, BoxExample, example_indices
from topformer_cli.engine.feed import Feed, FeedOptions, host_feed
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.task import PartLoss, Progress, Statistics
from topformer_cli.models.build import build_detector
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import DetectionResult
from topformer_cli.sections.detection import DetectionRecipe


@dataclass(frozen=True, slots=True)
class DetectionTask:
    """A RetinaNet on a set of boxes."""

    recipe: DetectionRecipe
    prepared: PreparedSet
    spec: ModelSpec

    @property
    def statistics(self) -> Statistics:
        """As `models.spec.Norm` says."""
        kinds: dict[str, Statistics] = {"sync": "together", "plain": "apart", "frozen": "fixed"}
        return kinds[self.recipe.model.norm]

    @property
    def fixed_shapes(self) -> bool:
        """Images are padded to what a batch needs, with any number of boxes."""
        return False

    def build(self) -> nn.Module:
        """Build the network with the recipe's kind of batch normalisation."""
        return build_detector(self.spec, self.recipe.drop_path, self.recipe.model.norm)

    def feed(self, options: FeedOptions) -> Feed:
        """Feed images and what `BoxSamples` has besides."""
        recipe = self.recipe
        samples = box_samples(self.prepared, recipe.augment)
        return host_feed(samples, recipe, self.spec, options, samples.groups)

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> PartLoss:
        """Score logits and offsets of every anchor, a mean over the anchors of objects."""
        raw, count = network(images), len(images)
        loss, positives = detection_loss(raw.logits, raw.offsets, BoxTargets.of(images, targets))
        return PartLoss(loss / count, positives / count)

    def evaluate(
        self,
        network: nn.Module,
        split: str,
        weights: str,
        progress: Progress,
        world: World = ALONE,
    ) -> DetectionResult:
        """Evaluate the inference form by the recipe's protocol."""
        detector = self._detector(network, self.recipe.evaluation)
        return evaluate_boxes(detector, Split(self.prepared, split, world), weights, progress)

    def examples(self, network: nn.Module) -> Sequence[BoxExample]:
        """Find the objects in validation images from all parts of the split."""
        usual = self.recipe.evaluation
        settings = usual.model_copy(update={"score": max(usual.score, SHOWN_SCORE)})
        detector = self._detector(network, settings)
        found = []
        for index in example_indices(self.prepared.length("val")):
            sample = self.prepared.boxes("val", index)
            image = decode_image(sample.image)
            found.append(BoxExample(sample.id, image, Objects.of(sample), detector(image)))
        return found

    def _detector(self, network: nn.Module, settings: Settings) -> Detector:
        return Detector(network, self.spec, settings, next(network.parameters()).device)
