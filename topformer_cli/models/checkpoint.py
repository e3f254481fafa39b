"""Our checkpoints: safetensors weights whose header carries the identity card."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from topformer_cli.errors import DataError
from topformer_cli.models.build import build_model
from topformer_cli.models.heads import HEADS
from topformer_cli.models.spec import Fuse, ModelSpec
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
    metadata, weights = read_safetensors(path)
    try:
        header = json.loads(metadata.get(CARD_KEY, "null"))
    except json.JSONDecodeError as error:
        message = f"{path} is not a readable checkpoint ({error}); train or copy it again"
        raise DataError(message) from error
    if not isinstance(header, dict) or "spec" not in header:
        message = f"{path} has no identity card; it was not written by topformer"
        raise DataError(message)
    if header.get("sha256") != _digest(weights):
        message = f"{path} is damaged: its weights are not those written; train or copy it again"
        raise DataError(message)
    origin = header.get("origin", {})
    return Checkpoint(
        _card(header["spec"], path), weights, origin if isinstance(origin, dict) else {}
    )


def has_card(path: Path) -> bool:
    """Say whether a safetensors file is one of ours, by its header alone.

    Raises:
        DataError: it is damaged.
    """
    with _opened(path) as file:
        return CARD_KEY in (file.metadata() or {})


def read_safetensors(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file, anybody's.

    Raises:
        DataError: it is damaged.
    """
    with _opened(path) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, ValueError, OSError) as error:
        message = f"{path} is not a readable checkpoint ({error}); train or copy it again"
        raise DataError(message) from error


def _card(record: Any, path: Path) -> ModelSpec:  # noqa: ANN401 - a header holds anything
    """Return the card of a header; what every command relies on is checked here.

    Raises:
        DataError: the card is no card, or its values do not go together.
    """
    if not isinstance(record, dict):
        message = f"{path}: the identity card is no record; it was not written by topformer"
        raise DataError(message)
    spec = ModelSpec.from_json(record, str(path))
    words = (*_items(spec.classes), *_items(spec.codes), spec.dataset, spec.data_terms)
    numbers = (*_items(spec.mean), *_items(spec.std))
    colours = [_items(one) for one in _items(spec.palette)]
    sides = _items(spec.input_size)
    sound = (
        all(isinstance(one, str) for one in words)
        and all(isinstance(one, int | float) for one in numbers)
        and len(_items(spec.mean)) == len(_items(spec.std)) == 3
        and len(colours) == len(_items(spec.classes)) > 0
        and all(len(one) == 3 and all(isinstance(part, int) for part in one) for one in colours)
        and len(sides) == 2
        and all(isinstance(one, int) and one > 0 for one in sides)
        and (spec.task != "segmentation" or spec.baseline or spec.head in tuple(HEADS))
        and spec.fuse in (None, *get_args(Fuse))
    )
    if not sound:
        message = f"{path}: the identity card is damaged; train or copy it again"
        raise DataError(message)
    return spec


def _items(value: object) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


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
