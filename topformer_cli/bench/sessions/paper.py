"""The latencies that the paper prints, always with the conditions that belong to them.

Source of the authors' command: hustvl/TopFormer, tnn_runtime.md, step 5; Tencent/TNN at f0cb081,
benchmark/benchmark_android/benchmark_models.sh and test/flags.cc.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from topformer_cli.results import BenchResult
from topformer_cli.results.paper_table import PrintedRow
from topformer_cli.results.printed import LATENCY, LATENCY_SAYS, TABLE_1

COMMAND_DOES: Final = (
    "armeabi-v7a, TNN's profiler inside the timed region, no core pinned, precision AUTO "
    "(fp16 where processor and build have it), mean of 16 runs after 5; runs OpenCL, too"
)
COMMAND: Final = "./benchmark_models.sh -32 -t cpu -bs -f"
CLASSES: Final = 150
SIDE: Final = 512
"""Of the input of nearly all rows, in pixels."""

_LR_ASPP: Final = "mobilenetv3-large"
"""The encoder of a card that names the head of LR-ASPP and nothing else, as foreign ones do."""


def paper_row(card: Mapping[str, Any], input_shape: Sequence[int]) -> PrintedRow | None:
    """Return the row of Table 1 for a network, None when the paper prints no latency for it.

    card: a model's identity card. input_shape [1, 3, H, W].
    """
    height, width = input_shape[-2:]
    head = str(card.get("head", "simple"))
    if card.get("task", "segmentation") != "segmentation" or height != width:
        return None
    own = card.get("size") if head == "simple" else None
    variant = own or f"{head}-{card.get('backbone', _LR_ASPP)}"
    for row in TABLE_1.rows:
        if row.variant == variant and height == (row.side or SIDE) and latency_of(row) is not None:
            return row
    return None


def latency_of(row: PrintedRow) -> float | None:
    """Return the latency in ms that the paper prints in a row."""
    return TABLE_1.figure(row, LATENCY)


def statement(row: PrintedRow, card: Mapping[str, Any] | None = None) -> str:
    """Say what the paper prints, quoted, with both conditions, in one line."""
    side = row.side or SIDE
    words = f"the paper prints {latency_of(row):g} ms for {row.name} at {side}x{side} (Table 1)"
    classes = len((card or {}).get("classes", ()))
    other = f"; its network has {CLASSES} classes, this one {classes}" if classes else ""
    star = f"; {TABLE_1.star}" if LATENCY in row.starred else ""
    return (
        f"{words}{star}: {LATENCY_SAYS}{other if classes != CLASSES else ''}. "
        f"The authors' published command does this: {COMMAND_DOES}"
    )


def about_latency(result: BenchResult) -> tuple[str, ...]:
    """Say in what a measurement departs from what the paper says of its own; nothing, if in none.

    A Snapdragon 865 is known by its number, which the 865+ and the 870 share.
    """
    device, classes = result.device, len(result.card.get("classes", ()))
    is_865 = device.kind == "phone" and (device.soc or "").upper().startswith("SM8250")
    what = "a host" if device.kind == "host" else device.soc or "an unknown processor"
    said = {
        f"on {what} ({device.name}), not a Snapdragon 865": not is_865,
        "emulated": result.emulated,
        f"engine {result.engine}, not TNN": result.engine != "TNN",
        f"on {result.accelerator}, not the CPU": result.accelerator != "cpu",
        f"precision {result.precision}, not fp32": result.precision != "fp32",
        f"{result.threads} threads, not 1": result.threads != 1,
        f"{classes} classes, not {CLASSES}": classes != CLASSES,
        "output not held against the network's": result.parity is None,
        f"verdict {result.verdict}": result.verdict != "stable",
    }
    return tuple(text for text, holds in said.items() if holds)


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
