"""What stands in the manifest beside exported files (`<name>.json`)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from topformer_cli.deploy.box_decoding import BoxDecoding

SCHEMA_VERSION: Final = 2

Values = Literal["normalised", "0..255", "as in the ONNX file"]
OutputKind = Literal["logits", "full", "labels", "raw", "boxes", "other"]
Images = Literal["set", "given", "rendered", "noise"]
Storage = Literal["fp32", "fp16"]
Shape = Annotated[tuple[int, ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorInput(_Strict):
    """What the network takes.

    values: `normalised` is (RGB on the 0..255 scale - mean) / std of the card.
    """

    name: str
    shape: Shape
    layout: Literal["NCHW"] | None = "NCHW"
    colour: Literal["RGB"] | None = "RGB"
    type: Literal["float32", "uint8"] = "float32"
    values: Values = "normalised"


class TensorOutput(_Strict):
    """What the network gives.

    kind: `logits` at the network's own stride, `full` at input size, `labels` a map of class
    numbers at input size, `raw` a map of a detector's head, `boxes` of a list of boxes with at most
    shape[0] rows, `other` of a file that is not ours. tnn_channels: how many channels the TNN
    file's output has where it has more than count; the first shape[1] are the classes.
    """

    name: str
    shape: Shape
    kind: OutputKind = "logits"
    meaning: str
    tnn_channels: int | None = None


class FileRecord(_Strict):
    """One file beside the manifest."""

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int


class BoxRecord(_Strict):
    """How the boxes that a format leads to agree with the network's own, on the same pictures.

    expected, found: how many boxes; same: how many of them are in both, of one class and at one
    place. px, score: the largest differences of theirs, in pixels of the input.
    """

    expected: int
    found: int
    same: int
    px: float
    score: float


class ParityRecord(_Strict):
    """How far a format's output lies from the reference, and the bound it met.

    labels_equal is None of a detector's maps. boxes: of a detector. Of a file that itself ends in
    boxes, the figures are those of the corners of the boxes in both, and labels_equal is their
    share.
    """

    max_abs: float
    mean_abs: float
    relative: float
    cosine: float
    labels_equal: float | None
    bound: float
    boxes: BoxRecord | None = None


class RewriteRecord(_Strict):
    """A rewrite of the graph on its way to TNN, and how often it was done."""

    name: str
    matched: int


class Source(_Strict):
    """What was exported: a checkpoint's weights, or an ONNX file of the user's."""

    kind: Literal["checkpoint", "onnx"] = "checkpoint"
    name: str = ""
    sha256: str | None = None


class Manifest(_Strict):
    """The manifest; card is the model's identity card as plain JSON, empty for a foreign file.

    images: what the files were verified on. decoding: of a detector. left_out: rewrites that were
    not wanted. notes: what else was done to the TNN files. converter: who wrote them.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    name: str
    source: Source
    card: dict[str, Any]
    inputs: Annotated[tuple[TensorInput, ...], Field(min_length=1)]
    outputs: Annotated[tuple[TensorOutput, ...], Field(min_length=1)]
    files: Annotated[tuple[FileRecord, ...], Field(min_length=1)]
    parity: dict[str, ParityRecord]
    images: Images
    decoding: BoxDecoding | None = None
    tnn_storage: Storage = "fp32"
    rewrites: tuple[RewriteRecord, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    converter: Literal["topformer", "official"] = "topformer"
    versions: dict[str, str]

    @property
    def images_text(self) -> str:
        """What the files were verified on, in words."""
        return {
            "set": "pictures of the set",
            "given": "pictures that were given",
            "rendered": "rendered scenes",
            "noise": "noise",
        }[self.images]

    @property
    def input(self) -> TensorInput:
        """The first input, of an image network the only one."""
        return self.inputs[0]

    @property
    def output(self) -> TensorOutput:
        """The first output, of a segmentation network the only one."""
        return self.outputs[0]

    @property
    def ending(self) -> str:
        """What the network ends in, in words."""
        if self.decoding is None:
            return self.output.meaning
        return {
            "raw": "head maps of P3 to P7, boxes neither decoded nor suppressed",
            "boxes": "boxes after decoding and non-maximum suppression",
        }[self.output.kind]
