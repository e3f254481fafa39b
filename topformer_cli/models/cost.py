"""Parameters, multiply-adds and activations of each part of the network.

The strict count is of convolutions, linear layers and the attention's matrix products. The paper's
"FLOPs" are multiply-adds by mmcv's `get_model_complexity_info`, which also counts a bias as one for
each output, batch normalisation as two and an activation as one for each value, and leaves matrix
products out; in some tables the paper adds these. (Pooling, which mmcv counts where it is a module,
is left out: in TopFormer it is none.)
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

PARTS: Final = {
    "token_pyramid": "token pyramid module",
    "pool": "expansion of the last token",
    "semantics_extractor": "semantics extractor",
    "semantics_injection": "semantics injection",
    "neck": "feature pyramid",
    "head": "head",
}
"""Module -> how it is called; modules without parameters are no parts."""

_aten: Final = torch.ops.aten
_PRODUCTS: Final = (_aten.bmm, _aten.baddbmm)
_NORMS: Final = (
    _aten.native_batch_norm,
    _aten._native_batch_norm_legit_no_training,
    _aten.native_layer_norm,
)
_ACTIVATIONS: Final = (
    _aten.relu, _aten.relu_, _aten.hardtanh, _aten.hardtanh_,
    _aten.hardsigmoid, _aten.hardsigmoid_, _aten.hardswish, _aten.hardswish_,
)  # fmt: skip
"""What mmcv knows as activations: ReLU and ReLU6, the latter also as a part of the last two."""


@dataclass(slots=True)
class Operations:
    """What is computed for one image.

    weights: multiply-adds with weights. products: multiply-adds of one map with another, as in
    attention. elementwise: what mmcv's counter adds. written: bytes of all outputs, in fp32.
    """

    weights: int = 0
    products: int = 0
    elementwise: int = 0
    written: int = 0

    def add(self, other: "Operations") -> None:
        """Add what another one counted."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class PartCost:
    """One row; multiply_adds is the strict count, activations are bytes in fp32, for one image.

    by_mmcv is mmcv's count, paper_multiply_adds the same with the attention's products.
    """

    part: str
    parameters: int
    multiply_adds: int
    by_mmcv: int
    paper_multiply_adds: int
    activations: int


def cost_by_part(network: nn.Module, height: int, width: int) -> list[PartCost]:
    """Count each part of a network for one image of height x width pixels; the last row is all."""
    # Without numbers: a detector at 1333x800 takes seconds to compute and none to count.
    sketch = copy.deepcopy(network).eval().to("meta")
    counter = _Counter()
    with torch.no_grad(), counter, counter.tracker:
        sketch(torch.zeros(1, 3, height, width, device="meta"))
    found = [
        _row(
            PARTS.get(name, name.replace("_", " ")),
            sum(p.numel() for p in part.parameters()),
            counter.of(f"{type(network).__name__}.{name}"),
        )
        for name, part in network.named_children()
        if any(True for _ in part.parameters())
    ]
    return [*found, total(found)]


def _row(part: str, parameters: int, done: Operations) -> PartCost:
    by_mmcv = done.weights + done.elementwise
    return PartCost(
        part=part,
        parameters=parameters,
        multiply_adds=done.weights + done.products,
        by_mmcv=by_mmcv,
        paper_multiply_adds=by_mmcv + done.products,
        activations=done.written,
    )


def total(rows: Sequence[PartCost]) -> PartCost:
    """Add parts up."""
    numbers = [field.name for field in fields(PartCost) if field.name != "part"]
    return PartCost("all", *(sum(getattr(row, name) for row in rows) for name in numbers))


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts every operation for the modules that it runs in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tracker = ModuleTracker()
        self._by_module: defaultdict[str, Operations] = defaultdict(Operations)

    def of(self, whole: str) -> Operations:
        """Return what a module did; a list of modules has no forward of its own, its items do."""
        if whole in self._by_module:
            return self._by_module[whole]
        found = Operations()
        for module, done in self._by_module.items():
            if module.startswith(f"{whole}.") and module.count(".") == whole.count(".") + 1:
                found.add(done)
        return found

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's own operator type is not public
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        done = _operations(func, args, out)
        for module in self.tracker.parents:
            self._by_module[module].add(done)
        return out


def _operations(func: Any, args: tuple[Any, ...], out: Any) -> Operations:  # noqa: ANN401
    """Count one operation; func is an overload of torch's operators."""
    packet = func._overloadpacket
    outputs = [out] if isinstance(out, Tensor) else [o for o in out or () if isinstance(o, Tensor)]
    aliased = any(one.alias_info is not None for one in func._schema.returns)
    written = 0 if aliased else 4 * sum(one.numel() for one in outputs)
    done = Operations(written=written)
    if packet in flop_registry:
        # torch counts a multiply-add as two.
        counted = flop_registry[packet](*args, out_val=out) // 2
        done.products, done.weights = (counted, 0) if packet in _PRODUCTS else (0, counted)
        if packet is _aten.convolution and args[2] is not None:
            done.elementwise = outputs[0].numel()
    elif packet in _NORMS:
        done.elementwise = 2 * outputs[0].numel()
    elif packet in _ACTIVATIONS:
        done.elementwise = outputs[0].numel()
    return done
