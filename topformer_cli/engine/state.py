"""Everything that a resumed training needs: what is listed here is what resumes.

Batches and learning rates are functions of (seed, step), so the step stands for them.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from topformer_cli.engine.average import MovingAverage
from topformer_cli.engine.optim import load_optimizer
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.tally import Counts, Tally
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_write

FORMAT: Final = 3
"""Rises with every change of what a state holds; states of other formats are refused."""

Random = dict[str, Any]
"""A process's random state, as plain tensors."""


@dataclass(slots=True)
class TrainState:
    """The mutable heart of a run.

    step counts finished steps, and device_step does on the device; tally is since the last line of
    metrics.jsonl; evaluated is the step of the latest evaluation, best the best headline so far;
    start names the weights that the run began with, set_fingerprint the content of its data set;
    keep is the number of evaluations whose weights stay on the disk; corrupt are the ids of the
    images that could not be read.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    tally: Tally
    device_step: Tensor
    average: MovingAverage | None = None
    step: int = 0
    evaluated: int = 0
    best: float = -1.0
    best_step: int = 0
    start: str = "scratch"
    set_fingerprint: str = ""
    keep: int = 0
    corrupt: list[str] = field(default_factory=list)

    @property
    def measured(self) -> nn.Module:
        """The network that is evaluated and kept: the moving average where there is one."""
        return self.network if self.average is None else self.average.network

    def save(self, path: Path, world: World = ALONE) -> None:
        """Write the state atomically, as plain tensors and numbers.

        All processes of a world have to call this; the first one writes, for all of them.
        """
        all_of_it = world.gathered((random_state(self.device_step.device), self.corrupt))
        self.corrupt = list(dict.fromkeys(name for _, names in all_of_it for name in names))
        if world.first:
            self._write(path, [rng for rng, _ in all_of_it])

    def _write(self, path: Path, rng: Sequence[Random]) -> None:
        content = {
            "format": FORMAT,
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "evaluated": self.evaluated,
            "best": self.best,
            "best_step": self.best_step,
            "start": self.start,
            "set_fingerprint": self.set_fingerprint,
            "keep": self.keep,
            "corrupt": self.corrupt,
            "counts": asdict(self.tally.read()),
            "rng": list(rng),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        atomic_write(path, buffer.getvalue())

    def load(self, path: Path, world: World = ALONE) -> int:
        """Take over a saved state; return by how many processes it was saved.

        With another number of them the random state stays what it is in all but the first.

        Raises:
            DataError: the file is missing, damaged, of another version of this program, of another
                model, or of a run on other data.
        """
        content = world.told(lambda: _read(path))
        try:
            self._require_same_set(content["set_fingerprint"], path)
            self.network.load_state_dict(content["network"])
            load_optimizer(self.optimizer, content["optimizer"])
            self.scaler.load_state_dict(content["scaler"])
            if self.average is not None:
                self.average.network.load_state_dict(content["average"])
            for name in ("step", "evaluated", "best", "best_step", "start", "keep", "corrupt"):
                setattr(self, name, content[name])
            self.device_step.fill_(self.step)
            self.tally.load(Counts(**content["counts"]))
            rng = content["rng"]
            if world.first or len(rng) == world.size:
                set_random_state(rng[world.rank], self.device_step.device)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            message = f"{path} belongs to another model: {reason}"
            raise DataError(message) from error
        return len(rng)

    def _require_same_set(self, fingerprint: str, path: Path) -> None:
        if fingerprint != self.set_fingerprint:
            message = (
                f"{path} comes from a run on other data: its set had the fingerprint "
                f"{fingerprint[:16]}, the prepared one has {self.set_fingerprint[:16]}; prepare "
                "the set as it was, or start anew with `train --weights` and checkpoints/last"
            )
            raise DataError(message)


def random_state(device: torch.device) -> Random:
    """Return what this process draws from: on the host, and on its device."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"host": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Draw from here on what `random_state` would have."""
    torch.set_rng_state(state["host"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        message = f"no training state {path}; this run cannot be resumed, start it again"
        raise DataError(message) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        message = f"{path} is damaged; start again from checkpoints/last with `train --weights`"
        raise DataError(message) from error
    if isinstance(found, dict) and "network" in found and found.get("format") != FORMAT:
        message = (
            f"{path} was written by another version of topformer (format "
            f"{found.get('format', 1)}, this one reads {FORMAT}); go on with that version, or "
            "start anew from checkpoints/last with `train --weights`"
        )
        raise DataError(message)
    return found
