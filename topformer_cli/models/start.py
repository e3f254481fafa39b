"""The weights of one network as the start of another: of the same kind, or for another task."""

from dataclasses import dataclass, replace
from typing import Final

import torch

from topformer_cli.errors import DataError
from topformer_cli.models.baselines.beginning import begins_with
from topformer_cli.models.baselines.files import CLASSIFIER_FILES
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, require_finite
from topformer_cli.models.pretrained import LoadReport, match, shortened
from topformer_cli.models.spec import ModelSpec

_ENCODER: Final = "encoder."


@dataclass(frozen=True, slots=True)
class Start:
    """A checkpoint cut down to the tensors that a network takes, and what became of all.

    dropped: the layer of the classes, where it was to be learnt anew. of_classifier: the tensors
    of a classifier, by its own names, that are not of the encoder that begins with it.
    """

    checkpoint: Checkpoint
    report: LoadReport
    dropped: tuple[str, ...] = ()
    of_classifier: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say what became of the tensors, in a line."""
        if self.of_classifier:
            return self._of_encoder()
        if not self.dropped:
            return str(self.report)
        rest = replace(
            self.report,
            missing=tuple(one for one in self.report.missing if one not in self.dropped),
        )
        classes = len(self.checkpoint.spec.classes)
        names = ", ".join(self.dropped)
        return f"{rest}; dropped and drawn anew: {names} (it had {classes} classes)"

    def _of_encoder(self) -> str:
        """Say it of an encoder: that its network has a head and the classifier another is usual."""
        head = [one for one in self.report.missing if not one.startswith(_ENCODER)]
        kept = [one for one in self.report.missing if one.startswith(_ENCODER)]
        rest = replace(self.report, missing=tuple(kept), unexpected=())
        dropped = shortened(self.of_classifier)
        return (
            f"{rest}; {len(self.of_classifier)} of the classifier dropped ({dropped}); "
            f"{len(head)} of the head drawn anew ({shortened(head)})"
        )


def fit_start(
    checkpoint: Checkpoint,
    spec: ModelSpec,
    where: str,
    *,
    partial: bool = False,
    reset_head: bool = False,
) -> Start:
    """Choose the tensors of a checkpoint that fit a network by name and shape.

    partial accepts that some do not: the network keeps its own there. reset_head leaves out the
    layer that has a channel a class, whatever its size; all else must fit. Of a classifier that a
    baseline's encoder is a part of, just the encoder must fit.

    Raises:
        DataError: a tensor is not finite, does not fit, or none does.
    """
    require_finite(checkpoint, where)
    dropped = (
        _of_classes(checkpoint.spec) if reset_head and checkpoint.spec.task == spec.task else ()
    )
    kept = {name: one for name, one in checkpoint.weights.items() if name not in dropped}
    if spec.baseline is not None and checkpoint.spec.task == "classification":
        return _encoder_start(checkpoint, spec, where, partial=partial)
    if checkpoint.spec.backbone != spec.backbone:  # what fits by name and shape does so by chance
        raise _nothing_fits(checkpoint.spec, spec, where)
    _, taken, report = match(kept, spec)
    complete = report.complete or report.but_for(dropped)
    if not taken or not (complete or partial):
        missing = tuple(one for one in report.missing if one not in dropped)
        raise _refusal(checkpoint.spec, spec, where, replace(report, missing=missing))
    return Start(replace(checkpoint, weights=taken), report, dropped)


def _encoder_start(checkpoint: Checkpoint, spec: ModelSpec, where: str, *, partial: bool) -> Start:
    """Choose a classifier's tensors that are of the encoder of a baseline."""
    row, given = spec.baseline, checkpoint.spec
    file = CLASSIFIER_FILES.get(given.backbone)
    if row is None or file is None or row.encoder not in file.encoders:
        raise _nothing_fits(given, spec, where)
    names = {file.in_encoder(name): name for name in checkpoint.weights}
    kept = {name: checkpoint.weights[own] for name, own in names.items()}
    _, taken, report = match(kept, spec)
    start = Start(
        replace(checkpoint, weights=taken),
        report,
        of_classifier=tuple(sorted(names[one] for one in report.unexpected)),
    )
    lacking = [*report.reshaped, *(one for one in report.missing if one.startswith(_ENCODER))]
    if lacking and not partial:
        message = f"{where} does not fit {spec.network}: {start}{begins_with(row)}"
        error = DataError(message)
        error.add_note(report.every_name())
        raise error
    return start


def _nothing_fits(given: ModelSpec, wanted: ModelSpec, where: str) -> DataError:
    end = begins_with(wanted.baseline) if wanted.baseline else ""
    return DataError(f"{where} holds {given.network}: nothing of it fits {wanted.network}{end}")


def _of_classes(spec: ModelSpec) -> tuple[str, ...]:
    """Return the tensors of a network whose shape is that of its classes."""
    wider = replace(
        spec, classes=(*spec.classes, "one more"), palette=(*spec.palette, spec.palette[0])
    )
    with torch.random.fork_rng(devices=()):
        here, there = (build_model(one).state_dict() for one in (spec, wider))
    return tuple(sorted(name for name in here if here[name].shape != there[name].shape))


def _refusal(given: ModelSpec, wanted: ModelSpec, where: str, report: LoadReport) -> DataError:
    if given.task != wanted.task:
        why = f"is of a network for {given.task}, not for {wanted.task}"
    elif given.size == wanted.size and given.network != wanted.network:
        why = f"holds {given.network}, not {wanted.network}"
    elif len(given.classes) != len(wanted.classes):
        why = (
            f"has {len(given.classes)} classes, {wanted.dataset} has {len(wanted.classes)}: "
            "its head does not fit; --reset-head drops it"
        )
    else:
        why = "does not fit"
    error = DataError(f"{where} {why} ({report}); --partial-weights takes what fits")
    error.add_note(report.every_name())
    return error
