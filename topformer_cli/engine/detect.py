"""From images to boxes, and their average precision over a split."""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.data.box_augment import padded_batch, resize_to_fit
from topformer_cli.data.box_table import read_box_table
from topformer_cli.data.card import Coded
from topformer_cli.data.decode import decode_image
from topformer_cli.data.threads import in_order
from topformer_cli.engine.box_matches import Detections
from topformer_cli.engine.box_metrics import AveragePrecision
from topformer_cli.engine.evaluate import Split
from topformer_cli.engine.predict import normalised
from topformer_cli.engine.task import Progress, evaluation_notes, require_classes
from topformer_cli.models.boxes import RawBoxes, Selection
from topformer_cli.models.inference import fold_batchnorm
from topformer_cli.models.spec import ModelSpec
from topformer_cli.predictor import FloatArray
from topformer_cli.results import DetectionResult
from topformer_cli.torch_threads import heed, one_thread

_PREPARING: Final = 2
"""Pictures on their way to an accelerator: one is decoded while another is computed."""

_MOST_AT_ONCE: Final = 8
"""Pictures on the CPU; each takes some hundred megabytes at COCO's scale."""


class Settings(Selection, Protocol):
    """What `Detector` reads; a detection recipe's `evaluation` section has it too."""

    @property
    def scale(self) -> tuple[int, int]:
        """(long side, short side) that an image is fitted into."""


class Input(NamedTuple):
    """What the network takes, [1, 3, H, W], and the (height, width) of the picture at each stage.

    resized is the part of the input that is not padding.
    """

    values: FloatArray
    original: tuple[int, int]
    resized: tuple[int, int]


class Finder(Protocol):
    """What finds the objects in pictures, whatever computes it."""

    @property
    def spec(self) -> ModelSpec:
        """The identity card of the network."""

    @property
    def protocol(self) -> str:
        """How pictures are brought to it and boxes chosen, in words."""

    @property
    def at_once(self) -> int:
        """How many pictures may be looked at at a time, each by a thread of its own."""

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Find the objects in a picture [H, W, 3] RGB."""


class Detector:
    """A detection network in its inference form, with the protocol that prepares its input."""

    def __init__(
        self, network: nn.Module, spec: ModelSpec, settings: Settings, device: torch.device
    ) -> None:
        folded = fold_batchnorm(network).to(device)
        self.network = folded.to(memory_format=torch.channels_last)
        self.spec, self.settings, self.device = spec, settings, device
        threads = min(torch.get_num_threads(), _MOST_AT_ONCE)
        self.at_once = threads if device.type == "cpu" else _PREPARING

    @property
    def protocol(self) -> str:
        """The resize and the choice of boxes."""
        long, short = self.settings.scale
        return (
            f"short side {short}, long side at most {long}, padded to multiples of 32; "
            f"{selection_name(self.settings)}"
        )

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        """Find the objects in a picture [H, W, 3] RGB."""
        return self.find(self.input(image))

    def input(self, image: NDArray[np.uint8]) -> Input:
        """Resize, pad and normalise a picture [H, W, 3] RGB."""
        resized = resize_to_fit(image, self.settings.scale)
        (padded,) = padded_batch([resized])
        values = normalised(padded, self.spec)
        return Input(values, _size(image), _size(resized))

    @torch.inference_mode()
    def find(self, prepared: Input) -> Detections:
        """Find the objects in a picture that `input` prepared."""
        # Imported here: torchvision takes seconds, and other tasks import this package.
        from topformer_cli.models.detector import select_boxes

        batch = torch.from_numpy(prepared.values)
        batch = batch.to(self.device, memory_format=torch.channels_last)
        logits, offsets = self.network(batch)
        size = (batch.shape[2], batch.shape[3])
        raw = RawBoxes(logits[0].float(), offsets[0].float())
        found = select_boxes(raw, size, prepared.resized, self.settings)
        (height, width), (rows, columns) = prepared.original, prepared.resized
        factors = np.array([width / columns, height / rows] * 2)
        return Detections(
            _array(found.boxes) * factors, _array(found.scores), found.labels.numpy(force=True)
        )


def evaluate_boxes(
    finder: Finder, split: Split, weights: str, progress: Progress
) -> DetectionResult:
    """Compare the boxes found with those of a split, single scale, no flip.

    Raises:
        DataError: the model's classes are not the set's, or the set holds no boxes.
    """
    card, places = split.prepared.card, split.indices
    require_classes(finder.spec, card)
    truth = read_box_table(split.prepared, split.name).of_images(split.places)
    counted = AveragePrecision(truth, category_ids(card))
    looks = zip(places, _found(finder, split), strict=True)
    for done, (index, found) in enumerate(looks, 1):
        counted.add(index, found.boxes, found.scores, found.labels)
        progress(min(done * split.world.size, len(split)), len(split))
    counted.found = split.world.dealt(counted.found)
    boxes = sum(len(boxes) for boxes in counted.found)
    none = () if boxes else ("no box was sure enough to count; train longer",)
    return DetectionResult(
        model=finder.spec.network,
        weights=weights,
        dataset=card.name,
        split=split.name,
        images=len(split),
        boxes=boxes,
        protocol=finder.protocol,
        classes=card.classes,
        found=split.world.told(counted.scores),
        notes=(*evaluation_notes(finder.spec, card), *split.notes, *none),
    )


def category_ids(of: Coded) -> list[int]:
    """Return the number of each class in the set's own files; 1, 2, ... where they have none."""
    if has_category_ids(of):
        return [int(code) for code in of.codes]
    return list(range(1, len(of.classes) + 1))


def has_category_ids(of: Coded) -> bool:
    """Return whether the classes have numbers in the set's own files."""
    return len(of.codes) == len(of.classes) and all(code.isdecimal() for code in of.codes)


def selection_name(selection: Selection) -> str:
    """Say how boxes are chosen."""
    return (
        f"score {selection.score:g}, {selection.per_level} a level, NMS {selection.iou:g}, "
        f"{selection.most} boxes; single scale"
    )


def _found(finder: Finder, split: Split) -> Iterator[Detections]:
    """Find the objects in the images that are this process's, in order.

    Each image is one thread's from beginning to end, so that its boxes are the same however many
    images and processes work at a time: see `engine.evaluate`.
    """

    def look(index: int) -> Detections:
        return finder(decode_image(split.prepared.boxes(split.name, index).image))

    with one_thread():
        yield from in_order(look, split.indices, finder.at_once, heed)


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _array(values: Tensor) -> NDArray[np.float64]:
    return values.numpy(force=True).astype(np.float64)
