"""The export that a command is about: named, or of the latest run, made if it is missing."""

from pathlib import Path

from topformer_cli import console
from topformer_cli.api.exporting import fresh_artifact
from topformer_cli.api.models import ModelSource, load_model
from topformer_cli.deploy.artifact import Artifact, load_artifact

ARTIFACT_SUFFIXES = frozenset({".json", ".onnx", ".tnnproto", ".tnnmodel"})


def find_artifact(target: Path | None, source: ModelSource) -> Artifact:
    """Return the export that target names, or that of the model that source describes."""
    if target is not None and target.suffix in ARTIFACT_SUFFIXES:
        return load_artifact(target)
    model = load_model(source)
    console.note(f"taking {model.took}")
    artifact, made = fresh_artifact(model, source.places)
    console.note(f"{'exported' if made else 'using'} {artifact.path}")
    return artifact
