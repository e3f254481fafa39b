"""The weights of one network as the start of another: of the same kind, or for another task."""

from dataclasses import dataclass, replace

from topformer_cli.errors import DataError
from topformer_cli.models.checkpoint import Checkpoint, require_finite
from topformer_cli.models.pretrained import LoadReport, match
from topformer_cli.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Start:
    """A checkpoint cut down to the tensors that a network takes, and what became of all."""

    checkpoint: Checkpoint
    report: LoadReport


def fit_start(checkpoint: Checkpoint, spec: ModelSpec, where: str, *, partial: bool) -> Start:
    """Choose the tensors of a checkpoint that fit a network by name and shape.

    partial accepts that some do not: the network keeps its own there.

    Raises:
        DataError: a tensor is not finite, does not fit, or none does.
    """
    require_finite(checkpoint, where)
    _, taken, report = match(checkpoint.weights, spec)
    if not taken or not (report.complete or partial):
        raise _refusal(checkpoint.spec, spec, where, report)
    return Start(replace(checkpoint, weights=taken), report)


def _refusal(given: ModelSpec, wanted: ModelSpec, where: str, report: LoadReport) -> DataError:
    if not report.matched and given.backbone != wanted.backbone:
        error = DataError(f"{where} holds {given.network}: nothing of it fits {wanted.network}")
        error.add_note(report.every_name())
        return error
    if given.task != wanted.task:
        why = f"is of a network for {given.task}, not for {wanted.task}"
    elif len(given.classes) != len(wanted.classes):
        why = (
            f"has {len(given.classes)} classes, {wanted.dataset} has {len(wanted.classes)}: "
            "its head does not fit"
        )
    else:
        why = "does not fit"
    error = DataError(f"{where} {why} ({report}); --partial-weights takes what fits")
    error.add_note(report.every_name())
    return error
