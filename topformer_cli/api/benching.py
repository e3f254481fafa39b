"""Measure an exported model on a phone or on this host."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.places import USUAL, Places
from topformer_cli.bench.discover import choose_device
from topformer_cli.bench.host import measure_host
from topformer_cli.bench.measure import measure_phone
from topformer_cli.bench.phone import Phone
from topformer_cli.bench.plan import BenchPlan, Precision, Protocol
from topformer_cli.bench.runner import Runner, find_runner
from topformer_cli.cache import cache_dir
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.manifest import TensorInput
from topformer_cli.deploy.predictors import open_predictor
from topformer_cli.errors import MeasurementError
from topformer_cli.parity import HALF_TOLERANCE
from topformer_cli.results import BenchResult
from topformer_cli.rundir import new_run, write_json

HOST = "host"

Advance = Callable[[int, int], None]
"""Called with (rounds done, rounds in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchChoices:
    """How to measure; device is `host`, an adb serial, `tcp:HOST:PORT`, or the only phone."""

    device: str | None = None
    runner: Path | None = None
    precision: Precision = "fp32"
    threads: int = 1
    core: str = "prime"
    protocol: Protocol
    places: Places = USUAL


@dataclass(frozen=True, slots=True)
class PhoneTarget:
    """A phone that is ready, and the program that measures on it."""

    phone: Phone
    runner: Runner


def find_target(choices: BenchChoices) -> PhoneTarget | None:
    """Return the phone and its runner; None for this host.

    Raises:
        DeviceError: there is no phone that is ready, or no runner that fits it.
    """
    if choices.device == HOST:
        return None
    phone = choose_device(choices.device or os.environ.get("ANDROID_SERIAL"))
    runner = find_runner(choices.runner, cache_dir(choices.places.cache), phone.facts().abis)
    return PhoneTarget(phone, runner)


def bench(
    artifact: Artifact, choices: BenchChoices, advance: Advance, target: PhoneTarget | None = None
) -> tuple[BenchResult, Path]:
    """Measure an artifact on a phone, or on this host, and keep the record in a run folder.

    The output is checked against the reference first.

    Raises:
        DeviceError: the phone or a transfer failed before anything ran.
        ParityError: the output on the device differs from the reference.
        MeasurementError: the runner crashed, hung or lost its phone.
    """
    try:
        result = (
            measure_host(_plan(artifact, artifact.onnx, choices), advance)
            if target is None
            else measure_phone(
                _plan(artifact, artifact.tnnproto, choices), target.phone, target.runner, advance
            )
        )
    except MeasurementError as error:
        if error.partial is not None:
            kept = _keep(error.partial, artifact, choices.places)
            error.args = (f"{error}; the rounds that were complete are in {kept}",)
        raise
    return result, _keep(result.to_json(), artifact, choices.places)


def _keep(record: Mapping[str, Any], artifact: Artifact, places: Places) -> Path:
    run = new_run(places.work_dir, "bench", artifact.name)
    write_json(run.result, record)
    return run.result


def _plan(artifact: Artifact, file: Path, choices: BenchChoices) -> BenchPlan:
    inputs = fixed_input(artifact.manifest.input)
    return BenchPlan(
        name=artifact.name,
        card=artifact.card,
        artifact=file,
        inputs=inputs,
        reference=_reference(artifact, inputs),
        output=artifact.manifest.output.meaning,
        precision=choices.precision,
        threads=choices.threads,
        core=choices.core,
        protocol=choices.protocol,
        tolerance=HALF_TOLERANCE if _of_other_weights(artifact, file) else None,
    )


def _of_other_weights(artifact: Artifact, file: Path) -> bool:
    """Say whether a file has other weights than the TNN files of its export, which are halves."""
    return artifact.manifest.tnn_storage == "fp16" and file.suffix != ".tnnproto"


def fixed_input(taken: TensorInput) -> NDArray[Any]:
    """Return the noise that every measurement of this input is fed: normalised, or bytes."""
    generator = np.random.default_rng(0)
    if taken.type == "uint8":
        return generator.integers(0, 256, taken.shape, np.uint8)
    return generator.standard_normal(taken.shape, dtype=np.float32)


def _reference(artifact: Artifact, inputs: NDArray[Any]) -> NDArray[Any]:
    """Compute the output by another runtime than the one that is measured."""
    kind = "tnn" if "tnn" in artifact.formats else artifact.formats[0]
    return open_predictor(artifact, kind)(inputs)
