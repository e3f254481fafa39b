"""What differs between tasks, so that one training loop serves them all."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from topformer_cli.data.card import DatasetCard
from topformer_cli.engine.examples import Example
from topformer_cli.engine.feed import Feed, FeedOptions
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.errors import DataError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import Result

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


Statistics = Literal["together", "apart", "fixed"]
"""Batch normalisation in several processes: by the moments of all their images, by each one's own,
or by statistics that training does not change."""


class PartLoss(NamedTuple):
    """The loss of a part of a batch, and the part's share of what the batch's loss is a mean over.

    Both are scalars, the share float32. The loss of a batch is the sum of its parts' losses, over
    all processes, divided by the sum of their shares; 0 where that is 0. Parts have one size.
    """

    loss: Tensor
    share: Tensor


class Task(Protocol):
    """One recipe on one prepared set: network, batches, loss and evaluation."""

    @property
    def fixed_shapes(self) -> bool:
        """Whether all batches have the same shapes, so that a step can be recorded."""
        ...

    @property
    def statistics(self) -> Statistics:
        """How batch normalisation works across processes."""
        ...

    def build(self) -> nn.Module:
        """Build the network to train, freshly initialised, in training mode."""
        ...

    def feed(self, options: FeedOptions) -> Feed:
        """Return where this process's batches come from."""
        ...

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> PartLoss:
        """Score a part of a batch.

        Shapes: images [B, 3, H, W], normalised; targets as the feed gives them; all on one device.
        """
        ...

    def evaluate(
        self,
        network: nn.Module,
        split: str,
        weights: str,
        progress: Progress,
        world: World = ALONE,
    ) -> Result:
        """Measure the network, on the device where it lies, on a split.

        weights are the words for where it came from. Each process of the world looks at a share
        of the images, and all return the same.

        Raises:
            DataError: its classes are not the set's.
        """
        ...

    def examples(self, network: nn.Module) -> Sequence[Example]:
        """Look at the same few validation images each time, if there is anything to draw."""
        ...


def require_classes(spec: ModelSpec, card: DatasetCard) -> None:
    """Check that a network can be measured on a set.

    Raises:
        DataError: it has another number of classes.
    """
    if len(card.classes) != len(spec.classes):
        message = (
            f"the model has {len(spec.classes)} classes ({spec.dataset}), "
            f"the set {card.name} has {len(card.classes)}; evaluate it on its own set"
        )
        raise DataError(message)
