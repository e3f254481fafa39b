"""The check that a rewritten graph still computes the same, in onnxruntime."""

from collections.abc import Mapping

import onnx_ir as ir

from topformer_cli.deploy.onnx_graph import (
    NamedArrays,
    compute_graph,
    noise_for,
    relative_difference,
)
from topformer_cli.errors import ParityError


class SameOutputs:
    """Holds every later form of a graph against the outputs of its first form.

    tolerance: the largest accepted max|difference| / max|reference| of an output.
    """

    def __init__(self, model: ir.Model, tolerance: float, feeds: NamedArrays | None = None) -> None:
        self.tolerance = tolerance
        self.feeds = feeds or noise_for(model)
        self.reference = compute_graph(model, self.feeds)

    def require(self, model: ir.Model, step: str, padded: Mapping[str, int]) -> float:
        """Return the largest difference of the outputs; padded ones count up to their channels.

        Raises:
            ParityError: the step changed what the graph computes; names it.
        """
        outputs = compute_graph(model, self.feeds)
        worst = 0.0
        for name, reference in self.reference.items():
            found = outputs[name]
            counted = found[:, : padded[name]] if name in padded else found
            difference = relative_difference(reference, counted)
            if not difference <= self.tolerance:
                message = (
                    f"the rewrite {step} changes output {name} by {difference:.1e} of its maximum, "
                    f"more than {self.tolerance:.0e}; leave it out with --no-rewrite {step}"
                )
                raise ParityError(message)
            worst = max(worst, difference)
        return worst
