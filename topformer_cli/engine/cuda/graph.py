"""A training step as one CUDA graph: the host then starts some 600 kernels with a single call."""

from collections.abc import Sequence
from typing import Final

import torch

from topformer_cli.data.samples import Tensors
from topformer_cli.engine.step import Step

WARM_STEPS: Final = 3
"""Steps taken as they are before one is recorded: libraries choose their kernels meanwhile."""


class GraphStep:
    """Takes steps like the one it is given, whose tensors must keep their shapes."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._taken = 0
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensors] = []

    def __call__(self, parts: Sequence[Tensors]) -> None:
        """Take one step."""
        if self._taken < WARM_STEPS:
            self._taken += 1
            self._warm_up(parts)
            return
        if self._graph is None:
            self._graph = self._record(parts)
        for place, part in zip(self._inputs, parts, strict=True):
            torch._foreach_copy_(place, part)
        self._graph.replay()

    def _warm_up(self, parts: Sequence[Tensors]) -> None:
        """Take a step on another stream, as a recording asks for."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(parts)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self, parts: Sequence[Tensors]) -> torch.cuda.CUDAGraph:
        self._inputs = [tuple(values.clone() for values in part) for part in parts]
        graph = torch.cuda.CUDAGraph()
        # What the loader's thread does meanwhile, to pin a batch, is no part of it.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step(self._inputs)
        return graph
