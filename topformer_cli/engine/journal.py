"""The records of a run: lines of metrics.jsonl, and the speed that they tell of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from topformer_cli.engine.memory import peak_bytes
from topformer_cli.engine.pace import Pace
from topformer_cli.engine.state import TrainState
from topformer_cli.recipe import Recipe
from topformer_cli.results import Result, StepRecord
from topformer_cli.rundir import atomic_write


class Journal:
    """Appends to metrics.jsonl what a training on a device does, and how fast.

    In all but the first process of several it writes nothing.
    """

    def __init__(
        self, path: Path, recipe: Recipe, device: torch.device, *, writes: bool = True
    ) -> None:
        self._writes = writes
        self._path, self._batch, self._device = path, recipe.batch, device
        self.pace = Pace(recipe)

    def step_record(self, state: TrainState) -> StepRecord:
        """Write down what happened since the last record, and begin the next one."""
        counts = state.tally.read()
        window = self.pace.window()
        left = self.pace.seconds_left(state.step)
        record = StepRecord(
            step=state.step,
            loss=counts.mean_loss,
            lr=float(state.optimizer.param_groups[0]["lr"]),
            images_per_s=window.steps_per_s * self._batch,
            skipped=counts.skipped,
            corrupt=len(state.corrupt),
            wait_share=round(window.wait_share, 4),
            memory_mb=round(peak_bytes(self._device) / 1e6, 1),
            eta_s=None if left is None else round(left, 1),
        )
        self._append(record.to_json())
        state.tally.clear()
        return record

    def evaluation(self, step: int, result: Result) -> None:
        """Write down an evaluation."""
        self._append({"kind": "eval", "step": step, **result.to_json()})

    def keep_until(self, step: int, *, evaluated: bool = True) -> None:
        """Drop the records of what a resumed run will do again, and a cut-off line.

        evaluated says whether the evaluation at this step itself is not among that.
        """
        if not self._writes or not self._path.is_file():
            return
        kept = [
            line
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines()
            if (place := _place_of(line)) and place <= (step, evaluated)
        ]
        atomic_write(self._path, "".join(line + "\n" for line in kept))

    def _append(self, record: Mapping[str, Any]) -> None:
        if not self._writes:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _place_of(line: str) -> tuple[int, bool] | None:
    """Return the step of a metrics line and if it is an evaluation's; None if it is not whole."""
    try:
        record = json.loads(line)
        return int(record["step"]), record["kind"] == "eval"
    except (ValueError, KeyError, TypeError):
        return None
