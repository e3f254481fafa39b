"""Weights from elsewhere: read, recognised by their tensors, and given an identity card.

What they are called in their files is in `models.foreign.names`, how files are read in
`models.foreign.files`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from torch import Tensor

from topformer_cli.errors import DataError
from topformer_cli.models.baselines.beginning import begins_with
from topformer_cli.models.baselines.files import CLASSIFIER_FILES, ClassifierFile
from topformer_cli.models.baselines.table import BASELINES, Baseline
from topformer_cli.models.build import build_model
from topformer_cli.models.checkpoint import Checkpoint, has_card, load_checkpoint
from topformer_cli.models.foreign.files import read_file, require_content
from topformer_cli.models.foreign.names import counters_for, our_names
from topformer_cli.models.spec import (
    BACKBONES,
    SIZES,
    UNKNOWN,
    Fuse,
    ModelSpec,
    SizeName,
    Task,
    unnamed_classes,
)

_SHOWN: Final = 4
_COUNTERS: Final = " ({} of them counters that it does not keep, set to 0)"


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

    partial accepts a file that does not fill the network; the rest stays as initialised. wanted is
    the baseline that is to begin with it, if any.
    """

    path: Path
    size: SizeName | None = None
    known_sets: Sequence[ClassSet] = ()
    partial: bool = False
    wanted: Baseline | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of every tensor of a foreign file."""

    matched: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place and no place was left empty."""
        return not (self.missing or self.unexpected or self.reshaped)

    def but_for(self, names: Sequence[str]) -> bool:
        """Return whether these are all that is missing, and nothing else is wrong."""
        return set(self.missing) == set(names) and not (self.unexpected or self.reshaped)

    def __str__(self) -> str:
        if self.complete:
            return f"{self.matched} tensors matched, none missing, none unexpected"
        parts = [f"{self.matched} tensors matched"]
        for what, names in self._unmatched():
            listed = " (-v lists all)" if len(names) > _SHOWN else ""
            parts.append(f"{len(names)} {what} ({shortened(names)}{listed})")
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


def shortened(names: Sequence[str]) -> str:
    """Return the first few of some names."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def read_weights(request: Request) -> Checkpoint:
    """Read our own safetensors file, or somebody else's weights.

    Size, fuse convolution and class count are read off the shapes; a size that is given as well
    must agree.

    Raises:
        DataError: the file cannot be read, belongs to another size, or does not match.
    """
    path = request.path
    require_content(path)
    if path.suffix.lower() == ".safetensors" and has_card(path):
        return _ours(request)
    file = read_file(path)
    weights = our_names(file)
    counters = counters_for(weights)
    spec = _recognise(weights, file.meta, request)
    if file.form == "PaddlePaddle" and spec.size is not None:
        spec = replace(spec, design=replace(spec.design, pooling="windows"))
    expected, taken, report = match(weights | counters, spec)
    if not report.complete and not request.partial:
        fits = begins_with(request.wanted) if request.wanted else ""
        words = f"{report}; --partial-weights accepts it{fits}"
        refusal = DataError(f"{path} does not match {spec.network}: {words}")
        refusal.add_note(report.every_name())
        raise refusal
    words = f"{report}" + _COUNTERS.format(len(counters)) * bool(counters) + file.note
    origin = {
        "file": path.name,
        "form": file.form,
        "report": words,
        "complete": report.complete,
    }
    return Checkpoint(spec, expected | taken, origin)


def _ours(request: Request) -> Checkpoint:
    checkpoint = load_checkpoint(request.path)
    network, size = checkpoint.spec.network, checkpoint.spec.size
    if request.size not in (None, size):
        drop = "; drop --size" if size else ""
        message = f"{request.path} holds {network}, not TopFormer-{request.size}{drop}"
        raise DataError(message)
    return checkpoint


def _recognise(
    weights: Mapping[str, Tensor], meta: Mapping[str, Any], request: Request
) -> ModelSpec:
    """Read backbone, size, fuse convolution and classes off the shapes."""
    path, fits = request.path, list(_sizes_that_fit(weights))
    if spec := _classifier(weights, request) or _successor(weights, meta, request):
        return spec
    if not fits:
        raise DataError(_not_known(request))
    found = request.size or fits[0]
    if found not in fits:
        message = f"{path} holds TopFormer-{fits[0]}, not {found}; use --size {fits[0]}"
        raise DataError(message)
    if (linear := weights.get("head.linear.weight")) is not None and linear.ndim:
        card = _card("classification", linear.shape[0], meta, request.known_sets)
        return ModelSpec(size=found, head="linear", fuse=None, input_size=(224, 224), **card)
    classify, fuse_weight = (
        weights.get("head.classify.weight"),
        weights.get("head.fuse.conv.weight"),
    )
    if classify is None or fuse_weight is None or not classify.ndim or fuse_weight.ndim < 2:
        message = f"{path} has no head, neither for segmentation nor for classification"
        raise DataError(message)
    fuse: Fuse = "depthwise" if fuse_weight.shape[1] == 1 else "full"
    card = _card("segmentation", classify.shape[0], meta, request.known_sets)
    return ModelSpec(size=found, fuse=fuse, input_size=(512, 512), **card)


def _not_known(request: Request) -> str:
    if (row := request.wanted) is not None:
        return f"{request.path} holds nothing that fits {row.name}{begins_with(row)}"
    successors = (row.name for row in BASELINES.values() if not row.of_paper)
    titles = ", ".join((*(file.title for file in CLASSIFIER_FILES.values()), *successors))
    return (
        f"{request.path} holds no TopFormer weights: no known size fits its tensors, and it is "
        f"none of {titles}"
    )


def _classifier(weights: Mapping[str, Tensor], request: Request) -> ModelSpec | None:
    """Return the card of another library's classifier if a file is of one that is known."""
    for backbone, file in CLASSIFIER_FILES.items():
        if not all(key in weights and weights[key].shape == file.marks[key] for key in file.marks):
            continue
        if request.size is not None:
            message = (
                f"{request.path} holds {file.title}, not TopFormer-{request.size}; "
                f"{_taken_by(backbone, file)}"
            )
            raise DataError(message)
        linear = weights.get(file.classes)
        if linear is None or not linear.ndim:
            message = f"{request.path} has no {file.classes}; give {file.title} as a whole"
            raise DataError(message)
        card = _card("classification", linear.shape[0], {}, request.known_sets)
        return ModelSpec(
            backbone=backbone, size=None, head="linear", fuse=None, input_size=(224, 224), **card
        )
    return None


def _successor(
    weights: Mapping[str, Tensor], meta: Mapping[str, Any], request: Request
) -> ModelSpec | None:
    """Return the card of the one of TopFormer's successors that most tensors fit, if any is."""
    classify = weights.get("head.classify.1.weight")
    if classify is None or not classify.ndim or "encoder.stem.conv.weight" not in weights:
        return None
    card = _card("segmentation", classify.shape[0], meta, request.known_sets)
    specs = [
        ModelSpec(
            backbone=row.encoder, size=None, head=row.head, fuse=None, input_size=(512, 512), **card
        )
        for row in BASELINES.values()
        if not row.of_paper
    ]  # fmt: skip
    spec = max(specs, key=lambda one: match(weights, one)[2].matched)
    if request.size is not None:
        message = f"{request.path} holds {spec.network}, not TopFormer-{request.size}; drop --size"
        raise DataError(message)
    return spec


def _taken_by(backbone: str, file: ClassifierFile) -> str:
    """Say which networks begin with a classifier, and how."""
    takers = [f"a RetinaNet takes it with -o model.backbone={backbone}"] * (backbone in BACKBONES)
    takers += [f"-o model.network={key} takes it" for key in file.users[:1]]
    return ", ".join(takers)


def _sizes_that_fit(weights: Mapping[str, Tensor]) -> Iterator[SizeName]:
    for name, size in SIZES.items():
        key = f"token_pyramid.bottlenecks.{len(size.bottlenecks) - 1}.project.conv.weight"
        if key in weights and weights[key].shape[:1] == (size.token_channels[-1],):
            yield name


def _card(
    task: Task, classes: int, meta: Mapping[str, Any], known_sets: Sequence[ClassSet]
) -> dict[str, Any]:
    """Return classes, palette, data set and terms: the file's own words, else a known set's."""
    fitting = (one for one in known_sets if (one.task, len(one.classes)) == (task, classes))
    known = next(fitting, None)
    names = _told(meta, "CLASSES", classes) or (known.classes if known else ())
    palette = _told(meta, "PALETTE", classes) or (known.palette if known else ())
    return {
        "task": task,
        "classes": tuple(str(name).strip() for name in names) or unnamed_classes(classes),
        "palette": _colours(palette) or tuple(_voc_colour(index + 1) for index in range(classes)),
        "dataset": known.name if known else UNKNOWN,
        "data_terms": known.terms if known else "",
    }


def _told(meta: Mapping[str, Any], key: str, classes: int) -> Sequence[Any]:
    """Return what a file says of each class, or nothing if it is not that."""
    value = meta.get(key)
    return value if isinstance(value, list | tuple) and len(value) == classes else ()


def _colours(palette: Sequence[Any]) -> tuple[tuple[int, int, int], ...]:
    try:
        return tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
    except (TypeError, ValueError):
        return ()


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
    taken = {name: weights[name].to(expected[name].dtype) for name in sorted(shared - reshaped)}
    report = LoadReport(
        matched=len(taken),
        missing=tuple(sorted(expected.keys() - weights.keys())),
        unexpected=tuple(sorted(weights.keys() - expected.keys())),
        reshaped=tuple(sorted(reshaped)),
    )
    return expected, taken, report
