"""What makes steps fast on CUDA: compiled functions, and whole steps as graphs."""

from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar, cast

import torch
from torch import nn

from topformer_cli.data.samples import Tensors
from topformer_cli.engine.cuda.graph import GraphStep
from topformer_cli.engine.step import Step
from topformer_cli.errors import TopformerError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function that torch compiles when it is first called, for the shapes it sees."""
    return torch.compile(function, dynamic=False)


def faster(step: Step, *, graph: bool) -> Callable[[Sequence[Tensors]], None]:
    """Compile the network of a step; with graph, record the step where one process takes it."""
    step.network = cast("nn.Module", torch.compile(step.network, dynamic=False))
    return _explained(GraphStep(step) if graph and step.world.size == 1 else step)


def _explained(call: Callable[[Sequence[Tensors]], None]) -> Callable[[Sequence[Tensors]], None]:
    """Say what to do where a step cannot be compiled or recorded."""

    def explained(parts: Sequence[Tensors]) -> None:
        try:
            call(parts)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            message = (
                f"a compiled step failed ({reason}); -o compile=off takes steps one operator after "
                "another"
            )
            raise TopformerError(message) from error

    return explained
