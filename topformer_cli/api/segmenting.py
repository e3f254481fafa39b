"""Segment pictures and frames, draw them, and say what they consist of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli import draw
from topformer_cli.api import models
from topformer_cli.api.drawing import Drawn, Paint
from topformer_cli.api.pictures import is_video
from topformer_cli.data.looks import Looks
from topformer_cli.data.protocol import native
from topformer_cli.engine.predict import Segmenter
from topformer_cli.models.spec import ModelSpec

NAMED: Final = 5
"""How many classes a line names."""

Shares: TypeAlias = NDArray[np.float64]
"""Each class's share of the pixels [C]."""


@dataclass(frozen=True, slots=True)
class Labeller:
    """A segmentation network that draws overlays, or label maps in their place.

    Windows see a picture as large as it is; without them it is resized by the recipe's protocol.
    """

    segmenter: Segmenter
    legend: draw.Legend
    as_labels: bool = False

    def picture(self, image: NDArray[np.uint8]) -> tuple[Shares, Image.Image]:
        """Segment and draw a picture [H, W, 3] RGB."""
        labels = self._labels(image)
        shares = draw.pixel_shares(labels, self.legend)
        if self.as_labels:
            return shares, draw.label_image(labels, self.legend)
        return shares, draw.overlay_with_legend(image, labels, self.legend)

    def film(self) -> Paint[Shares]:
        """Begin with a video: its overlays, above one list of classes."""
        legend: draw.FilmLegend | None = None

        def paint(image: NDArray[np.uint8]) -> tuple[Shares, Image.Image]:
            nonlocal legend
            legend = legend or draw.FilmLegend(self.legend, image.shape[1])
            labels = self._labels(image)
            shares = draw.pixel_shares(labels, self.legend)
            return shares, legend.frame(image, labels, shares)

        return paint

    def _labels(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        window = self.segmenter.looks.window
        if window is None:
            return self.segmenter(image)
        settings = native(image.shape[0], image.shape[1], window)
        return replace(self.segmenter, settings=settings)(image)


def labeller(model: models.Model, device: str, looks: Looks, *, as_labels: bool) -> Labeller:
    """Wrap a segmentation model for drawing."""
    segmenter = replace(models.segmenter(model, device), looks=looks)
    return Labeller(segmenter, draw.Legend(model.spec.classes, model.spec.palette), as_labels)


def mean_shares(one: Drawn[Shares], spec: ModelSpec) -> dict[str, float]:
    """Return the shares of the classes that occur, largest first; of a video, its frames' mean."""
    legend = draw.Legend(spec.classes, spec.palette)
    return dict(draw.largest_first(np.mean(one.frames, axis=0), legend))


def summary(one: Drawn[Shares], spec: ModelSpec) -> str:
    """Name the largest classes."""
    largest = list(mean_shares(one, spec).items())[:NAMED]
    words = ", ".join(f"{name} {share:.0%}" for name, share in largest)
    return f"{one.frames_told}, {words}" if is_video(one.file) else words


def to_json(drawn: Sequence[Drawn[Shares]], spec: ModelSpec) -> dict[str, Any]:
    """Return files and shares of pictures, and those of videos with the number of their frames."""
    record: dict[str, list[dict[str, Any]]] = {"images": [], "videos": []}
    for one in drawn:
        kind = "video" if is_video(one.file) else "image"
        facts = one.to_json()
        named = {kind: facts.pop("file"), **facts, "shares": mean_shares(one, spec)}
        record[f"{kind}s"].append(named)
    return record
