"""What the records of evaluations say of themselves, whatever their task."""

import json
from dataclasses import replace

import pytest

from topformer_cli.results import (
    ClassificationResult,
    DetectionResult,
    EvalResult,
    Headline,
    LabelScores,
    PredictionsResult,
    percent,
)
from topformer_cli.results.classification import MOST_ROWS
from topformer_cli.results.detection import NUMBERS, BoxScores
from topformer_cli.results.segmentation import ClassOrder

SEGMENTED = EvalResult(
    model="TopFormer-tiny", weights="w", dataset="d", split="val", images=3, protocol="p",
    classes=("sky", "road"),
    found=LabelScores(61.5, 30.75, 90.0, 80.0, iou=(61.5, None), accuracy=(80.0, None)),
)  # fmt: skip
CLASSIFIED = ClassificationResult(
    model="TopFormer-tiny", weights="w", dataset="d", split="val", images=3, protocol="p",
    classes=("cat", "dog"), top1=66.667, top5=None, accuracy=(66.667, None), counts=(3, 0),
)  # fmt: skip
BOXES = BoxScores(
    (40.5, None), (12, 0), 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, None
)  # fmt: skip
DETECTED = DetectionResult(
    model="RetinaNet", weights="w", dataset="d", split="val", images=3, protocol="p", boxes=20,
    classes=("cat", "dog"), found=BOXES,
)  # fmt: skip
SCORED = PredictionsResult(
    predictions="found.json", annotations="truth.json", images=3, boxes=20,
    classes=("cat", "dog"), found=BOXES, notes=("odd",),
)  # fmt: skip


def test_headlines() -> None:
    assert SEGMENTED.headline == Headline("miou", "mIoU", 61.5)
    assert CLASSIFIED.headline == Headline("top1", "top-1", 66.667)
    assert str(CLASSIFIED.headline) == "top-1 66.67"
    assert DETECTED.headline == SCORED.headline == Headline("ap", "AP", 1.0)
    nothing = replace(BOXES, ap=None)
    assert replace(DETECTED, found=nothing).headline.value == 0.0


def test_summaries_leave_out_what_says_nothing() -> None:
    assert SEGMENTED.summary() == (
        "mIoU 61.50   pixel accuracy 90.00   mean accuracy 80.00   "
        "mIoU by the ADE20K devkit's rule 30.75"
    )
    assert CLASSIFIED.summary() == "top-1 66.67   no top-5: of 2 classes it is always 100"
    assert CLASSIFIED.scores == {"top1": 66.667}
    assert (
        DETECTED.summary()
        == SCORED.summary()
        == ("AP 1.00   AP50 2.00   AP75 3.00   AP small/medium/large 4.00/5.00/6.00   AR 9.00")
    )
    assert list(DETECTED.scores) == list(NUMBERS[:11])
    with_top5 = replace(CLASSIFIED, top5=90.0)
    assert with_top5.summary() == "top-1 66.67   top-5 90.00"
    assert with_top5.scores == {"top1": 66.667, "top5": 90.0}


def test_rows_have_a_dash_for_what_does_not_occur() -> None:
    assert SEGMENTED.table().rows == (("sky", "61.50", "80.00"), ("road", "–", "–"))
    assert CLASSIFIED.table().rows == (("cat", "3", "66.67"), ("dog", "0", "–"))
    assert DETECTED.table().rows == (("cat", "12", "40.50"), ("dog", "0", "–"))
    assert percent(0.0) == "0.00"


FOUND = LabelScores(
    40.0, 40.0, 90.0, 80.0, iou=(20.0, 70.0, None, 30.0, 0.0),
    accuracy=(90.0, 10.0, None, 30.0, None), pixels=(990_000, 9_500, 0, 500, 0),
    confusion=((1, 0, 0, 0, 0, 0),) * 5,
)  # fmt: skip
MAPS = replace(SEGMENTED, classes=("wall", "Sky", "bed", "car", "bus"), found=FOUND)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("id", "wall Sky bed car bus"),
        ("name", "bed bus car Sky wall"),
        ("iou", "Sky car wall bus bed"),
        ("accuracy", "wall car Sky bed bus"),
        ("pixels", "wall Sky car bed bus"),
    ],
)
def test_classes_are_shown_in_the_order_asked_for(order: ClassOrder, names: str) -> None:
    table = MAPS.table(order)
    assert [row[0] for row in table.rows] == names.split()
    assert table.columns == ("class", "pixels", "IoU", "accuracy")
    assert ("car", "0.05%", "30.00", "30.00") in table.rows
    assert ("bed", "–", "–", "–") in table.rows


def test_iou_is_averaged_by_how_common_classes_are() -> None:
    groups = FOUND.share_groups
    assert [(one.at_least, one.classes, one.miou) for one in groups] == [
        (1.0, 1, 20.0), (0.1, 1, 70.0), (0.0, 2, 15.0),
    ]  # fmt: skip
    assert [str(one) for one in groups] == [
        "at least 1 % (1 class) 20.00",
        "0.1 to 1 % (1 class) 70.00",
        "below 0.1 % (2 classes) 15.00",
    ]
    assert MAPS.to_json()["miou_by_share"][2] == {
        "at_least": 0.0, "below": 0.1, "classes": 2, "miou": 15.0,
    }  # fmt: skip


def test_where_no_pixel_is_labelled_there_is_no_score() -> None:
    none = LabelScores(None, None, None, None, (None,) * 2, (None,) * 2, (0, 0))
    result = replace(SEGMENTED, found=none)
    assert result.summary() == "no pixel is labelled: there is no score"
    assert result.scores == {}
    assert result.table().rows == (("sky", "–", "–", "–"), ("road", "–", "–", "–"))
    assert result.to_json()["miou"] is None


def test_a_record_of_maps_is_read_back_but_for_its_confusion() -> None:
    record = json.loads(json.dumps(MAPS.to_json()))
    assert "confusion" not in record
    assert EvalResult.from_json(record) == replace(MAPS, found=replace(FOUND, confusion=()))
    assert EvalResult.from_json(record | {"comparison": {}}) is not None
    for later in ("pixels", "miou_by_share"):
        del record[later]
    old = EvalResult.from_json(record)
    assert old is not None
    assert (old.found.iou, old.found.pixels) == (FOUND.iou, ())
    assert EvalResult.from_json(json.loads(json.dumps(DETECTED.to_json()))) is None


def test_a_table_of_very_many_classes_is_left_to_the_record() -> None:
    classes = MOST_ROWS + 1
    many = replace(
        CLASSIFIED, classes=("c",) * classes, accuracy=(None,) * classes, counts=(0,) * classes
    )
    assert many.table().rows == ()
    assert len(many.to_json()["accuracy"]) == classes


def test_records_are_plain() -> None:
    for one in (SEGMENTED, CLASSIFIED, DETECTED, SCORED):
        record = json.loads(json.dumps(one.to_json()))
        assert record[one.headline.key] == one.headline.value
        assert record["schema"] == 1


def test_records_of_boxes_begin_with_whose_they_are() -> None:
    keys = list(DETECTED.to_json())
    assert keys[:6] == ["model", "weights", "dataset", "split", "protocol", "images"]
    assert keys[-14:] == ["class_ap", "class_objects", *NUMBERS]
    assert list(SCORED.to_json())[:3] == ["predictions", "annotations", "images"]
    assert set(SCORED.to_json()) == {*keys[5:], "predictions", "annotations"}
