"""Find objects in pictures and frames, draw them, and write them down."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli import draw
from topformer_cli.api.choosing import class_called
from topformer_cli.api.drawing import Drawn, Paint
from topformer_cli.api.models import Model
from topformer_cli.api.pictures import is_video
from topformer_cli.engine.box_matches import Detections
from topformer_cli.engine.detect import Detector, category_ids, has_category_ids
from topformer_cli.engine.device import resolve_device
from topformer_cli.errors import UsageError, did_you_mean
from topformer_cli.models.spec import ModelSpec
from topformer_cli.rundir import atomic_path
from topformer_cli.sections.detection import DetectionRecipe

NAMED: Final = 6
"""How many classes a line names of those that there are."""

READABLE: Final = (240, 1280)
"""Pictures with a shorter side are drawn a whole number of times as large, up to a longer side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxChoice:
    """Which boxes are wanted: from a score on, and of some classes, or of all.

    iou is the overlap by which the weaker of two boxes of a class is dropped; None: the recipe's.
    Each of classes is a name, which may have commas in it, or several names between commas.
    """

    score: float
    iou: float | None = None
    classes: tuple[str, ...] = ()


class BoxFinder:
    """A detection model for the boxes of whole pictures, by its recipe's protocol.

    Raises:
        UsageError: the model has no class of a name that is wanted.
    """

    def __init__(self, model: Model, device: str, choice: BoxChoice) -> None:
        assert isinstance(model.recipe, DetectionRecipe)
        usual = model.recipe.evaluation
        wanted = {"score": choice.score, "iou": choice.iou or usual.iou}
        self.spec = model.spec
        self.labels = [one for given in choice.classes for one in train_ids(given, model.spec)]
        self.detector = Detector(
            model.network, model.spec, usual.model_copy(update=wanted), resolve_device(device)
        )
        self.legend = draw.Legend(draw.drawable_names(self.spec.classes), self.spec.palette)

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Find the objects in a picture [H, W, 3] RGB."""
        found = self.detector(image)
        if not self.labels:
            return found
        kept = np.isin(found.labels, self.labels)
        return Detections(found.boxes[kept], found.scores[kept], found.labels[kept])

    def picture(self, image: NDArray[np.uint8]) -> tuple[Detections, Image.Image]:
        """Find and draw the objects in a picture, which is made larger if it is small."""
        found = self(image)
        return found, self._drawn(image, found, _times(image))

    def film(self) -> Paint[Detections]:
        """Begin with a video, whose frames are made larger as pictures are."""
        return self.picture

    def _drawn(self, image: NDArray[np.uint8], found: Detections, times: int) -> Image.Image:
        """Return a picture [H, W, 3] RGB with its boxes, so many times as large."""
        height, width = image.shape[:2]
        picture = Image.fromarray(image).resize((width * times, height * times))
        boxes = [
            replace(draw.named_box(box, label, self.legend), score=float(score))
            for box, score, label in zip(found.boxes * times, *found[1:], strict=True)
        ]
        draw.draw_boxes(picture, boxes)
        return picture


def train_ids(given: str, spec: ModelSpec) -> list[int]:
    """Return the train id of a class, or of several whose names stand between commas.

    Raises:
        UsageError: there is no class of a name.
    """
    whole = class_called(given.strip(), spec)
    if whole is not None:
        return [whole]
    return [_train_id(name.strip(), spec) for name in given.split(",")]


def _train_id(name: str, spec: ModelSpec) -> int:
    train_id = class_called(name, spec)
    if train_id is None:
        close = did_you_mean(name, spec.classes)
        some = ", ".join(spec.classes[:NAMED])
        rest = f" and {more} more" if (more := len(spec.classes) - NAMED) > 0 else ""
        message = f"--classes {name!r}: no class of {spec.dataset}{close} (it has {some}{rest})"
        raise UsageError(message)
    return train_id


Seen: TypeAlias = Drawn[Detections]
"""A picture or video with the boxes of each of its frames."""


def summary(one: Seen, spec: ModelSpec, least: float) -> str:
    """Say how many of each class were found; of a video the most in one of its frames.

    least is the score of which nothing was below.
    """
    most: Counter[int] = Counter()
    for found in one.frames:
        most |= Counter(found.labels.tolist())
    parts = [f"{count} {spec.classes[label]}" for label, count in most.most_common(NAMED)]
    if (others := len(most) - NAMED) > 0:
        parts.append(f"{others} other class{'es' if others > 1 else ''}")
    words = ", ".join(parts)
    if not is_video(one.file):
        return words or f"nothing of score {least:g} or more"
    at_once = f"at once at most {words}" if words else f"nothing of score {least:g} or more"
    return f"{one.frames_told}, {at_once}"


def to_json(one: Seen, spec: ModelSpec) -> dict[str, Any]:
    """Return files and boxes; those of a video with the number of their frame, from 1."""
    boxes = [
        {
            **({"frame": number} if is_video(one.file) else {}),
            "name": spec.classes[label],
            "score": round(float(score), 5),
            "corners": _rounded(box),
        }
        for number, found in enumerate(one.frames, 1)
        for box, score, label in zip(*found, strict=True)
    ]
    return {**one.to_json(), "boxes": boxes}


def _times(image: NDArray[np.uint8]) -> int:
    """Return how many times as large a small picture has to be for names to have room in it."""
    height, width = (int(side) for side in image.shape[:2])
    return max(1, min(-(-READABLE[0] // min(height, width)), READABLE[1] // max(height, width)))


def write_coco_results(path: Path, seen: Sequence[Seen], spec: ModelSpec) -> None:
    """Write boxes in COCO's results form (cocodataset.org, "Results format"), a line each.

    Besides its keys each has the file's name, and in videos the frame's number, from 1.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as file:
        separator = "[\n"
        for row in coco_results(seen, spec):
            file.write(separator + json.dumps(row, ensure_ascii=False))
            separator = ",\n"
        file.write("[]\n" if separator == "[\n" else "\n]\n")


def coco_results(seen: Sequence[Seen], spec: ModelSpec) -> Iterator[dict[str, Any]]:
    """Yield the boxes of all pictures; image_id as `image_ids` says, frame by frame."""
    categories, numbers = category_ids(spec), image_ids(seen)
    for one in seen:
        for frame, found in enumerate(one.frames, 1):
            image_id = next(numbers)
            for box, score, label in zip(*found, strict=True):
                left, top, right, bottom = box
                yield {
                    "image_id": image_id,
                    "category_id": categories[label],
                    "bbox": _rounded([left, top, right - left, bottom - top]),
                    "score": round(float(score), 5),
                    "file_name": one.file.name,
                    **({"frame": frame} if is_video(one.file) else {}),
                }


def image_ids(seen: Sequence[Seen]) -> Iterator[int]:
    """Number pictures and frames.

    By the numbers that are the files' names, as COCO's are, if all names are different numbers;
    else from 1 on.
    """
    if _named_by_number(seen):
        return iter([int(one.file.stem) for one in seen])
    return iter(range(1, 1 + sum(len(one.frames) for one in seen)))


def _named_by_number(seen: Sequence[Seen]) -> bool:
    stems = [one.file.stem for one in seen if not is_video(one.file)]
    if len(stems) < len(seen) or not all(stem.isdecimal() for stem in stems):
        return False
    return len({int(stem) for stem in stems}) == len(stems)


def results_told(seen: Sequence[Seen], spec: ModelSpec) -> str:
    """Say how many boxes results hold, and what their numbers are."""
    boxes = sum(len(found.boxes) for one in seen for found in one.frames)
    plural = "box" if boxes == 1 else "boxes"
    images = "the files' names" if _named_by_number(seen) else "pictures and frames from 1 on"
    own = has_category_ids(spec)
    classes = f"the numbers of {spec.dataset}" if own else "classes from 1 on, in the card's order"
    return f"{boxes} {plural}; image_id: {images}; category_id: {classes}"


def _rounded(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """Round pixels to what anybody can tell apart."""
    return [round(float(value), 3) for value in values]
