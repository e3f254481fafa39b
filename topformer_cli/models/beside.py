"""Heads that are trained beside a network's own and left out of everything else.

A trained network may have one, called AUXILIARY: it returns BothLogits in training mode. The head
is in the state that a training resumes from, and in no checkpoint, evaluation, export or count.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from torch import Tensor, nn

AUXILIARY: Final = "auxiliary"


class BothLogits(NamedTuple):
    """Logits of a network's own head, and of the one beside it; each at a resolution of its own."""

    own: Tensor
    beside: Tensor


def lasting_state(network: nn.Module) -> Mapping[str, Tensor]:
    """Return the tensors of a network without those of a head beside its own."""
    state = network.state_dict()
    return {name: one for name, one in state.items() if not name.startswith(f"{AUXILIARY}.")}
