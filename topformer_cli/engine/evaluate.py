"""The paper's metric over a prepared split, for any predictor."""

from dataclasses import dataclass

from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.protocol import Evaluation
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.metrics import ConfusionMatrix
from topformer_cli.engine.predict import Segmenter
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.task import Progress, require_classes
from topformer_cli.results import EvalResult


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a prepared set, of which each process of a world takes every size-th image."""

    prepared: PreparedSet
    name: str = "val"
    world: World = ALONE

    @property
    def indices(self) -> range:
        """The images of this process."""
        return range(self.world.rank, self.prepared.length(self.name), self.world.size)


def evaluate(segmenter: Segmenter, split: Split, weights: str, progress: Progress) -> EvalResult:
    """Compare predictions with labels at each image's own size, single scale, no flip.

    Raises:
        DataError: the model's classes are not the set's.
    """
    prepared, spec = split.prepared, segmenter.spec
    card = prepared.card
    require_classes(spec, card)
    counted = ConfusionMatrix(len(card.classes))
    total = prepared.length(split.name)
    for index in split.indices:
        sample = prepared.sample(split.name, index)
        labels = segmenter(decode_image(sample.image))
        counted.add(decode_mask(sample.mask, card.id_map), labels)
        progress(min(index + split.world.size, total), total)
    counted.counts = split.world.counted(counted.counts)
    return EvalResult(
        model=spec.network,
        weights=weights,
        dataset=card.name,
        split=split.name,
        images=total,
        protocol=protocol_name(segmenter.settings),
        classes=card.classes,
        found=counted.scores(),
        notes=(card.partial,) if card.partial else (),
    )


def protocol_name(settings: Evaluation) -> str:
    """Name a test-time resize, as in `keep_ratio 2048x512, sides to multiples of 32`."""
    sides = f", sides to multiples of {settings.multiple}" if settings.multiple > 1 else ""
    scale = f"{settings.scale[0]}x{settings.scale[1]}"
    return f"{settings.resize} {scale}{sides}; whole image, single scale"
