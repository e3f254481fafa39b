"""Hold an export's files against each other, against a real TNN, and against half precision."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.benching import HOST, BenchChoices, find_targets
from topformer_cli.api.exporting import exported_detector, resized, sample_pictures
from topformer_cli.api.exporting_boxes import boxes_proof
from topformer_cli.api.made_of import checkpoint_of
from topformer_cli.api.models import ModelSource, load_model
from topformer_cli.api.places import USUAL, Places
from topformer_cli.bench.host.tnn import HostTnn
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.plan import TOLERANCES, BenchPlan
from topformer_cli.bench.protocol import Protocol
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.bisect import Blobs, Departure, Expected, exposed, interpreted
from topformer_cli.deploy.from_onnx import load_graph
from topformer_cli.deploy.manifest import BoxRecord, Images
from topformer_cli.deploy.passes import RewriteRules, rewrite
from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.runtimes import OPENERS, Runtime
from topformer_cli.deploy.tnn.convert import blob_names
from topformer_cli.deploy.tnn.interpreter import load_tnn, named_inputs
from topformer_cli.deploy.tnn.precision.half import check_half
from topformer_cli.deploy.tnn.precision.half_report import HalfReport
from topformer_cli.deploy.verify import Proof
from topformer_cli.engine.predict import normalised
from topformer_cli.errors import ParityError, UsageError
from topformer_cli.models.spec import ModelSpec
from topformer_cli.parity import HALF_TOLERANCE, LABELS_TOLERANCE, Parity, require


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyChoices:
    """What an export is held against.

    images: pictures; when absent the prepared set's, else rendered ones or noise. against: the
    checkpoint of a file that ends in boxes, if its run no longer has it. device: the serial of a
    phone. runner: a TNN runner for that phone, or without one for this machine, through the
    emulator if need be; runner_device: TNN's device. half: simulate half precision, too.
    """

    images: Path | None = None
    against: Path | None = None
    half: bool = False
    device: str | None = None
    runner: Path | None = None
    runner_device: str | None = None
    emulator: str | None = None

    def program(self) -> HostTnn | None:
        """Return how the runner is started on this machine, if there is one.

        Raises:
            UsageError: TNN's device or an emulator without a runner here.
        """
        if self.runner is not None and self.device is None:
            return HostTnn(program=self.runner, device=self.runner_device, emulator=self.emulator)
        if self.runner_device or self.emulator:
            message = "--runner-device and --emulator go with --runner PATH on this machine"
            raise UsageError(message)
        return None


@dataclass(frozen=True, slots=True)
class Verified:
    """One runtime's outputs beside the reference: the bound, and where it departs if it does.

    boxes: of a file that ends in them; the figures are those of the corners then.
    """

    runtime: str
    parity: Parity
    bound: float
    departure: Departure | None = None
    boxes: BoxRecord | None = None

    @property
    def holds(self) -> bool:
        """Whether the outputs lie within the bound."""
        return self.parity.relative <= self.bound

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        boxes = self.boxes.model_dump() if self.boxes else None
        return {**asdict(self), "boxes": boxes, "holds": self.holds}


@dataclass(frozen=True, slots=True)
class Verification:
    """All runtimes of one export; reference names what they were held against, and on what.

    half: what half precision does to it, where that was asked.
    """

    artifact: Artifact
    reference: str
    inputs: str
    rows: tuple[Verified, ...]
    half: HalfReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {
            "artifact": str(self.artifact.path),
            "reference": self.reference,
            "inputs": self.inputs,
            "runtimes": [row.to_json() for row in self.rows],
            "half": self.half.to_json() if self.half else None,
        }

    def require(self) -> None:
        """Refuse a runtime that does not compute the same.

        Raises:
            ParityError: names the runtime, the figures, and the first layer that departs.
        """
        for row in self.rows:
            where = f"; {row.departure}" if row.departure else ""
            try:
                require(row.parity, row.runtime, row.bound)
            except ParityError as error:
                message = f"{error}{where}"
                raise ParityError(message) from error


def verify(artifact: Artifact, choices: VerifyChoices, places: Places = USUAL) -> Verification:
    """Run every format of an export on the same inputs and hold them against its first.

    The first is ONNX in onnxruntime where it was exported. A runner is held against it, too. A
    file that ends in boxes is held against the network that it was made of.

    Raises:
        UsageError: pictures for a network that takes none, or a runner for an export without TNN.
        DeviceError: the phone or its runner is not ready.
        MeasurementError: the runner failed.
        ParityError: boxes are not those of the network.
    """
    if artifact.manifest.output.kind == "boxes":
        return _verify_boxes(artifact, choices, places)
    samples, what = _samples(artifact, choices.images, places)
    runner = choices.program()
    first, *others = artifact.formats
    if not (others or runner or choices.device or choices.half):
        more = ", or name a --runner, or --fp16" if first == "tnn" else ""
        message = (
            f"{artifact.path}: holds {first} alone, there is nothing to hold it against; export "
            f"{'tnn' if first == 'onnx' else 'onnx'} with it{more}"
        )
        raise UsageError(message)
    runtime = OPENERS[first](artifact.main_file(first))
    references = [runtime(sample) for sample in samples]
    held = _Held(artifact, samples, references)
    rows = [held.row(OPENERS[kind](artifact.main_file(kind)), kind) for kind in others]
    if runner is not None:
        rows.append(held.real(runner))
    if choices.device is not None:
        rows.append(held.on_phone(choices))
    half = held.half() if choices.half else None
    return Verification(artifact, f"{first} in {runtime.engine}", what, tuple(rows), half)


def _verify_boxes(artifact: Artifact, choices: VerifyChoices, places: Places) -> Verification:
    """Hold a file that decodes by itself against the boxes of its network."""
    if choices.half or choices.device or choices.program():
        message = f"{artifact.path}: ends in boxes, which only ONNX can; no runner can run it"
        raise UsageError(message)
    file = choices.against or checkpoint_of(artifact)
    if file is None:
        message = (
            f"{artifact.path}: {artifact.manifest.source.name}, of which it was made, is not in "
            "its run; name it with --weights"
        )
        raise UsageError(message)
    model = load_model(ModelSource(file, tasks=("detection",)))
    taken = artifact.manifest.input
    input_hw = (taken.shape[2], taken.shape[3])
    pictures, shown = sample_pictures(model.recipe.dataset, choices.images, places, input_hw)
    detector = exported_detector(model, input_hw, taken.type, pictures, shown)
    proof = boxes_proof(detector)
    runtime = OPENERS["onnx"](artifact.onnx)
    assert proof.boxes is not None
    held = proof.boxes.judge([runtime(one) for one in proof.samples], artifact.onnx.name)
    row = Verified(f"onnx in {runtime.engine}", held.parity, held.bound, boxes=held.record)
    inputs = _pictures_text(len(pictures), shown, detector.spec.dataset, choices.images)
    return Verification(artifact, f"{file} in PyTorch", inputs, (row,))


def _pictures_text(count: int, shown: Images, dataset: str, given: Path | None) -> str:
    whose = {"set": f"of {dataset}", "rendered": "rendered scenes"}.get(shown, str(given))
    return f"{count} picture{'s' * (count != 1)} ({whose})"


def _samples(artifact: Artifact, images: Path | None, places: Places) -> tuple[list[Arrays], str]:
    """Return sets of inputs: pictures as the card wants them, else noise."""
    taken = artifact.manifest.inputs
    if artifact.card:
        spec = ModelSpec.from_json(artifact.card, str(artifact.path))
        input_hw = (taken[0].shape[2], taken[0].shape[3])
        found, shown = sample_pictures(spec.dataset, images, places, input_hw)
        pictures = resized(found, input_hw)
        arrays: list[NDArray[Any]] = (
            [picture.transpose(2, 0, 1)[None] for picture in pictures]
            if taken[0].type == "uint8"
            else [normalised(picture, spec) for picture in pictures]
        )
        text = _pictures_text(len(arrays), shown, spec.dataset, images)
        return [[array] for array in arrays], text
    if images is not None:
        message = (
            f"--images {images}: {artifact.name} has no identity card that says how pictures are "
            "normalised; leave the option out"
        )
        raise UsageError(message)
    generator = np.random.default_rng(0)
    noise = [generator.standard_normal(one.shape, dtype=np.float32) for one in taken]
    return [noise], "noise"


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """An export's reference outputs for some inputs."""

    artifact: Artifact
    samples: Sequence[Arrays]
    references: Sequence[Arrays]

    @property
    def first(self) -> str:
        """The format of the reference."""
        return self.artifact.formats[0]

    def row(self, runtime: Runtime, kind: str) -> Verified:
        """Hold a format against the reference; the layers of TNN files are searched."""
        parity = self._judge([runtime(sample) for sample in self.samples])
        bound = self._bound(kind)
        departure = None
        if kind == "tnn" and parity.relative > bound:
            departure = self._search(bound, self._interpreted())
        return Verified(f"{kind} in {runtime.engine}", parity, bound, departure)

    def real(self, runner: HostTnn) -> Verified:
        """Hold a real TNN against the reference.

        Raises:
            UsageError: the export has no TNN files, or more inputs than a runner can be fed.
        """
        proto = self._proto()
        if len(self.artifact.manifest.inputs) != 1:
            message = f"{proto}: takes several inputs, a runner feeds one"
            raise UsageError(message)
        order = load_tnn(proto).network.outputs
        outputs = []
        for (array,) in self.samples:
            given = runner.outputs(proto, array)
            outputs.append([given[name] for name in order])
        parity = self._judge(outputs)
        bound = self._bound("tnn") if runner.exact else TOLERANCES["TNN", "auto"]
        departure = None
        if parity.relative > bound:
            departure = self._search(bound, self._in_real(runner, proto))
        return Verified(f"tnn in {runner.name}", parity, bound, departure)

    def on_phone(self, choices: VerifyChoices) -> Verified:
        """Hold a phone's TNN against the reference, in fp32.

        Raises:
            UsageError: the export has no TNN files.
            DeviceError: the phone or its runner is not ready.
            MeasurementError: the runner failed there.
        """
        if choices.device == HOST:
            message = "--device host: name a phone; --runner PATH alone runs a TNN on this machine"
            raise UsageError(message)
        proto = self._proto()
        serials = (choices.device,) if choices.device else ()
        wanted = BenchChoices(devices=serials, runner=choices.runner, engine="tnn")
        [target] = find_targets(wanted)
        entrants = [
            Entrant(
                BenchPlan(
                    name=self.artifact.name,
                    card=self.artifact.card,
                    artifact=proto,
                    inputs=sample[0],
                    references=reference,
                    core="any",
                    tolerance=float("inf"),  # judged below, with the others
                ),
                target.runner,
            )
            for sample, reference in zip(self.samples, self.references, strict=True)
        ]
        measurement = Measurement(target.station, entrants, Protocol())
        measurement.check()
        found = [lane.parity for lane in measurement.lanes if lane.parity is not None]
        worst = max(found, key=lambda parity: parity.relative)
        return Verified(f"tnn in TNN on {target.station.name}", worst, self._bound("tnn"))

    def half(self) -> HalfReport:
        """Simulate half precision on the samples."""
        report = check_half(load_tnn(self._proto()), self.samples)
        return report if self.artifact.has_classes else report.without_labels()

    def _proto(self) -> Path:
        if "tnn" not in self.artifact.formats:
            message = f"{self.artifact.path}: has no TNN files for a runner; export them with tnn"
            raise UsageError(message)
        return self.artifact.tnnproto

    def _judge(self, outputs: Sequence[Arrays]) -> Parity:
        proof = Proof(self.samples, self.references, 0.0, classes=self.artifact.has_classes)
        return proof.judge(outputs)

    def _bound(self, kind: str) -> float:
        """Return how far two files may differ, each of which lies within its own bound."""
        if np.issubdtype(self.references[0][0].dtype, np.integer):
            halved = self.artifact.manifest.tnn_storage == "fp16" and "tnn" in {kind, self.first}
            return HALF_TOLERANCE if halved else LABELS_TOLERANCE
        return sum(self.artifact.manifest.parity[one].bound for one in {kind, self.first})

    def _feeds(self) -> dict[str, NDArray[Any]]:
        names = [one.name for one in self.artifact.manifest.inputs]
        return dict(zip(names, self.samples[0], strict=True))

    def _search(self, bound: float, blobs: Blobs) -> Departure | None:
        """Name the first layer that departs; without the ONNX file there is nothing to say."""
        if self.first != "onnx":
            return None
        rules = RewriteRules(left_out=frozenset(self.artifact.manifest.left_out))
        rewritten = rewrite(load_graph(self.artifact.onnx), rules)
        names = blob_names(rewritten.model)
        expected = Expected.of_graph(rewritten.model, names, self._feeds())
        network = load_tnn(self.artifact.tnnproto).network
        return expected.first_departure(network, blobs, bound)

    def _interpreted(self) -> Blobs:
        loaded = load_tnn(self.artifact.tnnproto)
        return interpreted(loaded, named_inputs(loaded, self.samples[0]))

    def _in_real(self, runner: HostTnn, proto: Path) -> Blobs:
        def values(blob: str) -> NDArray[Any]:
            with tempfile.TemporaryDirectory() as name:
                shown = exposed(proto, blob, Path(name))
                return runner.outputs(shown, self.samples[0][0])[blob]

        return values
