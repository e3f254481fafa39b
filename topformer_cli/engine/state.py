"""Everything that a resumed training needs: what is listed here is what resumes.

Batches and learning rates are functions of (seed, step), so the step stands for them.
"""

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_write


@dataclass(slots=True)
class Means:
    """Sums since the last line of metrics.jsonl."""

    loss: float = 0.0
    steps: int = 0
    skipped: int = 0


@dataclass(slots=True)
class TrainState:
    """The mutable heart of a run.

    step counts finished steps; best is the best headline so far; start names the weights that the
    run began with, set_fingerprint the content of its data set.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    step: int = 0
    best: float = -1.0
    best_step: int = 0
    start: str = "scratch"
    set_fingerprint: str = ""
    means: Means = field(default_factory=Means)

    def save(self, path: Path) -> None:
        """Write the state atomically, as plain tensors and numbers."""
        content = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "best": self.best,
            "best_step": self.best_step,
            "start": self.start,
            "set_fingerprint": self.set_fingerprint,
            "means": asdict(self.means),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        atomic_write(path, buffer.getvalue())

    def load(self, path: Path) -> None:
        """Take over a saved state.

        Raises:
            DataError: the file is missing, damaged, of another model, or of a run on other data.
        """
        content = _read(path)
        try:
            # The first states of runs did not say what they were trained on.
            self._require_same_set(content.get("set_fingerprint", self.set_fingerprint), path)
            self.network.load_state_dict(content["network"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.scaler.load_state_dict(content["scaler"])
            self.step, self.best = content["step"], content["best"]
            self.best_step, self.start = content["best_step"], content["start"]
            self.means = Means(**content["means"])
            torch.set_rng_state(content["rng"])
            if content["cuda_rng"] and torch.cuda.is_available():
                torch.cuda.set_rng_state_all(content["cuda_rng"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            message = f"{path} belongs to another model: {reason}"
            raise DataError(message) from error

    def _require_same_set(self, fingerprint: str, path: Path) -> None:
        if fingerprint != self.set_fingerprint:
            message = (
                f"{path} comes from a run on other data: its set had the fingerprint "
                f"{fingerprint[:16]}, the prepared one has {self.set_fingerprint[:16]}; prepare "
                "the set as it was, or start anew with `train --weights` and checkpoints/last"
            )
            raise DataError(message)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        message = f"no training state {path}; this run cannot be resumed, start it again"
        raise DataError(message) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        message = f"{path} is damaged; start again from checkpoints/last with `train --weights`"
        raise DataError(message) from error
    return content
