"""Validation images with boxes: what is there beside what was found, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.coco_tree import make_coco
from topformer_cli.api.examples import box_agreement, box_pictures, draw_examples
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import prepare
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.draw import Legend
from topformer_cli.engine.box_matches import Detections, Objects
from topformer_cli.engine.examples import BoxExample

RED, BLUE = (200, 0, 0), (0, 0, 200)
LEGEND = Legend(("red", "blue"), (RED, BLUE))


def example(scores: list[float], size: tuple[int, int] = (200, 320)) -> BoxExample:
    """An image with a red object, a blue one and a blue crowd; what is found is the red one."""
    image = np.full((*size, 3), 128, np.uint8)
    boxes = np.array([[20, 40, 80, 90], [120, 40, 180, 90], [200, 100, 300, 180.0]])
    truth = Objects(boxes, np.array([0, 1, 1]), np.array([False, False, True]))
    places = np.array([boxes[0], *[boxes[0] + 100] * (len(scores) - 1)]).reshape(-1, 4)
    labels = np.zeros(len(scores), np.int64)
    return BoxExample(
        "one", image, truth, Detections(places[: len(scores)], np.array(scores), labels)
    )


def painted(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_truth_and_what_was_found_are_drawn_apart() -> None:
    truth, found = (np.asarray(one) for one in box_pictures(example([0.9]), LEGEND))
    assert painted(truth, RED) > 300
    assert painted(truth, BLUE) > 600
    assert painted(found, RED) > 300
    assert painted(found, BLUE) == 0
    nothing = np.asarray(box_pictures(example([]), LEGEND)[1])
    assert (nothing == 128).all()


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([], "0 of 2 objects found"),
        ([0.9], "1 of 2 objects found"),
        ([0.9, 0.8], "1 of 2 objects found, 1 box wrong"),
        ([0.9, 0.8, 0.4], "1 of 2 objects found, 2 boxes wrong"),
    ],
)
def test_objects_are_counted(scores: list[float], words: str) -> None:
    assert box_agreement(example(scores)) == words


def test_an_image_without_objects_is_called_so() -> None:
    empty = Objects(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_))
    assert box_agreement(replace(example([]), truth=empty)) == "no object is there"
    assert box_agreement(replace(example([0.9]), truth=empty)) == "no object is there, 1 box wrong"


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("coco")
    root, cache = make_coco(folder, 2, 2), folder / "cache"
    prepare(KnownRequest(spec=DATASETS["coco"], folder=root, cache_dir=cache, allow_partial=True))
    return PreparedSet.open("coco", cache)


def test_images_of_any_shape_fit_the_sheet(coco: PreparedSet) -> None:
    heights = []
    for size in ((200, 320), (2000, 320), (30, 20), (200, 3000)):
        sheet = draw_examples([example([0.9], size)], coco.card, "heading")
        assert sheet.width == 1000
        heights.append(sheet.height)
    assert max(heights) < 600


def test_class_255_is_a_class(coco: PreparedSet) -> None:
    # Masks have no class of that number; boxes may.
    names = tuple(f"class {index}" for index in range(300))
    card = coco.card.model_copy(update={"classes": names, "palette": ((9, 9, 9),) * 300})
    one = example([0.9])
    labels = np.full(1, 255)
    sheet = draw_examples([replace(one, predicted=one.predicted._replace(labels=labels))], card, "")
    assert painted(np.asarray(sheet), (9, 9, 9)) > 300
