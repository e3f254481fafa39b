"""From a data set to a phone with TopFormer: train, evaluate, export to TNN, measure.

`load`, `predict`, `evaluate`, `export` and `measure` are those of `topformer_cli.api.library`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from topformer_cli.api.library import evaluate, export, load, measure, predict

__version__ = "0.1.0"

__all__ = ["__version__", "evaluate", "export", "load", "measure", "predict"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the functions
    """Import the functions when they are used: torch takes seconds."""
    if name in __all__:
        return getattr(importlib.import_module("topformer_cli.api.library"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
