"""What differs between tasks, so that one training loop serves them all."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from torch import Tensor, nn

from topformer_cli.data.card import DatasetCard
from topformer_cli.data.samples import Batch
from topformer_cli.errors import DataError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import Result

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


class Task(Protocol):
    """One recipe on one prepared set: network, batches, loss and evaluation."""

    def build(self) -> nn.Module:
        """Build the network to train, freshly initialised, in training mode."""
        ...

    def batches(self, start_step: int, stop_step: int, workers: int) -> Iterator[Batch]:
        """Yield the batches of steps start_step .. stop_step - 1.

        A batch depends on seed and step alone: not on workers, nor on where a run was resumed.
        """
        ...

    def loss(self, network: nn.Module, images: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Score one batch.

        Shapes: images [B, 3, H, W], normalised; targets as in `batches`; all on one device ->
        scalar.
        """
        ...

    def evaluate(self, network: nn.Module, split: str, weights: str, progress: Progress) -> Result:
        """Measure the network, on the device where it lies, on a split.

        weights are the words for where it came from.

        Raises:
            DataError: its classes are not the set's.
        """
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
