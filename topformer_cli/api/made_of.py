"""The run that an export lies in, and the checkpoint that it was made of."""

from pathlib import Path

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.rundir import RunDir, file_sha256


def run_of(artifact: Artifact) -> RunDir | None:
    """Return the run whose export it is."""
    run = RunDir(artifact.path.resolve().parent.parent)
    return run if run.recipe.is_file() else None


def checkpoint_of(artifact: Artifact) -> Path | None:
    """Return the very checkpoint that it was made of, if its run still has it."""
    run = run_of(artifact)
    files = [run.weights(which) for which in ("best", "last")] if run is not None else []
    sha256 = artifact.manifest.source.sha256
    return next((one for one in files if one.is_file() and file_sha256(one) == sha256), None)
