"""Write ONNX, TNN and LiteRT files of a model, verified."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from topformer_cli.api.exporting_boxes import ExportedDetector, deployed_maps, detector_subject
from topformer_cli.api.models import Model
from topformer_cli.api.pictures import find_images
from topformer_cli.api.places import Places
from topformer_cli.api.reading import read_image
from topformer_cli.api.sets import open_set
from topformer_cli.data.decode import decode_image
from topformer_cli.data.scenes import render_scene
from topformer_cli.deploy.artifact import Artifact, load_artifact
from topformer_cli.deploy.export import (
    FORMATS,
    USUAL_FORMATS,
    Exported,
    ExportRequest,
    Order,
    export,
    export_subject,
)
from topformer_cli.deploy.manifest import Images, Source, Storage, TensorInput
from topformer_cli.deploy.tnn.write import PLAIN, TnnChoices, expand
from topformer_cli.engine.predict import normalised
from topformer_cli.errors import DataError, ExportError, UsageError
from topformer_cli.models.deployed import end_in, take_bytes
from topformer_cli.models.inference import fix_input_size
from topformer_cli.models.spec import ENDINGS, Ending, InputType, ModelSpec
from topformer_cli.parity import compare, tolerance_for
from topformer_cli.rundir import file_sha256
from topformer_cli.sections.detection import DetectionRecipe

VERIFIED_IMAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChoices:
    """What the user asked for; the rest follows from the model.

    ending: None for the usual one of the model's task. storage: of TNN's weights. rescale: where
    values overflow half precision, scale them by powers of two. left_out: rewrites that are not
    wanted. tnn_home: TNN's own converter does the work. images: pictures for the verification in
    place of the set's.
    """

    formats: tuple[str, ...] = USUAL_FORMATS
    input_hw: tuple[int, int] | None = None
    output_dir: Path | None = None
    ending: Ending | None = None
    input_type: InputType = "float32"
    storage: Storage = "fp32"
    rescale: bool = False
    left_out: frozenset[str] = frozenset()
    tnn_home: Path | None = None
    images: Path | None = None

    @property
    def tnn(self) -> TnnChoices:
        """What of it concerns TNN's files."""
        return TnnChoices(
            left_out=expand(self.left_out),
            storage=self.storage,
            rescale=self.rescale,
            tnn_home=self.tnn_home,
        )


def export_model(model: Model, choices: ExportChoices, places: Places) -> Exported:
    """Export a model and verify every file against the network it was made from.

    Raises:
        UsageError: a format, an ending or a rewrite is unknown, they do not go together, or the
            network cannot take the input size; nothing was written.
        ExportError: the network cannot be exported; nothing was written.
        ParityError: a file does not compute the same; nothing took its final name.
    """
    check_formats(choices.formats)
    ending = ending_of(model, choices)
    order = Order(
        name=export_name(model.spec, choices.input_hw or model.spec.input_size, choices),
        output_dir=export_folder(model, choices.output_dir),
        formats=choices.formats,
        tnn=choices.tnn,
    )
    make = _detector if isinstance(model.recipe, DetectionRecipe) else _segmenter
    with writing_to(order.output_dir):
        return make(model, replace(choices, ending=ending), order, places)


def ending_of(model: Model, choices: ExportChoices) -> Ending:
    """Return what a model is to end in.

    Raises:
        UsageError: networks of its task do not end so, or not in all formats.
    """
    known = ENDINGS[model.spec.task]
    ending = choices.ending or next(iter(known), None)
    if ending not in known:
        message = (
            f"--output {ending}: {model.file} is a network for {model.spec.task}; choose from "
            f"{', '.join(known)}"
        )
        raise UsageError(message)
    if ending == "boxes" and choices.formats != ("onnx",):
        message = (
            f"--output boxes --format {','.join(choices.formats)}: only ONNX has non-maximum "
            "suppression; take --format onnx, or --output raw, whose boxes the app decodes"
        )
        raise UsageError(message)
    if model.spec.task == "detection" and "tflite" in choices.formats:
        message = "--format tflite: detectors are exported to onnx and tnn"
        raise UsageError(message)
    return ending


def usual_formats(ending: Ending | None) -> tuple[str, ...]:
    """Return what is written where no format was asked for."""
    return ("onnx",) if ending == "boxes" else USUAL_FORMATS


def _segmenter(model: Model, choices: ExportChoices, order: Order, places: Places) -> Exported:
    assert choices.ending is not None
    input_hw = choices.input_hw or model.spec.input_size
    fixed: nn.Module = end_in(fix_input_size(model.network, *input_hw), choices.ending, input_hw)
    dataset = model.recipe.dataset
    found, shown = sample_pictures(dataset, choices.images, places, input_hw)
    pictures = resized(found, input_hw)
    images = np.concatenate([normalised(picture, model.spec) for picture in pictures])
    proof = _prove(model, images, choices.ending)
    if choices.input_type == "uint8":
        fixed = take_bytes(fixed, model.spec)
        images = np.stack([picture.transpose(2, 0, 1) for picture in pictures])
    request = ExportRequest(
        name=order.name,
        output_dir=order.output_dir,
        formats=order.formats,
        tnn=order.tnn,
        input_hw=input_hw,
        output=choices.ending,
        images=images,
        shown=shown,
        reference=proof.reference,
        tolerance=proof.tolerance,
        source=_source(model),
    )
    return export(fixed, {**model.spec.to_json(), "input_size": list(input_hw)}, request)


def _detector(model: Model, choices: ExportChoices, order: Order, places: Places) -> Exported:
    assert choices.ending is not None
    input_hw = choices.input_hw or model.spec.input_size
    found = sample_pictures(model.recipe.dataset, choices.images, places, input_hw)
    detector = exported_detector(model, input_hw, choices.input_type, *found)
    return export_subject(detector_subject(detector, choices.ending, _source(model)), order)


def exported_detector(
    model: Model,
    input_hw: tuple[int, int],
    input_type: InputType,
    pictures: Sequence[NDArray[np.uint8]],
    shown: Images,
) -> ExportedDetector:
    """Describe how a detector is exported; its recipe says how boxes are chosen."""
    assert isinstance(model.recipe, DetectionRecipe)
    return ExportedDetector(
        network=model.network,
        spec=model.spec,
        settings=model.recipe.evaluation,
        input_hw=input_hw,
        input_type=input_type,
        pictures=pictures,
        shown=shown,
    )


def _source(model: Model) -> Source:
    return Source(name=model.file.name, sha256=file_sha256(model.file))


def export_name(spec: ModelSpec, input_hw: tuple[int, int], choices: ExportChoices) -> str:
    """Name the files after network, data set and input, and whatever is not as usual."""
    usual = f"{spec.short_name}-{spec.dataset}-{input_hw[0]}x{input_hw[1]}"
    parts = [
        "" if choices.ending in (None, ENDINGS[spec.task][0]) else choices.ending,
        choices.input_type if choices.input_type != "float32" else "",
        *tnn_words(choices),
    ]
    return "-".join([usual, *filter(None, parts)])


def tnn_words(choices: ExportChoices) -> list[str]:
    """Return the words that tell TNN files from the usual ones."""
    left_out = f"without-{'+'.join(sorted(choices.left_out))}" if choices.left_out else ""
    return [
        choices.storage if choices.storage != "fp32" else "",
        "rescaled" if choices.rescale else "",
        "plain" if PLAIN in choices.left_out else left_out,
        "official" if choices.tnn_home else "",
    ]


def export_folder(model: Model, asked: Path | None) -> Path:
    """Return the folder asked for, else the run's own, else `export`."""
    if asked is not None:
        return asked
    return model.run.exports if model.run is not None else Path("export")


def fresh_artifact(
    model: Model, places: Places, formats: tuple[str, ...] = ()
) -> tuple[Artifact, bool]:
    """Return the usual export of this very checkpoint, and whether it had to be made.

    formats: what it must have beside the usual ones.
    """
    wanted = tuple(dict.fromkeys((*USUAL_FORMATS, *formats)))
    name = export_name(model.spec, model.spec.input_size, ExportChoices())
    path = export_folder(model, None) / f"{name}.json"
    if path.is_file():
        try:
            artifact = load_artifact(path)
        except ExportError:
            artifact = None
        same = artifact is not None and artifact.manifest.source.sha256 == file_sha256(model.file)
        if artifact is not None and same and set(wanted) <= set(artifact.formats):
            return artifact, False
    return export_model(model, ExportChoices(formats=wanted), places).artifact, True


def write_program(model: Model, taken: TensorInput, path: Path) -> None:
    """Write a network in its usual ending as a program of `torch.export`, for PyTorch to run.

    Shapes: the input's, fixed; normalised float32 in, logits or a detector's head maps out.

    Raises:
        ExportError: the input is not float32.
    """
    if taken.type != "float32":
        message = f"{model.file}: PyTorch measures networks with float32 input only"
        raise ExportError(message)
    input_hw = (taken.shape[2], taken.shape[3])
    fixed: nn.Module = (
        deployed_maps(model.network, input_hw)
        if model.spec.task == "detection"
        else fix_input_size(model.network, *input_hw)
    ).eval()
    torch.export.save(torch.export.export(fixed, (torch.zeros(taken.shape),)), path)


def open_artifact(path: Path) -> Artifact:
    """Open an export by its manifest or by any of its files.

    Raises:
        ExportError: there is no such export, or its files do not belong together.
    """
    if path.suffix == ".onnx" and path.is_file() and not path.with_suffix(".json").exists():
        message = (
            f"{path} has no manifest {path.with_suffix('.json').name} beside it; make an export "
            f"of it with `topformer export --from {path}` and give that"
        )
        raise ExportError(message)
    if path.suffix != ".json" and not path.exists():
        message = f"{path}: no such file; `topformer export` makes one"
        raise ExportError(message)
    return load_artifact(path)


def check_formats(formats: tuple[str, ...]) -> None:
    """Refuse formats that there are not.

    Raises:
        UsageError: names them and what there is.
    """
    if not formats or set(formats) - set(FORMATS):
        message = f"--format {','.join(formats)!r}: choose from {', '.join(FORMATS)}"
        raise UsageError(message)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line.

    Raises:
        ExportError: the folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        message = (
            f"{folder}: cannot be written ({error.strerror or error}); nothing was replaced; free "
            "some space, or choose another --output-dir"
        )
        raise ExportError(message) from error


def given_pictures(images: Path, input_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Read the user's pictures, a file or those of a folder, as RGB [H, W, 3] at a size."""
    return resized(_read(images), input_hw)


def _read(images: Path) -> list[NDArray[np.uint8]]:
    return [read_image(path) for path in find_images([images])]


def rendered_pictures(input_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return rendered RGB scenes [H, W, 3], for want of others."""
    return [
        render_scene(np.random.default_rng(index), input_hw)[0] for index in range(VERIFIED_IMAGES)
    ]


def sample_pictures(
    dataset: str, images: Path | None, places: Places, input_hw: tuple[int, int]
) -> tuple[list[NDArray[np.uint8]], Images]:
    """Return RGB pictures: the user's or the set's as they are, else rendered at input size."""
    if images is not None:
        return _read(images), "given"
    if pictures := _of_set(dataset, places):
        return pictures, "set"
    return rendered_pictures(input_hw), "rendered"


def resized(
    pictures: Sequence[NDArray[np.uint8]], input_hw: tuple[int, int]
) -> list[NDArray[np.uint8]]:
    """Bring RGB pictures to one size, whatever their ratio."""
    return [cv2.resize(picture, input_hw[::-1]).astype(np.uint8) for picture in pictures]


def _of_set(dataset: str, places: Places) -> list[NDArray[np.uint8]]:
    try:
        prepared = open_set(dataset, places)
    except DataError:
        return []
    split = "val" if prepared.length("val") else "train"
    count = min(VERIFIED_IMAGES, prepared.length(split))
    return [decode_image(prepared.encoded(split, index)) for index in range(count)]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What exported files are held against: logits of the images, and the accepted difference."""

    reference: NDArray[np.float32]
    tolerance: float


def _prove(model: Model, images: NDArray[np.float32], ending: Ending) -> _Proof:
    """Compute the logits in float64, and how far float32 rounding alone moves them."""
    exact = _logits(copy.deepcopy(model.network).double(), images.astype(np.float64))
    rounding = compare(exact, _logits(model.network, images)).relative
    if ending != "logits":
        size = (images.shape[2], images.shape[3])
        exact = _logits(end_in(nn.Identity(), "full", size), exact)
    return _Proof(exact.astype(np.float32), tolerance_for(rounding))


@torch.inference_mode()
def _logits(network: nn.Module, images: NDArray[Any]) -> NDArray[Any]:
    network.eval()
    return np.concatenate([network(torch.from_numpy(image[None])).numpy() for image in images])
