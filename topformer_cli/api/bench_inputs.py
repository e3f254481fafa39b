"""What a measured network is fed, and what it must give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.api.exporting import rendered_pictures
from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.manifest import Manifest
from topformer_cli.deploy.predictors import FileOutputs
from topformer_cli.engine.predict import normalised
from topformer_cli.models.spec import ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The input of an export on every target, the outputs it must give, and where it ends."""

    inputs: NDArray[Any]
    references: Sequence[NDArray[Any]]
    output: str

    @classmethod
    def of(cls, artifact: Artifact) -> "Given":
        """Compute the outputs by another runtime than the one that is measured."""
        manifest = artifact.manifest
        inputs = fixed_input(manifest)
        kind = "tnn" if "tnn" in artifact.formats else artifact.formats[0]
        references = FileOutputs(artifact, kind)(inputs)
        output = manifest.ending
        if manifest.output.kind == "boxes":  # suppression takes its time by how many there are
            output += f" ({len(references[0])} boxes on the fixed input)"
        return cls(inputs, references, output)


def fixed_input(manifest: Manifest) -> NDArray[Any]:
    """Return the input of every measurement: noise, normalised or bytes.

    A file that ends in boxes gets a rendered scene: how long it takes depends on what it finds.
    """
    taken = manifest.input
    if manifest.output.kind == "boxes":
        scene = rendered_pictures((taken.shape[2], taken.shape[3]))[0]
        if taken.type == "uint8":
            return scene.transpose(2, 0, 1)[None]
        return normalised(scene, ModelSpec.from_json(manifest.card, manifest.name))
    generator = np.random.default_rng(0)
    if taken.type == "uint8":
        return generator.integers(0, 256, taken.shape, np.uint8)
    return generator.standard_normal(taken.shape, dtype=np.float32)
