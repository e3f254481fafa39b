"""Average precision of boxes as COCO defines it, counted by faster-coco-eval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.box_table import BoxTable
from topformer_cli.results.detection import NUMBERS, BoxScores


class AveragePrecision:
    """Collects boxes image by image and compares them with those of a split.

    category_ids are the set's own, by train id. Crowds are regions in which boxes do not count.
    """

    def __init__(self, truth: BoxTable, category_ids: Sequence[int]) -> None:
        self.truth = truth
        self.category_ids = np.asarray(category_ids, np.int64)
        self.found: list[NDArray[np.float64]] = []

    def add(
        self, image: int, boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[Any]
    ) -> None:
        """Take the boxes of one image.

        image is its place in the split. Shapes: boxes [n, 4] corners in pixels of the image as it
        is in the set, scores [n], labels [n] train ids.
        """
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
        bounds = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
        self.take(np.full(len(bounds), image), bounds, scores, labels)

    def take(
        self,
        images: NDArray[Any],
        bounds: NDArray[Any],
        scores: NDArray[Any],
        labels: NDArray[Any],
    ) -> None:
        """Take boxes of any images as they are, to the last bit.

        Shapes: images [n] places in the split, bounds [n, 4] left, top, width, height; the rest as
        in `add`.
        """
        columns = (images[:, None], bounds, scores[:, None], labels[:, None])
        self.found.append(np.concatenate(columns, axis=1, dtype=np.float64))

    def results(self) -> list[dict[str, Any]]:
        """Return the boxes in COCO's results form (cocodataset.org, "Results format")."""
        rows = np.concatenate([np.zeros((0, 7)), *self.found])
        columns = (
            self.truth.image_ids[rows[:, 0].astype(np.int64)],
            self.category_ids[rows[:, 6].astype(np.int64)],
            rows[:, 1:5],
            rows[:, 5],
        )
        return [
            {"image_id": image, "category_id": category, "bbox": bbox, "score": score}
            for image, category, bbox, score in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    def scores(self) -> BoxScores:
        """Return the scores of everything taken so far."""
        from faster_coco_eval import COCO, COCOeval_faster

        truth = COCO(truth_record(self.truth, self.category_ids.tolist()))
        found = [
            {**one, "id": number, "area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0}
            for number, one in enumerate(self.results(), 1)
        ]
        record = {key: truth.dataset[key] for key in ("images", "categories")}
        counted = COCOeval_faster(truth, COCO({**record, "annotations": found}), "bbox")
        counted.run()
        numbers = [_percent(value) for value in counted.stats[: len(NUMBERS)]]
        return BoxScores(self._class_ap(counted.eval["precision"]), self._objects(), *numbers)

    def _objects(self) -> tuple[int, ...]:
        objects = self.truth.categories[~self.truth.crowds]
        return tuple(np.bincount(objects, minlength=len(self.category_ids)).tolist())

    def _class_ap(self, precision: NDArray[np.float64]) -> tuple[float | None, ...]:
        """Average [IoUs, recalls, classes, areas, limits] over the first two axes.

        The library orders the classes by their ids in the set.
        """
        by_class = np.asarray(precision)[:, :, :, 0, -1]
        places = np.argsort(np.argsort(self.category_ids))
        return tuple(_percent(_mean(by_class[:, :, place])) for place in places)


def truth_record(truth: BoxTable, category_ids: Sequence[int]) -> dict[str, Any]:
    """Return a split in the form of COCO's JSON; boxes are numbered from 1.

    The set's own numbers are not used: evaluators take a box with the number 0 for none.
    """
    images = zip(truth.image_ids, truth.heights, truth.widths, strict=True)
    boxes = zip(truth.owners, truth.categories, truth.boxes, truth.areas, truth.crowds, strict=True)
    return {
        "images": [
            {"id": int(one), "height": int(height), "width": int(width)}
            for one, height, width in images
        ],
        "categories": [{"id": int(one), "name": str(one)} for one in category_ids],
        "annotations": [
            {
                "id": number,
                "image_id": int(truth.image_ids[owner]),
                "category_id": int(category_ids[category]),
                "bbox": box.tolist(),
                "area": float(area),
                "iscrowd": int(crowd),
            }
            for number, (owner, category, box, area, crowd) in enumerate(boxes, 1)
        ],
    }


def _mean(values: NDArray[np.float64]) -> float:
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0


def _percent(share: float) -> float | None:
    """Return a percentage; the library writes -1 for what does not exist."""
    return None if share < 0 else 100.0 * float(share)
