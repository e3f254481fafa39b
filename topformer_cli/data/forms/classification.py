"""Images with one class each."""

from typing import Any

import numpy as np

from topformer_cli.data.card import LabelFacts
from topformer_cli.data.forms.row import Row, Totals, stored_picture
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import image_size
from topformer_cli.data.orientation import SIDEWAYS, UPRIGHT
from topformer_cli.data.sources.source import Item, Reading


class Classification:
    """Columns: label, the train id."""

    def features(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Return the label's column."""
        from datasets import ClassLabel

        return {"label": ClassLabel(names=list(classes))}

    def read_row(self, item: Item, reading: Reading) -> Row:
        """Read an image; its EXIF tag turns it, unless it is of a published set.

        Who trains on those takes the pixels as they are stored.
        """
        assert isinstance(item.target, int)
        data = item.image.read()
        height, width, tag = image_size(data, str(item.image))
        applied = UPRIGHT if reading.lenient else tag
        size = (width, height) if applied in SIDEWAYS else (height, width)
        columns = {"label": item.target}
        return Row(
            id=item.id,
            picture=stored_picture(item.image, data, size, tag=tag, applied=applied),
            columns=columns,
            signature=self.signature(columns),
            counts=np.bincount([item.target], minlength=len(reading.labels.classes)),
            labelled=1,
        )

    def signature(self, columns: dict[str, Any]) -> bytes:
        """Return the train id in digits."""
        return str(columns["label"]).encode()

    def label_facts(self, labels: Labels, totals: Totals) -> LabelFacts:  # noqa: ARG002
        """Return the images by class."""
        images = tuple(int(count) for count in totals.counts)
        return LabelFacts(counts=images, images=images, ignored=0, empty=0)
