"""COCO's own evaluation of files, and random files whose boxes meet in every way."""

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from topformer_cli.results.detection import NUMBERS, BoxScores

Record = dict[str, Any]

CATEGORY_IDS = (7, 3, 90)
"""Neither sorted nor without gaps."""


class Official(NamedTuple):
    """The twelve numbers, and the AP by category id; shares, -1 for what does not exist."""

    numbers: list[float]
    class_ap: dict[int, float]


def official(truth: Path | Record, found: Path | Sequence[Mapping[str, Any]]) -> Official:
    """Evaluate with pycocotools, which cannot load results without a box."""
    entries = json.loads(found.read_text()) if isinstance(found, Path) else found
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(str(truth)) if isinstance(truth, Path) else COCO()
        if isinstance(truth, dict):
            theirs.dataset = truth
            theirs.createIndex()
        if entries:
            results = theirs.loadRes([dict(one) for one in entries])
        else:
            results = COCO()
            results.dataset = {**theirs.dataset, "annotations": []}
            results.createIndex()
        counted = COCOeval(theirs, results, "bbox")
        counted.evaluate()
        counted.accumulate()
        counted.summarize()
    precision = counted.eval["precision"][:, :, :, 0, -1]
    by_class: dict[int, float] = {
        category: float(present.mean()) if (present := one[one > -1]).size else -1.0
        for category, one in zip(counted.params.catIds, np.moveaxis(precision, 2, 0), strict=True)
    }
    return Official(counted.stats.tolist(), by_class)


def assert_official(ours: BoxScores, codes: Sequence[int], theirs: Official) -> None:
    """Compare the numbers, and the AP of the classes, whose ids are given in their order."""
    for name, value in zip(NUMBERS, theirs.numbers, strict=True):
        assert getattr(ours, name) == _percent(value), name
    for code, average in zip(codes, ours.class_ap, strict=True):
        assert average == _percent(theirs.class_ap[code]), code


def _percent(share: float) -> Any:
    return None if share < 0 else pytest.approx(100 * share, abs=1e-9)


SIDE = 400
_PIXELS = 24
"""Boxes lie on a grid of so many pixels, so that they meet, touch, are equal and of all sizes."""

_bounds = st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(0, 6)] * 2)
_areas = st.sampled_from((0.0, 900.0, 1024.0, 5000.0, 9216.0, 40000.0))


@st.composite
def coco_files(draw: DrawFn) -> tuple[Record, list[Record]]:
    """Annotations and results: crowds, equal scores, empty images and classes, boxes without area.

    Areas are not those of the boxes; half of the results come thirty-fold, so that images have
    more than 100.
    """
    ids = draw(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4, unique=True))
    owned = st.tuples(st.sampled_from(ids), st.sampled_from(CATEGORY_IDS), _bounds)
    objects = draw(st.lists(st.tuples(owned, _areas, st.booleans(), st.booleans()), max_size=16))
    boxes = draw(st.lists(st.tuples(owned, st.integers(-1, 5)), max_size=24))
    near = draw(st.lists(st.integers(-1, 5), min_size=len(objects), max_size=len(objects)))
    boxes += [(one[0], score) for one, score in zip(objects, near, strict=True) if score > 1]
    copies = draw(st.sampled_from((1, 30)))
    truth = {
        "images": [
            {"id": one, "file_name": f"{one}.jpg", "height": SIDE, "width": SIDE} for one in ids
        ],
        "annotations": [
            {"id": len(objects) - number, **_object(owner), "area": area, "iscrowd": int(a and b)}
            for number, (owner, area, a, b) in enumerate(objects)
        ],
        "categories": [{"id": one, "name": f"class {one}"} for one in CATEGORY_IDS],
    }
    found = [_object(owner) | {"score": score / 5} for owner, score in boxes for _ in range(copies)]
    return truth, found


def _object(owner: tuple[int, int, tuple[int, ...]]) -> Record:
    image, category, bounds = owner
    bbox = [float(_PIXELS * value) for value in bounds]
    return {"image_id": image, "category_id": category, "bbox": bbox}
