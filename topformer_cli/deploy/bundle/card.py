"""The model card of a bundle. What is not known is called unknown, never left to be guessed."""

from pathlib import Path
from typing import Final

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.bundle.golden import Golden
from topformer_cli.deploy.bundle.records import Figures, Sample
from topformer_cli.deploy.bundle.sources import TEMPLATES, fill
from topformer_cli.deploy.manifest import Manifest
from topformer_cli.results import EvalResult

UNKNOWN: Final = "unknown"

_TNN: Final = """
`cpp/tnn_example.cpp` runs the TNN files through TNN's own interface, where TNN is built. Phones
compute in fp16 unless told otherwise; it asks for fp32.
"""

_RESIZED_LOGITS: Final = (
    "Logits are resized bilinearly to the wanted size (the input's or the picture's), then each "
    "pixel takes its best class, the first of equal ones."
)
_NEAREST: Final = (
    "The network's label map is brought to the wanted size by taking the label under each pixel's "
    "centre."
)


def model_card(artifact: Artifact, golden: Golden, sample: Sample, figures: Figures) -> str:
    """Return the card as Markdown."""
    manifest = artifact.manifest
    height, width = manifest.input.shape[2:]
    values = {
        "NAME": artifact.name,
        "WHAT": _what(manifest),
        "FACTS": _facts(manifest, figures),
        "FILES": "\n".join(
            f"- `model/{file.name}` ({file.bytes / 1e6:.2f} MB)" for file in manifest.files
        ),
        "ORIGIN": f"{sample.origin}, {golden.picture_hw[0]}x{golden.picture_hw[1]}",
        "INPUT": _input(manifest),
        "OUTPUT": _output(manifest),
        "INPUT_SIZE": f"{height}x{width} (height x width)",
        "NORMALISATION": _normalisation(manifest),
        "LABELLING": _NEAREST if manifest.output.kind == "labels" else _RESIZED_LOGITS,
        "TNN": _TNN if "tnn" in artifact.formats else "",
        "VERIFIED_ON": f"on {manifest.images_text}",
        "PARITY": _parity(manifest),
        "ACCURACY": _accuracy(figures),
        "LATENCY": _latency(figures),
        "TERMS": _terms(manifest),
        "LIMITS": _limits(manifest),
        "VERSIONS": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    return fill((TEMPLATES / "MODEL_CARD.md").read_text(encoding="utf-8"), values)


def _what(manifest: Manifest) -> str:
    card = manifest.card
    if card.get("backbone", "topformer") == "topformer":
        network = f"TopFormer-{card.get('size', UNKNOWN)} (Zhang et al., CVPR 2022)"
    else:
        network = f"the head {card.get('head', UNKNOWN)} on {card['backbone']}"
    return (
        f"A semantic segmentation network, {network}, of {len(card['classes'])} classes of "
        f"{card.get('dataset', UNKNOWN)}. It gives every pixel of a picture one class."
    )


def _facts(manifest: Manifest, figures: Figures) -> str:
    source = manifest.source
    digest = f" (SHA-256 {source.sha256})" if source.sha256 else ""
    height, width = manifest.input.shape[2:]
    rows = {
        "size": manifest.card.get("size", UNKNOWN) or "the only one",
        "parameters": _count(figures.parameters),
        f"multiply-adds at {height}x{width}": _count(figures.multiply_adds),
        "made from": f"{source.name or UNKNOWN}{digest}",
        "formats": ", ".join(manifest.parity),
        "weights in the TNN file": manifest.tnn_storage if "tnn" in manifest.parity else "no file",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _input(manifest: Manifest) -> str:
    taken = manifest.input
    values = "RGB bytes, 0..255" if taken.type == "uint8" else "normalised float32"
    return f"Input `{taken.name}`: {_shape(taken.shape)}, {taken.layout}, {values}."


def _output(manifest: Manifest) -> str:
    given = manifest.output
    text = f"Output `{given.name}`: {_shape(given.shape)}, {given.meaning}."
    if given.tnn_channels and given.tnn_channels != given.shape[1]:
        text += (
            f" The TNN file's output has {given.tnn_channels} channels, for a faster kernel; the "
            f"first {given.shape[1]} are the classes, and the code here looks at no others."
        )
    return text


def _normalisation(manifest: Manifest) -> str:
    mean, std = (", ".join(f"{value:g}" for value in manifest.card[key]) for key in ("mean", "std"))
    formula = f"(value - mean) / std by channel R, G, B, with mean {mean} and std {std}"
    if manifest.input.type == "uint8":
        floats = " TNN takes them as floats 0..255." if "tnn" in manifest.parity else ""
        return f"The bytes go in as they are; the network computes {formula}.{floats}"
    return f"Values 0..255 become {formula}."


def _parity(manifest: Manifest) -> str:
    return "\n".join(
        f"- {kind}: {one.relative:.1e} (bound {one.bound:.0e}), labels equal {one.labels_equal:.2%}"
        for kind, one in manifest.parity.items()
    )


def _accuracy(figures: Figures) -> str:
    if not figures.evaluations:
        return "Unknown: no evaluation of these weights was given when this card was written."
    lines = [_evaluation(result) for result in figures.evaluations]
    lines.append(
        "\nMeasured in PyTorch by that protocol, not on a phone. The code here stretches every "
        "picture to one size; the accuracy of that was not measured."
    )
    return "\n".join(lines)


def _evaluation(result: EvalResult) -> str:
    notes = "".join(f"; {note}" for note in result.notes)
    return (
        f"- {result.summary()} (%), on {result.dataset} {result.split} ({result.images} images); "
        f"protocol {result.protocol}; weights {Path(result.weights).name}{notes}"
    )


def _latency(figures: Figures) -> str:
    if not figures.latencies:
        return "Unknown: no stable measurement of these files was given when this card was written."
    return "\n".join(
        f"- {result.latency_statement()} (measured {result.started[:10]})"
        for result in figures.latencies
    )


def _terms(manifest: Manifest) -> str:
    dataset = manifest.card.get("dataset", UNKNOWN)
    terms = manifest.card.get("data_terms") or f"{UNKNOWN}; ask whoever trained the weights"
    return (
        f"Trained on: {dataset}. Terms of the data: {terms}. They may bind who ships the weights."
    )


def _limits(manifest: Manifest) -> str:
    height, width = manifest.input.shape[2:]
    lines = [
        f"The input has one size, {height}x{width}; another needs another export.",
        "It knows only the classes in `labels.txt` and gives one of them to every pixel, whatever "
        "the picture shows.",
        "Pictures unlike those it was trained on get labels that mean little.",
        "Half precision was not verified here." if "tnn" in manifest.parity else "",
    ]
    return "\n".join(f"- {line}" for line in lines if line)
