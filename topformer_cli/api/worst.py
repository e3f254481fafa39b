"""The images of a split that a network labels worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from topformer_cli.api.examples import draw_mistakes
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.examples import MapExample
from topformer_cli.engine.predict import Segmenter
from topformer_cli.results import EvalResult, ImageScore

WORST: Final = 8
"""How many images are drawn."""


def worst_images(scores: Sequence[ImageScore], most: int = WORST) -> list[ImageScore]:
    """Return those with the least share of right pixels, the worst first; each has labels."""
    labelled = [one for one in scores if one.labelled]
    return sorted(labelled, key=lambda one: one.accuracy)[:most]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was measured, and on what: the worst images are looked at once more."""

    segmenter: Segmenter
    prepared: PreparedSet

    def draw_worst(self, result: EvalResult) -> Image.Image:
        """Draw the worst images of the evaluation: picture, truth, prediction and mistakes."""
        examples = [self._example(result.split, one) for one in worst_images(result.by_image)]
        heading = (
            f"The worst {len(examples)} of {result.images} images of {self.prepared.card.title} "
            f"{result.split}: {result.model}"
        )
        return draw_mistakes(examples, self.prepared.card, heading)

    def _example(self, split: str, score: ImageScore) -> MapExample:
        sample = self.prepared.sample(split, score.place)
        id_map = self.prepared.card.id_map
        image, truth = decode_image(sample.image), decode_mask(sample.mask, id_map)
        return MapExample(sample.id, image, truth, self.segmenter(image))
