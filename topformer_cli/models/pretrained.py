"""Weights from elsewhere: the authors' checkpoints, and torchvision's of ImageNet.

Key names: facts of hustvl/TopFormer (backbone.tpm, backbone.trans, backbone.SIM, decode_head), and
for ImageNet, where `backbone.` is missing, of BR-IDL/PaddleViT, which converts those files (tpm,
trans, head.bn, head.l). torchvision's keys are those of our networks with its backbones. Files are
read with weights_only, so nothing in them is ever executed.
"""

import argparse
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, load_checkpoint
from topformer_cli.models.spec import (
    BACKBONES,
    SIZES,
    UNKNOWN,
    BackboneName,
    Fuse,
    ModelSpec,
    SizeName,
    Task,
    unnamed_classes,
)

BLOCK_PARTS: Final = {
    "attn.to_q": "attention.query",
    "attn.to_k": "attention.key",
    "attn.to_v": "attention.value",
    "attn.proj.1": "attention.project",
    "mlp.fc1": "feed_forward.expand",
    "mlp.dwconv": "feed_forward.depthwise",
    "mlp.fc2": "feed_forward.project",
}
PREFIXES: Final = {
    "backbone.tpm.stem.0.": "token_pyramid.stem.",
    "decode_head.linear_fuse.": "head.fuse.",
    "decode_head.conv_seg.": "head.classify.",
    "head.bn.": "head.bn.",
    "head.l.": "head.linear.",
}
TORCHVISION: Final[Mapping[BackboneName, tuple[str, tuple[int, ...], str]]] = {
    "shufflenetv2": ("stage4.3.branch2.5.weight", (232, 232, 1, 1), "fc.weight"),
    "mobilenetv3": ("features.15.block.3.0.weight", (160, 960, 1, 1), "classifier.3.weight"),
}
"""Backbone that is torchvision's -> a tensor that only its size has, and the one of the classes."""

BARE: Final = ("tpm.", "trans.")
"""What keys of the ImageNet files begin with, where those for segmentation have `backbone.`."""

BLOCK = re.compile(
    r"backbone\.trans\.transformer_blocks\.(\d+)\.([a-z0-9_.]+?)\.((c|bn)\..+|weight|bias)"
)
INJECTION = re.compile(
    r"backbone\.SIM\.([123])\.(local_embedding|global_embedding|global_act)\.(.+)"
)
BOTTLENECK = re.compile(r"backbone\.tpm\.layer(\d+)\.conv\.(\d)\.(.+)")


class ClassSet(Protocol):
    """What is known of a data set whose class count a foreign file may have."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def task(self) -> Task: ...  # noqa: D102
    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]: ...  # noqa: D102
    @property
    def terms(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Request:
    """A weights file, the size it is said to have, and the data sets its classes may be of.

    partial accepts a file that does not fill the network; the rest stays as initialised.
    """

    path: Path
    size: SizeName | None = None
    known_sets: Sequence[ClassSet] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of every tensor of a foreign file."""

    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place and no place was left empty."""
        return not (self.missing or self.unexpected or self.reshaped)

    def __str__(self) -> str:
        parts = [f"{self.matched} tensors matched"]
        for what, names in self._unmatched():
            shown = ", ".join(names[:4]) + (", ... (-v lists all)" if len(names) > 4 else "")
            parts.append(f"{len(names)} {what} ({shown})")
        return "; ".join(parts)

    def every_name(self) -> str:
        """Return all tensors that did not match, a line each."""
        return "\n".join(f"{what}: {name}" for what, names in self._unmatched() for name in names)

    def _unmatched(self) -> list[tuple[str, tuple[str, ...]]]:
        kinds = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.reshaped),
        )
        return [(what, names) for what, names in kinds if names]


def read_weights(request: Request) -> Checkpoint:
    """Read our own safetensors file, an authors' checkpoint, or torchvision's.

    Size, fuse convolution and class count are read off the shapes; a size that is given as well
    must agree.

    Raises:
        DataError: the file cannot be read, belongs to another size, or does not match.
    """
    path = request.path
    if path.suffix == ".safetensors":
        checkpoint = load_checkpoint(path)
        if request.size not in (None, checkpoint.spec.size):
            drop = "; drop --size" if checkpoint.spec.size else ""
            message = f"{path} holds {checkpoint.spec.network}, not TopFormer-{request.size}{drop}"
            raise DataError(message)
        return checkpoint
    state, meta = _read_mmcv(path)
    renamed = {_rename(key): value for key, value in state.items()}
    spec = _recognise(renamed, meta, request)
    expected, taken, report = match(renamed, spec)
    if not report.complete and not request.partial:
        message = f"{path} does not match {spec.network}: {report}; --partial-weights accepts it"
        refusal = DataError(message)
        refusal.add_note(report.every_name())
        raise refusal
    origin = {"file": path.name, "report": str(report), "complete": report.complete}
    return Checkpoint(spec, expected | taken, origin)


def _read_mmcv(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    try:
        # timm keeps its command line beside the weights, as a Namespace: plain attributes.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        message = f"no weights file {path}"
        raise DataError(message) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        message = (
            f"{path} is damaged, or no checkpoint of plain tensors "
            f"({type(error).__name__}; -v shows more); download or copy it again"
        )
        raise DataError(message) from error
    if isinstance(content, dict):
        for key in ("state_dict_ema", "state_dict", "model"):
            if isinstance(content.get(key), dict):
                return _tensors(content[key], path), content.get("meta") or {}
    return _tensors(content, path), {}


def _tensors(state: Any, path: Path) -> dict[str, Tensor]:  # noqa: ANN401 - a file holds anything
    named = state.items() if isinstance(state, dict) else ()
    tensors = {
        str(name).removeprefix("module."): value
        for name, value in named
        if isinstance(value, Tensor)
    }
    if not tensors:
        message = f"{path} holds no named tensors"
        raise DataError(message)
    return tensors


def _rename(key: str) -> str:
    """Translate an authors' key; a key of another kind stays as it is and ends up unexpected."""
    key = f"backbone.{key}" if key.startswith(BARE) else key
    if match := BOTTLENECK.fullmatch(key):
        index, place, rest = int(match[1]) - 1, int(match[2]), match[3]
        parts = ("depthwise", "project") if index == 0 else ("expand", "depthwise", "project")
        if place % 2 == 0 and place // 2 < len(parts):
            return f"token_pyramid.bottlenecks.{index}.{parts[place // 2]}.{_conv(rest)}"
    if match := INJECTION.fullmatch(key):
        branch = "global_attention" if match[2] == "global_act" else match[2]
        return f"semantics_injection.{int(match[1]) - 1}.{branch}.{match[3]}"
    if (match := BLOCK.fullmatch(key)) and match[2] in BLOCK_PARTS:
        return f"semantics_extractor.{match[1]}.{BLOCK_PARTS[match[2]]}.{_conv(match[3])}"
    for prefix, ours in PREFIXES.items():
        if key.startswith(prefix):
            return ours + _conv(key.removeprefix(prefix))
    return key


def _conv(rest: str) -> str:
    return "conv." + rest[2:] if rest.startswith("c.") else rest


def _recognise(
    weights: Mapping[str, Tensor], meta: Mapping[str, Any], request: Request
) -> ModelSpec:
    """Read backbone, size, fuse convolution and classes off the shapes."""
    path, fits = request.path, list(_sizes_that_fit(weights))
    if spec := _torchvisions(weights, request):
        return spec
    if not fits:
        message = (
            f"{path} holds no TopFormer weights: no known size fits its tensors, nor do "
            f"torchvision's {' or '.join(BACKBONES[name] for name in TORCHVISION)}"
        )
        raise DataError(message)
    found = request.size or fits[0]
    if found not in fits:
        message = f"{path} holds TopFormer-{fits[0]}, not {found}; use --size {fits[0]}"
        raise DataError(message)
    if (linear := weights.get("head.linear.weight")) is not None:
        card = _card("classification", linear.shape[0], meta, request.known_sets)
        return ModelSpec(size=found, head="linear", fuse=None, input_size=(224, 224), **card)
    classify, fuse_weight = (
        weights.get("head.classify.weight"),
        weights.get("head.fuse.conv.weight"),
    )
    if classify is None or fuse_weight is None:
        message = f"{path} has no head, neither for segmentation nor for classification"
        raise DataError(message)
    fuse: Fuse = "depthwise" if fuse_weight.shape[1] == 1 else "full"
    card = _card("segmentation", classify.shape[0], meta, request.known_sets)
    return ModelSpec(size=found, fuse=fuse, input_size=(512, 512), **card)


def _torchvisions(weights: Mapping[str, Tensor], request: Request) -> ModelSpec | None:
    """Return the card of torchvision's classifier if a file is of one that is known."""
    for backbone, (key, shape, classes_key) in TORCHVISION.items():
        if key not in weights or weights[key].shape != shape:
            continue
        if request.size is not None:
            message = (
                f"{request.path} holds {BACKBONES[backbone]}, not TopFormer-{request.size}; a "
                f"RetinaNet takes it with -o model.backbone={backbone}"
            )
            raise DataError(message)
        if (linear := weights.get(classes_key)) is None:
            message = f"{request.path} has no {classes_key}; give torchvision's whole file"
            raise DataError(message)
        card = _card("classification", linear.shape[0], {}, request.known_sets)
        return ModelSpec(
            backbone=backbone, size=None, head="linear", fuse=None, input_size=(224, 224), **card
        )
    return None


def _sizes_that_fit(weights: Mapping[str, Tensor]) -> Iterator[SizeName]:
    for name, size in SIZES.items():
        key = f"token_pyramid.bottlenecks.{len(size.bottlenecks) - 1}.project.conv.weight"
        if key in weights and weights[key].shape[0] == size.token_channels[-1]:
            yield name


def _card(
    task: Task, classes: int, meta: Mapping[str, Any], known_sets: Sequence[ClassSet]
) -> dict[str, Any]:
    """Return classes, palette, data set and terms: the file's own words, else a known set's."""
    fitting = (one for one in known_sets if (one.task, len(one.classes)) == (task, classes))
    known = next(fitting, None)
    names = meta.get("CLASSES") or (known.classes if known else ())
    palette = meta.get("PALETTE") or (known.palette if known else ())
    if len(names) != classes:
        names = unnamed_classes(classes)
    if len(palette) != classes:
        palette = [_voc_colour(index + 1) for index in range(classes)]
    return {
        "task": task,
        "classes": tuple(str(name).strip() for name in names),
        "palette": tuple((int(r), int(g), int(b)) for r, g, b in palette),
        "dataset": known.name if known else UNKNOWN,
        "data_terms": known.terms if known else "",
    }


def _voc_colour(label: int) -> tuple[int, int, int]:
    """Return the PASCAL VOC colour of a label: its bits dealt to red, green and blue in turn."""
    bits = [(label >> place) & 1 for place in range(24)]
    red, green, blue = (
        sum(bits[3 * step + channel] << (7 - step) for step in range(8)) for channel in range(3)
    )
    return red, green, blue


def match(
    weights: Mapping[str, Tensor], spec: ModelSpec
) -> tuple[dict[str, Tensor], dict[str, Tensor], LoadReport]:
    """Return a fresh network's tensors, those of weights that fit it, and what became of all."""
    expected = build_model(spec).state_dict()
    shared = weights.keys() & expected.keys()
    reshaped = {name for name in shared if weights[name].shape != expected[name].shape}
    taken = {name: weights[name] for name in sorted(shared - reshaped)}
    report = LoadReport(
        matched=len(taken),
        missing=tuple(sorted(expected.keys() - weights.keys())),
        unexpected=tuple(sorted(weights.keys() - expected.keys())),
        reshaped=tuple(sorted(reshaped)),
    )
    return expected, taken, report
