"""What a training is about: the record that its parts are made from."""

from dataclasses import dataclass

import torch

from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.processes.division import Division
from topformer_cli.models.checkpoint import Checkpoint
from topformer_cli.models.spec import ModelSpec
from topformer_cli.recipe import Recipe
from topformer_cli.results.ledger import Ledger


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train, on what, where, and from which weights.

    start may hold only some of the network's tensors; the others stay as initialised, and
    start_report says so. keep is the number of evaluations whose weights stay on the disk; None
    leaves it as it was.
    """

    recipe: Recipe
    prepared: PreparedSet
    spec: ModelSpec
    options: FeedOptions
    start: Checkpoint | None = None
    start_name: str = ""
    start_report: str = ""
    ledger: Ledger | None = None
    keep: int | None = None

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.options.device

    @property
    def division(self) -> Division:
        """How the global batch is shared out."""
        processes, parts = self.options.world.size, self.options.parts
        return Division(processes, parts, self.recipe.batch // (processes * parts))
