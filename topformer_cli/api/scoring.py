"""Score boxes that somebody else found: no network, no prepared set, no torch."""

from pathlib import Path

from topformer_cli.data.sources.box_results import read_results
from topformer_cli.data.sources.box_truth import read_truth
from topformer_cli.engine.box_metrics import AveragePrecision
from topformer_cli.results import PredictionsResult


def score_predictions(predictions: Path, annotations: Path) -> PredictionsResult:
    """Hold the boxes of a COCO results file against the annotations of a COCO-style JSON file.

    All twelve numbers and the AP by class are those of COCO's own code.

    Raises:
        DataError: a file cannot be read, is of another form, or holds what is no box; or the boxes
            are of images or categories that the annotations do not list.
    """
    truth = read_truth(annotations)
    found = read_results(predictions, truth)
    counted = AveragePrecision(truth.table, truth.category_ids)
    counted.take(found.images, found.bounds, found.scores, found.labels)
    return PredictionsResult(
        predictions=str(predictions),
        annotations=str(annotations),
        images=len(truth.table.image_ids),
        boxes=len(found.scores),
        classes=truth.classes,
        found=counted.scores(),
        notes=(*found.notes, *truth.notes),
    )
