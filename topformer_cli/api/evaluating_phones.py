"""A phone as a predictor: its runner computes a network's output for one picture after another."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.benching import BenchChoices, find_targets
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.errors import UsageError


class PhonePredictor:
    """An exported network on a phone, one image at a time; `compute` gives all its outputs."""

    def __init__(self, compute: Callable[[NDArray[Any]], list[NDArray[Any]]], name: str) -> None:
        self.compute = compute
        self.name = name
        self.at_once = 1

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        """Compute logits or labels; shapes as in `Predictor`."""
        return np.concatenate([self.compute(image[None])[0] for image in images])


@contextlib.contextmanager
def phone_predictor(artifact: Artifact, choices: BenchChoices) -> Iterator[PhonePredictor]:
    """Have an export and its runner on a phone inside the block, and nothing there after it.

    Raises:
        UsageError: several phones were named, or a runner that writes no output.
        DeviceError: the phone or its runner is not ready.
        MeasurementError: the runner failed; so may the predictor.
    """
    targets = find_targets(choices)
    if len(targets) != 1:
        message = f"--phone: {len(targets)} phones; evaluate on one after another"
        raise UsageError(message)
    [target] = targets
    if not target.runner.module.WRITES_OUTPUT:
        message = (
            f"{target.runner.path}: {target.runner.kind} writes no output, so that there is "
            "nothing to score; give a topformer-runner or TNNTest with --runner"
        )
        raise UsageError(message)
    entrant = Entrant(_plan(artifact, target.format), target.runner)
    with Measurement(target.station, [entrant], choices.protocol).computing() as compute:
        file = artifact.main_file(target.format).name
        name = f"{file} in {target.runner.module.ENGINE} on {target.station.name}"
        yield PhonePredictor(compute, name)


def _plan(artifact: Artifact, kind: str) -> BenchPlan:
    """Return a plan whose references tell only the shapes of the outputs."""
    manifest = artifact.manifest
    return BenchPlan(
        name=artifact.name,
        card=artifact.card,
        artifact=artifact.main_file(kind),
        inputs=np.zeros(manifest.input.shape, manifest.input.type),
        references=[
            np.zeros(one.shape, np.int32 if one.kind == "labels" else np.float32)
            for one in manifest.outputs
        ],
        core="any",
    )
