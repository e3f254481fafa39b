"""Which part of a network each value of an exported graph is computed in.

torch's exporter knows in which module every node was traced. Its notes are not kept, for the paths
of the exporting machine stand in them; the part's name is, and TNN's layers are called after the
graph's values.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx
import onnx_ir as ir

PART_KEY: Final = "topformer.part"
"""The metadata key of a node under which the name of its part stands."""

_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_WRAPPER: Final = "network"
"""What modules around a network call it."""


def parts_of(model: ir.Model) -> dict[str, str]:
    """Return the part of each value of a graph that torch has just exported.

    That is the first name of its module's path, as in `token_pyramid` of `token_pyramid.stem`; what
    the network itself computes, between its parts, has none.
    """
    found: dict[str, str] = {}
    for node in model.graph:
        # The paths of the modules around the node, outermost first, and then its own name.
        scopes: list[str] = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
        path = [name for name in "".join(scopes[-2:-1]).split(".") if name != _WRAPPER]
        if path and path[0]:
            found |= {str(value.name): path[0] for value in node.outputs}
    return found


def note_parts(model: ir.Model, parts: Mapping[str, str]) -> None:
    """Write into each node the part that it is of."""
    for node in model.graph:
        if part := parts.get(str(node.outputs[0].name)):
            node.metadata_props[PART_KEY] = part


def read_parts(path: Path) -> dict[str, str]:
    """Return the part of each value of an ONNX file, "" for one that is of none.

    Empty for a file that has no such notes.
    """
    graph = onnx.load(path, load_external_data=False).graph
    parts = {
        value: {prop.key: prop.value for prop in node.metadata_props}.get(PART_KEY, "")
        for node in graph.node
        for value in node.output
    }
    return parts if any(parts.values()) else {}
