"""The export that a command is about: named, or of the latest run, made if it is missing."""

from pathlib import Path
from typing import TYPE_CHECKING

from topformer_cli import console
from topformer_cli.api.benching import Subject
from topformer_cli.api.exporting import fresh_artifact, open_artifact
from topformer_cli.api.models import ModelSource, load_model

if TYPE_CHECKING:
    from topformer_cli.deploy.artifact import Artifact

ARTIFACT_SUFFIXES = frozenset({".json", ".onnx", ".tnnproto", ".tnnmodel", ".tflite"})


def find_artifact(
    target: Path | None, source: ModelSource, formats: tuple[str, ...] = ()
) -> "Artifact":
    """Return the export that target names, or that of the model that source describes.

    formats: what an export that has to be made must have beside the usual ones.
    """
    return find_subject(target, source, formats).artifact


def find_subject(
    target: Path | None, source: ModelSource, formats: tuple[str, ...] = ()
) -> Subject:
    """Return that export with the model that it was made from, where it had to be loaded."""
    if target is not None and target.suffix in ARTIFACT_SUFFIXES:
        return Subject(open_artifact(target))
    if (manifest := only_manifest(target)) is not None:
        return Subject(open_artifact(manifest))
    model = load_model(source)
    console.note(f"taking {model.took}")
    artifact, made = fresh_artifact(model, source.places, formats)
    console.note(f"{'exported' if made else 'using'} {artifact.path}")
    return Subject(artifact, model)


def only_manifest(folder: Path | None) -> Path | None:
    """Return the manifest of a folder that holds one export and is no run."""
    if folder is None or not folder.is_dir() or (folder / "recipe.yaml").exists():
        return None
    manifests = [path for path in folder.glob("*.json") if path.with_suffix(".onnx").exists()]
    return manifests[0] if len(manifests) == 1 else None
