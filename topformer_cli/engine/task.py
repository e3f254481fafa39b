"""What differs between tasks, so that one training loop serves them all."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from torch import Tensor, nn

from topformer_cli.data.card import DatasetCard
from topformer_cli.engine.examples import Example
from topformer_cli.engine.feed import Feed, FeedOptions
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.errors import DataError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.results import Result

_NAMED: Final = 2
"""How many of the classes that differ an error names."""

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
    """Check that a network can be measured on a set: that each id is the same class in both.

    Spelling does not count: case, spaces and signs, or a class's code in place of its name. Of a
    network without names only the number of classes is known.

    Raises:
        DataError: it has another number of classes, other ones, or the same in another order.
    """
    if len(card.classes) != len(spec.classes):
        message = (
            f"the model has {len(spec.classes)} classes ({spec.dataset}), "
            f"the set {card.name} has {len(card.classes)}; evaluate it on its own set"
        )
        raise DataError(message)
    if not spec.named or not (apart := _ids_apart(spec, card)):
        return
    permuted = sorted(_folded(spec.classes)) == sorted(_folded(card.classes))
    what = "the model's classes in another order" if permuted else "other classes than the model"
    some = ", ".join(
        f"{index} is {spec.classes[index]!r} in the model and {card.classes[index]!r} in the set"
        for index in apart[:_NAMED]
    )
    more = ", ..." if len(apart) > _NAMED else ""
    message = (
        f"the set {card.name} has {what}: {len(apart)} of {len(spec.classes)} ids differ ({some}"
        f"{more}); prepare the set with the model's classes in their order, or evaluate the model "
        f"on the set it was trained on ({spec.dataset})"
    )
    raise DataError(message)


def evaluation_notes(spec: ModelSpec, card: DatasetCard) -> tuple[str, ...]:
    """Say what a score of a network on a set does not cover, or takes for granted."""
    unnamed = None if spec.named else "the model's classes have no names; taken in the set's order"
    return tuple(note for note in (card.partial, unnamed) if note)


def _ids_apart(spec: ModelSpec, card: DatasetCard) -> list[int]:
    """Return the ids that are not the same class in a network and a set."""
    names = zip(_folded(spec.classes), _folded(card.classes), strict=True)
    apart = [index for index, (mine, other) in enumerate(names) if mine != other]
    return [index for index in apart if not _called_by_code(spec, card, index)]


def _called_by_code(spec: ModelSpec, card: DatasetCard, index: int) -> bool:
    """Say whether one calls a class by the code that the other has for it, as ImageNet's ids."""
    return (
        card.classes[index] in spec.codes[index : index + 1]
        or spec.classes[index] in card.codes[index : index + 1]
    )


def _folded(names: Sequence[str]) -> Sequence[str]:
    """Return names without case, spaces and signs, as they are where that makes two of them one."""
    folded = ["".join(filter(str.isalnum, name.casefold())) for name in names]
    return folded if len({*folded}) == len(names) else names
