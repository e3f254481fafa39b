"""What stands in the manifest beside exported files (`<name>.json`)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 2

Values = Literal["normalised", "0..255", "as in the ONNX file"]
OutputKind = Literal["logits", "full", "labels", "other"]
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
    numbers at input size, `other` of a file that is not ours. tnn_channels: how many channels the
    TNN file's output has where it has more than count; the first shape[1] are the classes.
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


class ParityRecord(_Strict):
    """How far a format's output lies from the reference, and the bound it met."""

    max_abs: float
    mean_abs: float
    relative: float
    cosine: float
    labels_equal: float
    bound: float


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

    images: what the files were verified on. left_out: rewrites that were not wanted. notes: what
    else was done to the TNN files. converter: who wrote them.
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
