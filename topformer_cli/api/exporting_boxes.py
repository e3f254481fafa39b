"""What of a detector is exported, and what its files are held against."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.data.augment import PAD_COLOUR
from topformer_cli.data.protocol import letterboxed
from topformer_cli.deploy.box_decoding import BoxDecoding, steps
from topformer_cli.deploy.box_proof import Boxes, BoxProof, Proposals
from topformer_cli.deploy.manifest import (
    Images,
    Source,
    TensorInput,
    TensorOutput,
)
from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.subject import Subject
from topformer_cli.deploy.suppression import BOX_OUTPUTS, CANDIDATES, SuppressionRule, end_in_boxes
from topformer_cli.deploy.to_onnx import CARD_KEY, export_onnx, trace_onnx, write_onnx
from topformer_cli.deploy.verify import Proof
from topformer_cli.engine.predict import normalised
from topformer_cli.errors import ExportError
from topformer_cli.models import boxes as rules
from topformer_cli.models.deployed import take_bytes
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import Ending, InputType, ModelSpec
from topformer_cli.parity import compare, tolerance_for
from topformer_cli.sections.detection import DetectionEvaluation

LEVELS: Final = tuple(f"p{number}" for number in range(3, 3 + len(rules.STRIDES)))
RAW_OUTPUTS: Final = tuple(f"{what}_{p}" for what in ("logits", "offsets") for p in LEVELS)
"""In the order of `models.deployed_boxes.HeadMaps`."""

_INPUT: Final = "input"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedDetector:
    """A RetinaNet to be exported for one input size.

    pictures: RGB [h, w, 3] to verify it on, as large as they are; shown: what they are.
    """

    network: nn.Module
    spec: ModelSpec
    settings: DetectionEvaluation
    input_hw: tuple[int, int]
    input_type: InputType
    pictures: Sequence[NDArray[np.uint8]]
    shown: Images

    @property
    def rule(self) -> SuppressionRule:
        """How boxes are suppressed."""
        return SuppressionRule(self.settings.score, self.settings.iou, self.settings.most)

    def fitted(self) -> list[NDArray[np.uint8]]:
        """Return the pictures at the input size, ratio kept, padded below and to the right."""
        return [letterboxed(one, self.input_hw) for one in self.pictures]

    def boxes_of_maps(self, maps: Arrays) -> Boxes:
        """Return the boxes that a host makes of the maps of one picture, computing in float64."""
        # Imported here: torchvision takes seconds.
        from topformer_cli.models.deployed_boxes import boxes_of_maps

        found = boxes_of_maps(maps, self.input_hw, self.settings)
        return Boxes(*(part.numpy() for part in found))

    def proposals_of_maps(self, maps: Arrays) -> Proposals:
        """Return the boxes of one picture that compete, and more, computing in float64."""
        from topformer_cli.models.deployed_boxes import proposals_of_maps

        found, least = proposals_of_maps(maps, self.input_hw, self.settings)
        return Proposals(Boxes(*(part.numpy() for part in found)), least.numpy())


def detector_subject(detector: ExportedDetector, ending: Ending, source: Source) -> Subject:
    """Describe a RetinaNet that ends in the maps of its head, `raw`, or in boxes.

    Raises:
        UsageError: the input size cannot be taken.
        ExportError: it is to end in boxes and finds none on the pictures, so that nothing would
            show that they are right.
    """
    card = detector.spec.to_json() | {"input_size": list(detector.input_hw)}
    card = json.loads(json.dumps(card))
    graph = _Graph(detector, {CARD_KEY: json.dumps(card, ensure_ascii=False)})
    proof = _prove(detector, graph)
    boxed = ending == "boxes"
    if boxed:
        proof = _ending_in_boxes(proof, detector)
    return Subject(
        card=card,
        source=source,
        inputs=(graph.taken,),
        outputs=_box_outputs(detector.settings.most) if boxed else _map_outputs(proof),
        proof=proof,
        images=detector.shown,
        decoding=_decoding(detector.settings, boxed=boxed),
        write_onnx=graph.write_boxes if boxed else graph.write_maps,
    )


def boxes_proof(detector: ExportedDetector) -> Proof:
    """Return what a file that ends in boxes is held against.

    Raises:
        UsageError: the input size cannot be taken.
        ExportError: no box is found on the pictures.
    """
    return _ending_in_boxes(_prove(detector, _Graph(detector, {})), detector)


def deployed_maps(network: nn.Module, input_hw: tuple[int, int]) -> nn.Module:
    """Return a RetinaNet that ends in the maps of its head, in its form for one input size.

    Raises:
        UsageError: a side is no multiple of 32.
    """
    return _head_maps(fix_input_size(network, *input_hw))


class _Graph:
    """The network in its deployed form, and the inputs that it is verified on."""

    def __init__(self, detector: ExportedDetector, metadata: Mapping[str, str]) -> None:
        self.detector, self.metadata = detector, metadata
        self.maps = deployed_maps(detector.network, detector.input_hw)
        pictures, raw = detector.fitted(), detector.input_type == "uint8"
        self.normalised = [normalised(one, detector.spec) for one in pictures]
        self.samples: list[NDArray[Any]] = (
            [one.transpose(2, 0, 1)[None] for one in pictures] if raw else self.normalised
        )

    @property
    def taken(self) -> TensorInput:
        """The input."""
        kind = self.detector.input_type
        values = "0..255" if kind == "uint8" else "normalised"
        return TensorInput(name=_INPUT, shape=self.samples[0].shape, type=kind, values=values)

    @property
    def example(self) -> Tensor:
        """What the exporter traces the network with."""
        return torch.from_numpy(self.samples[0])

    def write_maps(self, path: Path) -> None:
        """Write the network up to the maps of its head."""
        names = (_INPUT, *RAW_OUTPUTS)
        module = self._taking(self.maps)
        export_onnx(module, self.example, path, names=names, metadata=self.metadata)

    def write_boxes(self, path: Path) -> None:
        """Write the network with decoding and non-maximum suppression."""
        from topformer_cli.models.deployed_boxes import Candidates

        per_level, input_hw = self.detector.settings.per_level, self.detector.input_hw
        module = self._taking(Candidates(self.maps, input_hw, per_level).eval())
        names = (_INPUT, *CANDIDATES)
        model = trace_onnx(module, self.example, names=names, metadata=self.metadata)
        write_onnx(end_in_boxes(model, self.detector.rule), path)

    def _taking(self, module: nn.Module) -> nn.Module:
        raw = self.detector.input_type == "uint8"
        return take_bytes(module, self.detector.spec) if raw else module


def _prove(detector: ExportedDetector, graph: _Graph) -> Proof:
    """Compute maps and boxes in float64, and how far float32 rounding alone moves the maps."""
    double = copy.deepcopy(detector.network).double()
    exact = [_maps(double, one) for one in graph.normalised]
    rounded = [_maps(detector.network, one) for one in graph.normalised]
    rounding = max(
        compare(*pair).relative
        for maps in zip(exact, rounded, strict=True)
        for pair in zip(*maps, strict=True)
    )
    return Proof(
        samples=[[one] for one in graph.samples],
        references=[[one.astype(np.float32) for one in maps] for maps in exact],
        tolerance=tolerance_for(rounding),
        classes=False,
        boxes=BoxProof(
            boxes_of=detector.boxes_of_maps,
            references=[detector.boxes_of_maps(maps) for maps in exact],
            rule=detector.rule,
            proposals=lambda number: detector.proposals_of_maps(exact[number]),
        ),
    )


@torch.inference_mode()
def _maps(network: nn.Module, picture: NDArray[np.float32]) -> list[NDArray[Any]]:
    kind = next(network.parameters()).dtype
    return [one.numpy() for one in _head_maps(network)(torch.from_numpy(picture).to(kind))]


def _head_maps(network: nn.Module) -> nn.Module:
    from topformer_cli.models.deployed_boxes import HeadMaps
    from topformer_cli.models.detector import RetinaNet

    assert isinstance(network, RetinaNet)
    return HeadMaps(network).eval()


def _ending_in_boxes(proof: Proof, detector: ExportedDetector) -> Proof:
    """Return the proof of a file that gives the boxes itself."""
    boxes = proof.boxes
    if boxes is None or not any(len(one.scores) for one in boxes.references):
        message = (
            f"the network finds no box above score {detector.settings.score:g} on the pictures, so "
            "that nothing would show that the file's are right; train it longer, or give pictures "
            "of objects with --images"
        )
        raise ExportError(message)
    return replace(proof, references=(), boxes=replace(boxes, boxes_of=Boxes._make))


def _map_outputs(proof: Proof) -> tuple[TensorOutput, ...]:
    words = {"logits": "class logits", "offsets": "box offsets"}
    strides = dict(zip(LEVELS, rules.STRIDES, strict=True))
    return tuple(
        TensorOutput(
            name=name,
            shape=one.shape,
            kind="raw",
            meaning=f"{words[what]} of {level.upper()}, at 1/{strides[level]}",
        )
        for name, one in zip(RAW_OUTPUTS, proof.references[0], strict=True)
        for what, level in [name.split("_")]
    )


def _box_outputs(most: int) -> tuple[TensorOutput, ...]:
    described: tuple[tuple[tuple[int, ...], str], ...] = (
        ((most, 4), "left, top, right, bottom in pixels of the input"),
        ((most,), "by falling score"),
        ((most,), "class numbers of the card"),
    )
    return tuple(
        TensorOutput(name=name, shape=shape, kind="boxes", meaning=f"{meaning}; at most {most}")
        for name, (shape, meaning) in zip(BOX_OUTPUTS, described, strict=True)
    )


def _decoding(settings: DetectionEvaluation, *, boxed: bool) -> BoxDecoding:
    return BoxDecoding(
        levels=LEVELS,
        strides=rules.STRIDES,
        octave_scale=rules.OCTAVE_SCALE,
        scales=rules.SCALES,
        ratios=rules.RATIOS,
        most_log_ratio=rules.MOST_LOG_RATIO,
        per_level=settings.per_level,
        score=settings.score,
        iou=settings.iou,
        most=settings.most,
        pad_colour=PAD_COLOUR,
        steps=steps("boxes" if boxed else "raw"),
    )
