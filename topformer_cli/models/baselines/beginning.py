"""Which files a baseline begins with, in words, for what others are told in their place."""

from topformer_cli.models.baselines.files import CLASSIFIER_FILES, UNLIKE
from topformer_cli.models.baselines.table import Baseline
from topformer_cli.models.zoo import ZOO


def begins_with(row: Baseline) -> str:
    """Return the end of a sentence about a file that a baseline does not begin with."""
    parts = [
        f"; it begins with {file.title}{_fetched(backbone)}"
        for backbone, file in CLASSIFIER_FILES.items()
        if row.encoder in file.encoders[:1]
    ]
    return "".join(parts) + (f"; {UNLIKE[row.encoder]}" if row.encoder in UNLIKE else "")


def _fetched(backbone: str) -> str:
    names = [name for name, one in ZOO.items() if one.backbone == backbone]
    return f" (--weights {' or '.join(names)})" if names else ""
