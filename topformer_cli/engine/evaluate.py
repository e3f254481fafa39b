"""The paper's metric over a prepared split, for any predictor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from topformer_cli.data.decode import Pixels, decode_image, decode_mask
from topformer_cli.data.looks import WHOLE, Looks
from topformer_cli.data.protocol import Evaluation
from topformer_cli.data.store import PreparedSet
from topformer_cli.data.threads import in_order
from topformer_cli.engine.metrics import IGNORE, ConfusionMatrix
from topformer_cli.engine.predict import Segmenter
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.task import Progress, evaluation_notes, require_classes
from topformer_cli.errors import DataError
from topformer_cli.results import EvalResult, ImageScore
from topformer_cli.torch_threads import heed, one_thread


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a prepared set, of which each process of a world takes every size-th image.

    most: so many images from all its parts in place of all.
    """

    prepared: PreparedSet
    name: str = "val"
    world: World = ALONE
    most: int | None = None

    def __len__(self) -> int:
        """Return how many images are looked at, by all processes."""
        length = self.prepared.length(self.name)
        return length if self.most is None else min(self.most, length)

    @property
    def places(self) -> Sequence[int]:
        """The images that are looked at, by all processes."""
        length = self.prepared.length(self.name)
        return [place * length // len(self) for place in range(len(self))]

    @property
    def indices(self) -> Sequence[int]:
        """The images of this process."""
        return self.places[self.world.rank :: self.world.size]

    @property
    def notes(self) -> tuple[str, ...]:
        """Which images are not looked at, for people."""
        length = self.prepared.length(self.name)
        short = f"{len(self)} of {length} images, from all parts of {self.name}"
        return (short,) if len(self) < length else ()


def evaluate(segmenter: Segmenter, split: Split, weights: str, progress: Progress) -> EvalResult:
    """Compare predictions with labels at each image's own size.

    Images that cannot be read are left out, and the result says so.

    Raises:
        DataError: the model's classes are not the set's, or no image can be read.
    """
    prepared, spec = split.prepared, segmenter.spec
    card = prepared.card
    require_classes(spec, card)
    counted = ConfusionMatrix(len(card.classes))
    told: list[ImageScore | str] = []
    for done, look in enumerate(_looks(segmenter, split), 1):
        if isinstance(look, _Look):
            counted.add(look.truth, look.labels)
        told.append(look.score() if isinstance(look, _Look) else look)
        progress(min(done * split.world.size, len(split)), len(split))
    counted.counts = split.world.counted(counted.counts)
    told = split.world.dealt(told)
    by_image = tuple(one for one in told if isinstance(one, ImageScore))
    left_out = tuple(one for one in told if isinstance(one, str))
    if left_out and not by_image:
        message = f"no image of {card.name} {split.name} can be read: {left_out[0]}"
        raise DataError(message)
    return EvalResult(
        model=spec.network,
        weights=weights,
        dataset=card.name,
        split=split.name,
        images=len(by_image),
        protocol=protocol_name(segmenter.settings, segmenter.looks),
        classes=card.classes,
        found=counted.scores(),
        left_out=left_out,
        by_image=by_image,
        notes=(*evaluation_notes(spec, card), *split.notes),
    )


class _Look(NamedTuple):
    """The labels that an image should have, and those that it got; place: in the split."""

    place: int
    id: str
    truth: Pixels
    labels: Pixels

    def score(self) -> ImageScore:
        """Count the pixels that are right."""
        counts = self.truth != IGNORE
        right = int((self.truth == self.labels)[counts].sum())
        return ImageScore(self.place, self.id, int(counts.sum()), right)


def _looks(segmenter: Segmenter, split: Split) -> Iterator[_Look | str]:
    """Label this process's images; of one that cannot be read say why.

    Each image is one thread's from beginning to end. So the logits, whose last bits depend on how
    many threads share an operator, are the same however many images are worked on at a time.
    """
    id_map = split.prepared.card.id_map

    def look(index: int) -> _Look | str:
        sample = split.prepared.sample(split.name, index)
        try:
            image, truth = decode_image(sample.image), decode_mask(sample.mask, id_map)
        except DataError as error:
            return f"{sample.id}: {error}"
        return _Look(index, sample.id, truth, segmenter(image))

    with one_thread():
        yield from in_order(look, split.indices, segmenter.predictor.at_once, heed)


def protocol_name(settings: Evaluation, looks: Looks = WHOLE) -> str:
    """Name a protocol, as in `keep_ratio 2048x512, sides to multiples of 32; whole image, ...`."""
    sides = f", sides to multiples of {settings.multiple}" if settings.multiple > 1 else ""
    scale = f"{settings.scale[0]}x{settings.scale[1]}"
    return f"{settings.resize} {scale}{sides}; {looks}"
