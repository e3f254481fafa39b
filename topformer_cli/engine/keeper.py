"""What a run keeps on the disk, and when: the state to resume from and the weights."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Final

from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.engine.state import TrainState
from topformer_cli.errors import TopformerError
from topformer_cli.models.beside import lasting_state
from topformer_cli.models.checkpoint import Checkpoint, save_checkpoint
from topformer_cli.models.spec import ModelSpec
from topformer_cli.rundir import RunDir

LEAST_STEPS: Final = 200
MOST_SHARE: Final = 0.01
"""The state is saved after so many steps or more, as often as that takes this share of the time."""


class Keeper:
    """Writes state and weights of a run, atomically; `origin` is what checkpoints say of it.

    All processes of a world have to save together; the first one writes.
    """

    def __init__(
        self, run: RunDir, spec: ModelSpec, origin: Mapping[str, Any], world: World = ALONE
    ) -> None:
        self._run, self._spec, self._origin, self._world = run, spec, origin, world
        self._saved_step, self._saved_at, self._cost = 0, time.monotonic(), 0.0

    def due(self, step: int) -> bool:
        """Say whether it is time to save."""
        waited = time.monotonic() - self._saved_at
        return step - self._saved_step >= LEAST_STEPS and self._cost <= MOST_SHARE * waited

    def save(self, state: TrainState) -> None:
        """Save state and last weights."""
        start = time.monotonic()
        if self._world.first:
            self._require_folder(state)
        state.save(self._run.state, self._world)
        self._weights(state, "last")
        self._saved_step, self._saved_at = state.step, time.monotonic()
        self._cost = self._saved_at - start

    def evaluated(self, state: TrainState, *, best: bool) -> None:
        """Save the weights that were evaluated, if best as such, and drop what is too old to keep.

        The state is saved after this: until then a run that is killed goes back and comes again.
        """
        if best:
            self._weights(state, "best")
        if state.keep and self._world.first:
            self._weights(state, self._run.kept_name(state.step))
            for path in self._run.kept()[: -state.keep]:
                path.unlink(missing_ok=True)

    def clear_up(self) -> None:
        """Remove what a killed process left half written; no other process may be at work."""
        for path in self._run.half_written() if self._world.first else ():
            with contextlib.suppress(OSError):
                path.unlink()

    def _weights(self, state: TrainState, which: str) -> None:
        if not self._world.first:
            return
        self._require_folder(state)
        origin = {"step": state.step, "from": state.start, **self._origin}
        checkpoint = Checkpoint(self._spec, lasting_state(state.measured), origin)
        save_checkpoint(self._run.weights(which), checkpoint)

    def _require_folder(self, state: TrainState) -> None:
        # The state is saved before the first step, so without it the folder is another one.
        if not self._run.state.is_file():
            message = (
                f"{self._run.path} was removed or renamed during the training, which ends at step "
                f"{state.step}; start it again"
            )
            raise TopformerError(message)
