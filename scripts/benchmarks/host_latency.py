"""Repeat one whole `topformer bench --device host`: do three commands tell the same ratios?

    python scripts/benchmarks/host_latency.py FOLDER [further options of bench]

TopFormer tiny, small and base and torchvision's LR-ASPP (MobileNetV3-Large) at 512x512 with
random weights, 150 classes, all of them ending in logits at 1/8, are exported once into FOLDER by
`topformer export`; then they run interleaved on onnxruntime with one thread. Figures are relative
to LR-ASPP of the same command. A row keeps its word where its medians and ratios over the commands
lie within 5 %, or where a verdict said that the number is not to be believed.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from topformer_cli.bench.statistics.summary import spread
from topformer_cli.models.spec import SIZES, ModelSpec, SizeName

REPETITIONS = 3
BOUND = 0.05
SIDE, CLASSES = 512, 150
BASELINE = "lraspp"


def topformer(*words: str | Path) -> str:
    """Run the command line as a user does and return what it writes to stdout."""
    line = [sys.executable, "-m", "topformer_cli", *map(str, words)]
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_lraspp(path: Path) -> None:
    """Write torchvision's network to where TopFormer ends as well, before it is enlarged."""
    import torch
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    whole = lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=CLASSES
    ).eval()
    net = torch.nn.Sequential(whole.backbone, whole.classifier)
    image = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(
        net, (image,), path, external_data=False, input_names=["image"], output_names=["y"],
        verbose=False,
    )  # fmt: skip


def write_topformer(path: Path, size: SizeName) -> None:
    """Write a checkpoint with random weights."""
    import torch

    from topformer_cli.models.build import build_model
    from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint

    spec = ModelSpec(
        size=size, fuse=None, classes=tuple(f"class {number}" for number in range(CLASSES)),
        palette=((0, 0, 0),) * CLASSES, input_size=(SIDE, SIDE), dataset="random",
    )  # fmt: skip
    torch.manual_seed(0)
    save_checkpoint(path, Checkpoint(spec, build_model(spec).state_dict(), {}))


def exported(folder: Path) -> list[Path]:
    """Return the exports, LR-ASPP first, made where they are missing."""
    made: list[Path] = []
    for name in (BASELINE, *SIZES):
        target = folder / name
        record = target / "export.json"
        if not record.exists():
            target.mkdir(parents=True, exist_ok=True)
            where = ("--output-dir", target, "--work-dir", folder, "--format", "onnx", "--json")
            if name == BASELINE:
                write_lraspp(folder / f"{name}.onnx")
                written = topformer("export", "--from", folder / f"{name}.onnx", *where)
            else:
                write_topformer(folder / f"{name}.safetensors", name)  # type: ignore[arg-type]
                weights = folder / f"{name}.safetensors"
                written = topformer("export", weights, "--input", f"{SIDE}x{SIDE}", *where)
            record.write_text(written)
        made += list(target.glob("*.onnx"))
    return made


Row = Mapping[str, Any]


def measured(exports: Sequence[Path], folder: Path, options: Sequence[str]) -> dict[str, Row]:
    """Run the whole command once; return the results by artifact."""
    line = ("bench", *exports, "--device", "host", "--work-dir", folder / "runs", "--json")
    session = json.loads(topformer(*line, *options))
    return {result["model"]: result for result in session["results"]}


def report(repetitions: Sequence[Mapping[str, Row]]) -> bool:
    """Print a line for each network; say whether each is within the bound or was warned of."""
    names = list(repetitions[0])
    kept = True
    for name in names:
        medians = [float(one[name]["summary"]["median_ms"]) for one in repetitions]
        bases = [float(one[names[0]]["summary"]["median_ms"]) for one in repetitions]
        ratios = [own / base for own, base in zip(medians, bases, strict=True)]
        inside = [float(one[name]["summary"]["spread"]) for one in repetitions]
        verdicts = [str(one[name]["verdict"]) for one in repetitions]
        close = max(spread(medians), spread(ratios)) <= BOUND
        warned = any(verdict != "stable" for verdict in verdicts)
        kept &= close or warned
        word = "within 5 %" if close else "apart, as warned" if warned else "apart, UNWARNED"
        print(
            f"{name:34} ms {_row(medians, '.2f')}; x {names[0]} {_row(ratios, '.3f')} "
            f"(median {statistics.median(ratios):.3f})\n"
            f"{'':34} medians differ by {spread(medians):.1%}, ratios by {spread(ratios):.1%}; "
            f"rounds inside {_row(inside, '.1%')}; {', '.join(verdicts)}: {word}"
        )
        for number, one in enumerate(repetitions, 1):
            for reason in one[name]["reasons"]:
                print(f"{'':36} {number}: {reason}")
    return kept


def _row(values: Sequence[float], form: str) -> str:
    return " ".join(format(value, form) for value in values)


def main() -> int:
    folder, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    exports = exported(folder)
    repetitions = []
    for number in range(REPETITIONS):
        load = os.getloadavg()[0]
        repetitions.append(measured(exports, folder, options))
        print(f"command {number + 1} of {REPETITIONS}, load before it {load:.1f}", flush=True)
    return 0 if report(repetitions) else 1


if __name__ == "__main__":
    sys.exit(main())
