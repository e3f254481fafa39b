"""The latencies that the paper prints, always with the conditions that belong to them.

Source: paper Table 1, sections 4.1.1 and 4.1.3, figure 1;
hustvl/TopFormer, tnn_runtime.md, step 5; Tencent/TNN at f0cb081,
benchmark/benchmark_android/benchmark_models.sh and test/flags.cc.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

PAPER_SAYS: Final = (
    "one ARM core of a Snapdragon 865, one thread, TNN, full precision; "
    "not said: which core, ABI, runs, temperature"
)
COMMAND_DOES: Final = (
    "armeabi-v7a, TNN's profiler inside the timed region, no core pinned, precision AUTO "
    "(fp16 where processor and build have it), mean of 16 runs after 5; runs OpenCL, too"
)
COMMAND: Final = "./benchmark_models.sh -32 -t cpu -bs -f"
CLASSES: Final = 150


@dataclass(frozen=True, slots=True)
class PaperLatency:
    """One printed latency in ms. size: of a TopFormer, None for other networks."""

    network: str
    encoder: str
    input_size: tuple[int, int]
    ms: float
    miou: float
    table: str = "Table 1"
    size: str | None = None

    @property
    def name(self) -> str:
        """Network and encoder as people write them."""
        return self.encoder if self.size else f"{self.network} with {self.encoder}"


def _other(network: str, encoder: str, ms: float, miou: float) -> PaperLatency:
    return PaperLatency(network, encoder, (512, 512), ms, miou)


def _own(encoder: str, size: str, side: int, ms: float, miou: float) -> PaperLatency:
    return PaperLatency("TopFormer", encoder, (side, side), ms, miou, size=size)


PAPER: Final = (
    _other("FCN-8s", "MobileNetV2", 1015, 19.7),
    _other("PSPNet", "MobileNetV2", 1065, 29.6),
    _other("DeepLabV3+", "MobileNetV2", 1035, 38.1),
    _other("DeepLabV3+", "EfficientNet", 970, 36.2),
    _other("DeepLabV3+", "ShuffleNetV2-1.5x", 960, 37.6),
    _other("Lite-ASPP", "ResNet18", 648, 37.5),
    _other("Lite-ASPP", "MobileNetV2", 235, 36.6),
    _other("R-ASPP", "MobileNetV2", 177, 32.0),
    _other("LR-ASPP", "MobileNetV3-Large", 126, 33.1),
    _other("LR-ASPP", "MobileNetV3-Large-reduce", 81, 32.3),
    _other("HRNet-W18-Small", "HRNet-W18-Small", 639, 33.4),
    _other("Segformer", "MiT-B0", 770, 37.4),
    _other("Semantic FPN", "ConvMLP-S", 777, 35.8),
    _own("TopFormer-T", "tiny", 448, 32, 32.5),
    _own("TopFormer-T", "tiny", 512, 43, 32.8),
    _own("TopFormer-S", "small", 512, 74, 36.1),
    _own("TopFormer-B", "base", 512, 110, 37.8),
)
"""Table 1, without the rows whose latency it leaves open."""

_FOREIGN: Final = {"lraspp": "LR-ASPP"}
"""Head of a card -> the network that the paper calls so, with MobileNetV3-Large."""


def paper_row(card: Mapping[str, Any], input_shape: Sequence[int]) -> PaperLatency | None:
    """Return what the paper prints for a network, None when it prints nothing.

    card: a model's identity card. input_shape [1, 3, H, W].
    """
    side = tuple(input_shape[-2:])
    head = str(card.get("head", "simple"))
    if card.get("task", "segmentation") != "segmentation":
        return None
    for row in PAPER:
        own = head == "simple" and row.size is not None and row.size == card.get("size")
        other = (row.network, row.encoder) == (_FOREIGN.get(head), "MobileNetV3-Large")
        if (own or other) and side == row.input_size:
            return row
    return None


def statement(row: PaperLatency, card: Mapping[str, Any] | None = None) -> str:
    """Say what the paper prints, quoted, with both conditions, in one line."""
    height, width = row.input_size
    words = f"the paper prints {row.ms:g} ms for {row.name} at {height}x{width} ({row.table})"
    classes = len((card or {}).get("classes", ()))
    other = f"; its network has {CLASSES} classes, this one {classes}" if classes else ""
    return (
        f"{words}: {PAPER_SAYS}{other if classes != CLASSES else ''}. "
        f"The authors' published command does this: {COMMAND_DOES}"
    )


@dataclass(frozen=True, slots=True)
class Oddity:
    """One word of the authors' command, what it does, and what is odd about it."""

    flag: str
    does: str
    odd: str


REPRODUCE: Final = (
    Oddity(
        "-32",
        "builds armeabi-v7a",
        "a Snapdragon 865 runs arm64-v8a, for which TNN has kernels of its own; many phones "
        "since 2023 run no 32-bit programs at all",
    ),
    Oddity(
        "-t cpu",
        "is meant to choose the processor",
        "the script knows `CPU` in capitals only; `cpu` matches nothing, so that it runs on ARM "
        "and then on OPENCL, and writes both into one file",
    ),
    Oddity(
        "-bs",
        "runs TNNTest from a shell",
        "no app, so that scheduling and clock differ from what users of an app get",
    ),
    Oddity(
        "-f",
        "builds with TNN's profiler",
        "each layer is timed and written down inside the region whose time is reported",
    ),
    Oddity(
        "(no -th)",
        "one thread, the script's default",
        "no core is chosen: the kernel may move the thread between fast and slow cores",
    ),
    Oddity(
        "(no -pr)",
        "precision AUTO, TNNTest's default",
        "fp16 where processor and build have it, as on a Snapdragon 865, "
        "while the paper says full precision",
    ),
    Oddity(
        "(no -wc, -ic)",
        "5 runs to warm up, 16 timed, their mean: the script's defaults",
        "the OpenCL half times 5; nothing watches temperature, clock or spread",
    ),
    Oddity(
        "(no -ip, -op)",
        "random input, no output",
        "nothing shows that the network computes anything; this build gives a missing .tnnmodel "
        "random weights without a word",
    ),
)
"""What `--reproduce-paper` stands for, word by word."""


def reproduction_text() -> str:
    """Return the lines that explain `--reproduce-paper`."""
    lines = [f"The authors' command: {COMMAND}"]
    lines += [f"  {one.flag}: {one.does}. Odd: {one.odd}." for one in REPRODUCE]
    lines.append(
        "It times input conversion, forward pass and output conversion together, by the wall clock."
    )
    return "\n".join(lines)
