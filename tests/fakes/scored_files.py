"""Two small files that can be scored, and spoilt first."""

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Ran, run_cli

Record = dict[str, Any]

TRUTH: Record = {
    "images": [
        {"id": 10 * n, "file_name": f"{n}.jpg", "height": 100, "width": 200} for n in range(1, 4)
    ],
    "annotations": [
        {"id": 5, "image_id": 10, "category_id": 7, "bbox": [10, 10, 50, 40]},
        {"id": 6, "image_id": 10, "category_id": 3, "bbox": [100, 20, 50, 40]},
        {"id": 7, "image_id": 20, "category_id": 3, "bbox": [0, 0, 20, 20]},
    ],
    "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
}
"""The third image has no object."""

FOUND: list[Record] = [
    {"image_id": 10, "category_id": 7, "bbox": [10, 10, 50, 40], "score": 0.9, "file_name": "1"},
    {"image_id": 10, "category_id": 3, "bbox": [100, 20, 50, 40], "score": 0.8, "file_name": "1"},
    {"image_id": 20, "category_id": 3, "bbox": [50, 50, 20, 20], "score": 0.95, "file_name": "2"},
]
"""Two boxes are right. Other tools add what nobody asked for, such as a file name."""


class Files:
    """The two files, which a test may spoil before they are scored."""

    def __init__(self, folder: Path) -> None:
        self.found, self.truth = folder / "found.json", folder / "truth.json"
        self.write(FOUND, TRUTH)

    def write(self, found: Any, truth: Any) -> None:
        self.found.write_text(json.dumps(found))
        self.truth.write_text(json.dumps(truth))

    def score(self, *words: str | Path) -> Ran:
        return run_cli(
            "eval", "--predictions", self.found, "--annotations", self.truth, *map(str, words)
        )


def with_area(one: Record) -> Record:
    """An annotation as pycocotools needs it."""
    return {**one, "area": one["bbox"][2] * one["bbox"][3], "iscrowd": 0}
