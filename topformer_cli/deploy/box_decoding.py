"""What an app needs to know to feed a detector's file and to make boxes of what it gives."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Ending = Literal["raw", "boxes"]

_FIT: Final = (
    "fit: factor = min(input height / picture height, input width / picture width); resize the "
    "picture to round(height * factor) x round(width * factor), put it at the top left of the "
    "input and fill the rest with pad_colour",
    "normalise, padding too: (RGB - card.mean) / card.std, on the 0..255 scale; where the input's "
    "values are 0..255 the file does it",
)
_DECODE: Final = (
    "maps: for each level logits_<level> [1, A * classes, rows, columns] and offsets_<level> "
    "[1, A * 4, rows, columns], with A = len(ratios) * len(scales); channel = anchor * values + "
    "value, with anchor = number of the ratio * len(scales) + number of the scale",
    "anchors: of a cell the centre is ((column + centre_offset) * stride, (row + centre_offset) * "
    "stride), in pixels of the input; with side = octave_scale * stride * scale the width is "
    "side / sqrt(ratio) and the height side * sqrt(ratio)",
    "candidates: of each level the per_level pairs of anchor and class with the highest "
    "sigmoid(logit), of those above score",
    "boxes: (dx, dy, dw, dh) = offsets * offset_stds + offset_means; centre = the anchor's + "
    "(dx * its width, dy * its height); width = its width * exp(dw) and height = its height * "
    "exp(dh), with dw and dh first cut to -most_log_ratio..most_log_ratio",
    "clip corners to the input, 0..width and 0..height; drop boxes without area",
    "suppress, all levels together, each class by itself: from the highest score down, drop a box "
    "whose intersection over union with one that is kept is above iou; keep the most best of all "
    "classes",
)
_BACK: Final = (
    "back: divide x by (resized width / picture width), y by (resized height / picture height)",
)


class BoxDecoding(BaseModel):
    """How boxes are made from the maps of a detector's head, as `models.boxes` does it.

    steps says in words, in their order, what the app does and what the other fields are in it; a
    file that ends in boxes leaves little of it. ratios are heights over widths. pad_colour is RGB,
    0..255. The defaults are what held before manifests said it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[str, ...] = ("p3", "p4", "p5", "p6", "p7")
    strides: tuple[int, ...]
    octave_scale: float
    scales: tuple[float, ...]
    ratios: tuple[float, ...]
    ratio: Literal["height / width"] = "height / width"
    channel_order: Literal["anchor, value"] = "anchor, value"
    anchor_order: Literal["ratio, scale"] = "ratio, scale"
    centre_offset: float = 0.0
    activation: Literal["sigmoid"] = "sigmoid"
    offset_order: tuple[str, ...] = ("dx", "dy", "dw", "dh")
    offset_means: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    offset_stds: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    most_log_ratio: float
    per_level: int
    score: float
    suppression: Literal["by class"] = "by class"
    iou: float
    most: int
    fit: Literal["letterbox, top left"] = "letterbox, top left"
    resampling: Literal["bilinear"] = "bilinear"
    pad_colour: tuple[int, int, int] = (124, 116, 104)
    steps: tuple[str, ...] = ()


def steps(ending: Ending) -> tuple[str, ...]:
    """Say in words what an app does around a file that ends in maps, or in boxes."""
    return (*_FIT, *(_DECODE if ending == "raw" else ()), *_BACK)
