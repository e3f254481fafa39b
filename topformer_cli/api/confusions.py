"""The confusion matrix of label maps as files: drawn, and as a table."""

from pathlib import Path

from topformer_cli.report.confusion_picture import confusion_picture
from topformer_cli.results.confusion import confusion_csv
from topformer_cli.results.segmentation import ScoredMaps
from topformer_cli.rundir import atomic_write


def write_confusion(found: ScoredMaps, whose: str, folder: Path) -> None:
    """Write confusion.png and confusion.csv into a folder; whose names the maps and their set."""
    score = found.headline if found.scores else found.summary()
    atomic_write(folder / "confusion.png", confusion_picture(found, f"{whose}: {score}"))
    atomic_write(folder / "confusion.csv", confusion_csv(found))
