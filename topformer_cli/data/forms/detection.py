"""Images with boxes, as COCO has them: crowds, tiny and empty ones are kept, and told apart."""

import json
from typing import Any

import numpy as np

from topformer_cli.data.card import LabelFacts
from topformer_cli.data.forms.row import Row, Totals, stored_picture
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import image_size, settle_orientation
from topformer_cli.data.sources.source import Boxes, Item, Reading


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
        orientation = settle_orientation(stored, size, place, lenient=reading.lenient)
        objects = {
            "id": [box.id for box in target.boxes],
            "bbox": [list(box.bbox) for box in target.boxes],
            "category": [box.category for box in target.boxes],
            "area": [box.area for box in target.boxes],
            "crowd": [box.crowd for box in target.boxes],
        }
        kept = [box.category for box in target.boxes if not box.crowd]
        return Row(
            id=item.id,
            picture=stored_picture(item.image, data, size, turned=orientation != 1),
            columns={"image_id": target.image_id, "objects": objects},
            signature=json.dumps([target.image_id, objects]).encode(),
            counts=np.bincount(kept, minlength=len(reading.labels.classes)),
            labelled=len(kept),
            ignored=len(target.boxes) - len(kept),
        )

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
