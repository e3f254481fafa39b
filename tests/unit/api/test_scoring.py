"""Boxes of somebody else's get COCO's numbers, whatever is in the files."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings

from tests.fakes.coco_oracle import Record, assert_official, coco_files, official
from topformer_cli.api.scoring import score_predictions
from topformer_cli.results import PredictionsResult


def scored(truth: Record, found: list[Record], folder: Path) -> PredictionsResult:
    files = folder / "found.json", folder / "truth.json"
    for path, content in zip(files, (found, truth), strict=True):
        path.write_text(json.dumps(content))
    return score_predictions(*files)


@settings(max_examples=80)
@given(coco_files())
def test_all_numbers_are_pycocotools(files: tuple[Record, list[Record]]) -> None:
    truth, found = files
    with tempfile.TemporaryDirectory() as folder:
        ours = scored(truth, found, Path(folder))
    codes = sorted(one["id"] for one in truth["categories"])
    assert_official(ours.found, codes, official(truth, found))
    assert (ours.images, ours.boxes) == (len(truth["images"]), len(found))
    assert ours.classes == tuple(f"class {code}" for code in codes)
