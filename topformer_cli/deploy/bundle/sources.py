"""The C++ and Kotlin of a bundle: templates with this model's constants."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.bundle.golden import Golden
from topformer_cli.deploy.bundle.reference import OVERLAY_ALPHA

TEMPLATES: Final = Path(__file__).parent / "templates"

SOURCES: Final = {
    "cpp": ("topformer.hpp", "model_constants.hpp", "golden_test.cpp"),
    "kotlin": ("TopFormer.kt", "ModelConstants.kt", "GoldenTest.kt"),
}
TNN_EXAMPLE: Final = "tnn_example.cpp"
"""Only beside a TNN file."""

_TOKEN: Final = re.compile("@([A-Z_]+)@")


def write_sources(artifact: Artifact, golden: Golden, folder: Path) -> None:
    """Write `cpp/` and `kotlin/`."""
    values = _values(artifact, golden)
    for language, names in SOURCES.items():
        (folder / language).mkdir()
        example = (TNN_EXAMPLE,) if language == "cpp" and "tnn" in artifact.formats else ()
        for name in (*names, *example):
            text = fill((TEMPLATES / name).read_text(encoding="utf-8"), values)
            (folder / language / name).write_text(text, encoding="utf-8")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in place of `@NAME@`; what a value holds is not looked at."""
    return _TOKEN.sub(lambda found: values[found[1]], template)


def class_names(card: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes as one line of text each."""
    return ["".join(c if c.isprintable() else " " for c in name) for name in card["classes"]]


def _values(artifact: Artifact, golden: Golden) -> dict[str, str]:
    manifest, card = artifact.manifest, artifact.card
    _, channels, height, width = manifest.output.shape
    names = class_names(card)
    return {
        "NAME": json.dumps(artifact.name),
        "INPUT_HEIGHT": str(manifest.input.shape[2]),
        "INPUT_WIDTH": str(manifest.input.shape[3]),
        "OUTPUT_HEIGHT": str(height),
        "OUTPUT_WIDTH": str(width),
        "OUTPUT_CHANNELS": str(channels),
        "TNN_CHANNELS": str(manifest.output.tnn_channels or channels),
        "CLASSES": str(len(names)),
        "INPUT_IS_BYTES": _boolean(manifest.input.type == "uint8"),
        "ENDS_IN_LABELS": _boolean(manifest.output.kind == "labels"),
        "MEAN_CPP": _floats(card["mean"]),
        "STD_CPP": _floats(card["std"]),
        "NAMES_CPP": _block([f"{json.dumps(name, ensure_ascii=False)}," for name in names]),
        "NAMES_KOTLIN": _block([f"{_kotlin_string(name)}," for name in names], indent=8),
        "PALETTE_CPP": _block([f"{{{r}, {g}, {b}}}," for r, g, b in card["palette"]]),
        "PALETTE_KOTLIN": _block(
            [f"0x{r:02X}{g:02X}{b:02X}," for r, g, b in card["palette"]], indent=8
        ),
        "PICTURE_HEIGHT": str(golden.picture_hw[0]),
        "PICTURE_WIDTH": str(golden.picture_hw[1]),
        "OVERLAY_ALPHA": str(OVERLAY_ALPHA),
    }


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _floats(values: Any) -> str:  # noqa: ANN401 - a list of JSON numbers
    # The shortest text that gives the same float32 back.
    return ", ".join(f"{np.float32(value)!s}f" for value in values)


def _kotlin_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")


def _block(items: list[str], indent: int = 4, width: int = 96) -> str:
    lines, line = [], ""
    for item in items:
        if line and indent + len(line) + len(item) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {item}" if line else item
    return ("\n" + " " * indent).join([*lines, line])
