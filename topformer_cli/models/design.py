"""What ablations of the paper (Tables 2 to 8), or ports of the network, change in it.

Plain frozen records: no torch, so that the command line and recipes can read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, get_args, get_type_hints

from topformer_cli.errors import DataError

Tokens = Literal["pyramid", "last"]
"""What the semantics extractor takes: the tokens of all scales, or of the last one (Table 2)."""

Extractor = Literal["sase", "none", "ffn", "psp", "aspp"]
"""What extracts the semantics (Table 4): the paper's transformer blocks, nothing (and nothing is
injected then), feed-forward networks without attention, or the pooled pyramid of PSPNet or the
atrous one of DeepLab."""

Injected = Literal["1/4", "1/8", "1/16"]
"""The finest of the scales that semantics are injected into (Table 3); the coarser ones follow."""

Injection = Literal["both", "attention", "semantics"]
"""What is injected (Table 5): one of the two, or both."""

PooledStride = Literal[32, 64, 128]
"""How much smaller than the image the pooled tokens are (Table 8)."""

Pooling = Literal["adaptive", "windows"]
"""How tokens are pooled where a side is no multiple of the pooled stride: adaptively, as by the
authors, or by whole windows, which leave a rest out, as by PaddleSeg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How a network is built where the paper or a port has other ways; by itself, the paper's own.

    width: M, the channels after semantics injection (Table 7); None for those of the size.
    """

    tokens: Tokens = "pyramid"
    extractor: Extractor = "sase"
    injected: Injected = "1/8"
    injection: Injection = "both"
    width: int | None = None
    pooled_stride: PooledStride = 64
    pooling: Pooling = "adaptive"

    @property
    def scales(self) -> int:
        """How many scales are injected into, the coarsest ones."""
        return {"1/4": 4, "1/8": 3, "1/16": 2}[self.injected]

    @property
    def changes(self) -> str:
        """What differs from the paper's network, as in `extractor psp, width 192`; or nothing."""
        return ", ".join(
            f"{one.name.replace('_', ' ')} {getattr(self, one.name)}"
            for one in fields(self)
            if getattr(self, one.name) != getattr(OWN, one.name)
        )

    @property
    def injects(self) -> tuple[Injection, ...]:
        """What is injected; nothing where nothing is extracted."""
        if self.extractor == "none":
            return ()
        return ("attention", "semantics") if self.injection == "both" else (self.injection,)

    def pooled_to(self, stride: PooledStride) -> "Design":
        """Return the same with another resolution of the pooled tokens."""
        return replace(self, pooled_stride=stride)

    @classmethod
    def from_json(cls, record: object, where: str) -> "Design":
        """Read it back from an identity card.

        Raises:
            DataError: a field or a value that this version does not know.
        """
        if not isinstance(record, Mapping):
            message = f"{where}: the identity card's design is no mapping"
            raise DataError(message)
        for name, value in record.items():
            if name not in _KNOWN or not _is_known(name, value):
                message = f"{where}: design {name} {value!r} is not known to this version"
                raise DataError(message)
        return cls(**record)


OWN: Final = Design()
"""The paper's own network."""


def _choices() -> Mapping[str, tuple[Any, ...]]:
    return {name: get_args(hint) for name, hint in get_type_hints(Design).items()}


_KNOWN: Final = _choices()


def _is_known(name: str, value: object) -> bool:
    if name == "width":
        return value is None or (type(value) is int and value > 0)
    return value in _KNOWN[name] and not isinstance(value, bool)
