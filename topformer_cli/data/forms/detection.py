"""Images with boxes, as COCO has them: crowds, tiny and empty ones are kept, and told apart."""

import json
from typing import Any, Final

import numpy as np

from topformer_cli.data.card import LabelFacts
from topformer_cli.data.forms.row import Row, Totals, stored_picture
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import image_size, settle_orientation
from topformer_cli.data.sources.source import Boxes, Item, Reading

IN_JSON: Final = "the JSON's size"
"""What messages compare the size of an image with."""


class Detection:
    """Columns: image_id, and objects {id, bbox, category, area, crowd}, a list of each.

    bbox is (left, top, width, height) in pixels, category the train id.
    """

    def features(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Return the columns of the boxes."""
        from datasets import ClassLabel, List, Value

        objects = {
            "id": List(Value("int64")),
            "bbox": List(List(Value("float64"), length=4)),
            "category": List(ClassLabel(names=list(classes))),
            "area": List(Value("float64")),
            "crowd": List(Value("bool")),
        }
        return {"image_id": Value("int64"), "objects": objects}

    def read_row(self, item: Item, reading: Reading) -> Row:
        """Read an image and check it against the size that the boxes are meant for."""
        target = item.target
        assert isinstance(target, Boxes)
        data = item.image.read()
        size = (target.height, target.width)
        place = str(item.image)
        stored = image_size(data, place)
        applied = settle_orientation(stored, size, place, lenient=reading.lenient, of=IN_JSON)
        objects = {
            "id": [box.id for box in target.boxes],
            "bbox": [list(box.bbox) for box in target.boxes],
            "category": [box.category for box in target.boxes],
            "area": [box.area for box in target.boxes],
            "crowd": [box.crowd for box in target.boxes],
        }
        columns = {"image_id": target.image_id, "objects": objects}
        kept = [box.category for box in target.boxes if not box.crowd]
        return Row(
            id=item.id,
            picture=stored_picture(item.image, data, size, tag=stored[2], applied=applied),
            columns=columns,
            signature=self.signature(columns),
            counts=np.bincount(kept, minlength=len(reading.labels.classes)),
            labelled=len(kept),
            ignored=len(target.boxes) - len(kept),
        )

    def signature(self, columns: dict[str, Any]) -> bytes:
        """Return the columns as JSON."""
        return json.dumps([columns["image_id"], columns["objects"]]).encode()

    def label_facts(self, labels: Labels, totals: Totals) -> LabelFacts:  # noqa: ARG002
        """Return boxes and images by class, boxes an image, and the crowds."""
        return LabelFacts(
            counts=tuple(int(count) for count in totals.counts),
            images=tuple(int(count) for count in totals.images),
            ignored=totals.ignored,
            objects=_quartiles(totals.labelled),
            empty=totals.labelled.count(0),
        )


def _quartiles(numbers: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    low, first, middle, third, high = np.percentile(numbers or (0,), (0, 25, 50, 75, 100))
    return int(low), round(first), round(middle), round(third), int(high)
