"""Write a bundle: in a hidden folder first, under its own name when it is whole."""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from topformer_cli import __version__
from topformer_cli.deploy.artifact import Artifact, describe_file
from topformer_cli.deploy.bundle.card import model_card
from topformer_cli.deploy.bundle.golden import make_golden, write_golden
from topformer_cli.deploy.bundle.records import Figures, Sample
from topformer_cli.deploy.bundle.replace import KIND, MANIFEST, refuse_strangers, take_name
from topformer_cli.deploy.bundle.sources import class_names, write_sources
from topformer_cli.deploy.manifest import OutputKind
from topformer_cli.deploy.staging import staging
from topformer_cli.errors import ExportError

SCHEMA_VERSION: Final = 1

_NEEDED: Final = ("classes", "palette", "mean", "std")
_MOST_CLASSES: Final = 256


def write_bundle(
    artifact: Artifact, folder: Path, sample: Sample, figures: Figures
) -> tuple[Path, ...]:
    """Write an exported model with everything that an app needs, and return the files.

    A folder that holds an earlier bundle and nothing else is replaced.

    Raises:
        ExportError: the export has no identity card or is no segmentation network, or the folder
            holds what is not of an earlier bundle; nothing was written.
    """
    require_card(artifact)
    folder = folder.resolve()
    refuse_strangers(folder)
    with staging(folder.parent, folder.name) as hidden:
        made = hidden / "bundle"
        made.mkdir()
        _fill(artifact, made, sample, figures)
        files = tuple(sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file()))
        take_name(made, folder)
    return tuple(folder / file for file in files)


_MAPS: Final[frozenset[OutputKind]] = frozenset({"logits", "full", "labels"})


def require_card(artifact: Artifact) -> None:
    """Refuse an export that does not say what its network's input and output mean.

    Raises:
        ExportError: says what is missing.
    """
    manifest, card = artifact.manifest, artifact.card
    missing = [name for name in _NEEDED if not card.get(name)]
    if missing or len(manifest.inputs) > 1 or manifest.output.kind not in _MAPS:
        message = (
            f"{artifact.path}: a bundle needs an identity card, one picture in and one map out; "
            f"this export lacks {', '.join(missing) or 'them'}; bundle the export of a checkpoint"
        )
        raise ExportError(message)
    classes, colours = len(card["classes"]), len(card["palette"])
    channels = manifest.output.shape[1]
    if colours != classes or classes > _MOST_CLASSES or channels not in (1, classes):
        message = (
            f"{artifact.path}: {classes} classes, {colours} colours and {channels} output channels "
            f"do not go together; a bundle takes up to {_MOST_CLASSES} classes, a colour each"
        )
        raise ExportError(message)


def _fill(artifact: Artifact, folder: Path, sample: Sample, figures: Figures) -> None:
    golden = make_golden(artifact, sample.picture)
    _copy_model(artifact, folder / "model")
    _write_classes(artifact.card, folder)
    write_golden(golden, sample, artifact, folder / "golden")
    write_sources(artifact, golden, folder)
    card = model_card(artifact, golden, sample, figures)
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    _write_manifest(artifact, folder)


def _copy_model(artifact: Artifact, folder: Path) -> None:
    folder.mkdir()
    parent = artifact.path.parent
    for path in (artifact.path, *(parent / file.name for file in artifact.manifest.files)):
        shutil.copyfile(path, folder / path.name)


def _write_classes(card: Mapping[str, Any], folder: Path) -> None:
    rows = [
        (index, name, tuple(colour))
        for index, (name, colour) in enumerate(zip(class_names(card), card["palette"], strict=True))
    ]
    text = "".join(f"{name}\n" for _, name, _ in rows)
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    records = [{"index": index, "name": name, "rgb": colour} for index, name, colour in rows]
    _write_json(folder / "palette.json", records)
    with (folder / "palette.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("index", "name", "red", "green", "blue"))
        table.writerows((index, name, *colour) for index, name, colour in rows)


def _write_manifest(artifact: Artifact, folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    record = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "name": artifact.name,
        "topformer": __version__,
        "files": {
            path.relative_to(folder).as_posix(): describe_file(path).sha256 for path in files
        },
    }
    _write_json(folder / MANIFEST, record)


def _write_json(path: Path, record: Any) -> None:  # noqa: ANN401 - JSON holds anything
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
