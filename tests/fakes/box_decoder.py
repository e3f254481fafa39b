"""An app's decoder of a detector's raw maps, which knows nothing but the export's manifest."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Manifest = Mapping[str, Any]


def fitted(picture: NDArray[np.uint8], manifest: Manifest) -> NDArray[np.float32]:
    """Return a picture [h, w, 3] RGB as the network's input [1, 3, H, W]."""
    assert manifest["decoding"]["fit"] == "letterbox, top left"
    height, width = manifest["inputs"][0]["shape"][2:]
    factor = min(height / picture.shape[0], width / picture.shape[1])
    rows, columns = (round(side * factor) for side in picture.shape[:2])
    canvas = np.full((height, width, 3), manifest["decoding"]["pad_colour"], np.uint8)
    canvas[:rows, :columns] = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR)
    mean, std = (np.array(manifest["card"][name]) for name in ("mean", "std"))
    normalised: NDArray[np.float32] = ((canvas - mean) / std).astype(np.float32)
    return normalised.transpose(2, 0, 1)[None]


def decoded(maps: Mapping[str, NDArray[Any]], manifest: Manifest) -> tuple[Array, Array, Array]:
    """Return corners [n, 4] in pixels of the input, scores [n] and classes [n], the best first."""
    how = manifest["decoding"]
    assert how["activation"] == "sigmoid"
    assert how["suppression"] == "by class"
    levels = zip(how["levels"], how["strides"], strict=True)
    parts = [_level(maps[f"logits_{p}"], maps[f"offsets_{p}"], s, how) for p, s in levels]
    boxes, scores, classes = (np.concatenate(part) for part in zip(*parts, strict=True))
    height, width = manifest["inputs"][0]["shape"][2:]
    boxes = boxes.clip(0, [width, height, width, height])
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores, classes = boxes[solid], scores[solid], classes[solid]
    kept = _suppressed(boxes, scores, classes, how["iou"])[: how["most"]]
    return boxes[kept], scores[kept], classes[kept]


def _level(
    logits: NDArray[Any], offsets: NDArray[Any], stride: int, how: Manifest
) -> tuple[Array, Array, Array]:
    count = len(how["ratios"]) * len(how["scales"])
    assert (how["channel_order"], how["anchor_order"]) == ("anchor, value", "ratio, scale")
    scores, moves = (
        one[0].astype(np.float64).reshape(count, -1, *one.shape[2:]).transpose(2, 3, 0, 1)
        for one in (logits, offsets)
    )
    scores = 1 / (1 + np.exp(-scores))  # [rows, columns, anchors, classes]
    order = np.argsort(-scores, axis=None, kind="stable")[: how["per_level"]]
    order = order[scores.flat[order] > how["score"]]
    row, column, anchor, label = np.unravel_index(order, scores.shape)
    ratio = np.array(how["ratios"])[anchor // len(how["scales"])]
    side = how["octave_scale"] * stride * np.array(how["scales"])[anchor % len(how["scales"])]
    assert how["ratio"] == "height / width"
    size = np.stack((side / np.sqrt(ratio), side * np.sqrt(ratio)), axis=1)
    centre = (np.stack((column, row), axis=1) + how["centre_offset"]) * stride
    assert how["offset_order"] == ["dx", "dy", "dw", "dh"]
    move = moves[row, column, anchor] * how["offset_stds"] + how["offset_means"]
    centre = centre + move[:, :2] * size
    half = size * np.exp(move[:, 2:].clip(-how["most_log_ratio"], how["most_log_ratio"])) / 2
    return np.concatenate((centre - half, centre + half), axis=1), scores.flat[order], label


def _suppressed(boxes: Array, scores: Array, classes: Array, iou: float) -> list[int]:
    kept: list[int] = []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for one in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if classes[other] == classes[one]]
        low = np.maximum(boxes[rivals, :2], boxes[one, :2])
        shared = (np.minimum(boxes[rivals, 2:], boxes[one, 2:]) - low).clip(min=0).prod(axis=1)
        if not (shared / (areas[rivals] + areas[one] - shared) > iou).any():
            kept.append(int(one))
    return kept
