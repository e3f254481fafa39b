"""Our checkpoints: safetensors weights whose header carries the identity card."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.spec import ModelSpec
from topformer_cli.rundir import atomic_write

CARD_KEY = "topformer"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights, the card of the network they belong to, and how they came about."""

    spec: ModelSpec
    weights: Mapping[str, Tensor]
    origin: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in checkpoint.weights.items()
    }
    header = {
        "spec": checkpoint.spec.to_json(),
        "origin": dict(checkpoint.origin),
        "sha256": _digest(tensors),
    }
    atomic_write(path, save(tensors, metadata={CARD_KEY: json.dumps(header)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint written by `save_checkpoint`.

    Raises:
        DataError: the file is missing, damaged, or not one of ours.
    """
    if not path.is_file():
        message = f"no checkpoint {path}"
        raise DataError(message)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(CARD_KEY, "null"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        message = f"{path} is not a readable checkpoint ({error}); train or copy it again"
        raise DataError(message) from error
    if not isinstance(header, dict) or "spec" not in header:
        message = f"{path} has no identity card; it was not written by topformer"
        raise DataError(message)
    if header.get("sha256") != _digest(weights):
        message = f"{path} is damaged: its weights are not those written; train or copy it again"
        raise DataError(message)
    return Checkpoint(
        ModelSpec.from_json(header["spec"], str(path)), weights, header.get("origin", {})
    )


def build_from(checkpoint: Checkpoint, where: str) -> nn.Module:
    """Build the network of a checkpoint and load its weights, all of them or none.

    Raises:
        DataError: a tensor is missing, unexpected, not finite, or has another shape.
    """
    require_finite(checkpoint, where)
    network = build_model(checkpoint.spec)
    expected = network.state_dict()
    problems = [f"{name} missing" for name in expected.keys() - checkpoint.weights.keys()]
    problems += [f"{name} unexpected" for name in checkpoint.weights.keys() - expected.keys()]
    problems += [
        f"{name} is {tuple(value.shape)}, not {tuple(expected[name].shape)}"
        for name, value in checkpoint.weights.items()
        if name in expected and value.shape != expected[name].shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        told = "; ".join(sorted(problems)[:3])
        message = f"{where} does not fit {checkpoint.spec.network}: {told}{more}"
        raise DataError(message)
    with torch.no_grad():
        network.load_state_dict(dict(checkpoint.weights))
    return network


def require_finite(checkpoint: Checkpoint, where: str) -> None:
    """Check that weights are numbers.

    Raises:
        DataError: one is nan or infinite.
    """
    for name, value in checkpoint.weights.items():
        if value.is_floating_point() and not value.isfinite().all():
            message = f"{where}: {name} holds nan or inf; train or copy it again"
            raise DataError(message)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names and values; safetensors itself keeps no checksum."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
