"""Which evaluation is the mIoU of a network that was timed."""

from pathlib import Path
from typing import Final

from topformer_cli.api.reporting.gathering import Evaluated, Found, Measured
from topformer_cli.engine.evaluate import protocol_name
from topformer_cli.results.kept import KeptEvaluation
from topformer_cli.sections.segmentation import SegmentationRecipe

SPLIT: Final = "val"
"""The split that runs are compared on."""


def score_of(one: Measured, found: Found) -> Evaluated | None:
    """Return the evaluation of the weights that were measured, as their run's recipe tests.

    It is of all images of the run's own set, looked at once and whole; None without one. There is
    none for another input than that of the training, to which the test-time resize belongs: the
    mIoU would not be that of the network that was timed.
    """
    export = found.export_of(one.result)
    if export is None or not export.run:
        return None
    recipe = next((run.recipe for run in found.runs if run.name == export.run), None)
    if not isinstance(recipe, SegmentationRecipe):
        return None
    if one.result.input_shape[2:] != recipe.input_size:
        return None
    wanted = (export.manifest.source.name, one.result.card.get("dataset"), SPLIT)
    usual = protocol_name(recipe.evaluation)
    fitting = [
        other
        for other in found.evaluations
        if other.run == export.run
        and (Path(other.kept.weights).name, other.kept.dataset, other.kept.split) == wanted
        and _is_usual(other.kept, usual)
    ]
    # Records of a set at another place have more words in their names.
    return min(fitting, key=lambda other: len(other.path.name), default=None)


def _is_usual(kept: KeptEvaluation, usual: str) -> bool:
    """Say whether an evaluation is whole and by a protocol, which may have a name before it."""
    by_it = kept.protocol == usual or kept.protocol.endswith(f": {usual}")
    return by_it and not kept.of_file and not kept.flaws
