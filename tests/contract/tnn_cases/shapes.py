"""Shapes, parts, borders, order of values."""

from typing import Any, Final

import numpy as np

from tests.fakes.tnn_case import EVEN, MAP, PAIR, ROWS, TOKENS, Case, numbers


def cut(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> dict[int, Any]:
    return {i: np.array(v) for i, v in enumerate((starts, ends, axes, steps), 1)}


def pad(sizes: list[int], value: float | None = None) -> dict[int, Any]:
    pads = np.array(sizes, np.int64)
    return {1: pads} if value is None else {1: pads, 2: np.float32(value)}


BORDER = [0, 0, 1, 2, 0, 0, 3, 1]
SHAPES: Final[dict[str, Case]] = {
    "concat": Case("Concat", [MAP, (1, 3, 9, 11)], ["Concat"], {}, {"axis": 1}),
    "concat last": Case("Concat", [MAP, (1, 6, 9, 4)], ["Concat"], {}, {"axis": -1}),
    "concat rows": Case("Concat", [ROWS, (1, 3, 10)], ["Concat"], {}, {"axis": 1}),
    "concat pairs": Case("Concat", [PAIR, (2, 3)], ["Concat"], {}, {"axis": 1}),
    "concat images": Case("Concat", [MAP, MAP], ["Concat"], {}, {"axis": 0}),
    "concat with a token": Case(
        "Concat", [ROWS], ["PadV2", "Add"], {0: numbers(1, 1, 10)}, {"axis": 1}
    ),
    "split": Case("Split", [EVEN], ["SplitV"], {1: np.array([1, 5, 2])}, {"axis": 1}, outputs=3),
    "split equally": Case(
        "Split", [EVEN], ["SplitV"], {}, {"axis": 1, "num_outputs": 2}, outputs=2
    ),
    "split last": Case("Split", [EVEN], ["SplitV"], {1: np.array([5, 7])}, {"axis": -1}, outputs=2),
    "split rows": Case("Split", [ROWS], ["SplitV"], {1: np.array([4, 6])}, {"axis": -1}, outputs=2),
    "reshape": Case("Reshape", [EVEN], ["Reshape"], {1: np.array([0, 2, -1, 96])}),
    "reshape to five": Case("Reshape", [EVEN], ["Reshape"], {1: np.array([1, 2, 4, 8, 12])}),
    "reshape to rows": Case("Reshape", [EVEN], ["Reshape"], {1: np.array([1, 8, 96])}),
    "flatten": Case("Flatten", [EVEN], ["Reshape"], {}, {"axis": 1}),
    "squeeze": Case("Squeeze", [(1, 6, 1, 1)], ["Reshape"], {1: np.array([2, 3])}),
    "unsqueeze": Case("Unsqueeze", [PAIR], ["Reshape"], {1: np.array([1, -1])}),
    "identity": Case("Identity", [MAP], ["Reshape"]),
    "dropout": Case("Dropout", [MAP], ["Reshape"]),
    "cast": Case("Cast", [MAP], ["Reshape"], {}, {"to": 1}),
    "transpose": Case("Transpose", [TOKENS], ["Permute"], {}, {"perm": [0, 1, 3, 2]}),
    "transpose to last": Case("Transpose", [TOKENS], ["Permute"], {}, {"perm": [0, 2, 3, 1]}),
    "transpose rows": Case("Transpose", [ROWS], ["Permute"], {}, {"perm": [0, 2, 1]}),
    "transpose of five": Case(
        "Transpose", [(1, 2, 3, 4, 5)], ["Permute"], {}, {"perm": [0, 2, 1, 3, 4]}
    ),
    "transpose of five mixed": Case(
        "Transpose", [(1, 2, 3, 4, 5)], ["Permute"], {}, {"perm": [0, 3, 1, 4, 2]}
    ),
    "slice": Case("Slice", [EVEN], ["StridedSliceV2"], cut([1, -3], [7, 99], [1, 3], [1, 1])),
    "slice by steps": Case(
        "Slice", [EVEN], ["StridedSliceV2"], cut([1, 0], [8, 12], [2, 3], [2, 3])
    ),
    "slice channels by steps": Case("Slice", [EVEN], ["StridedSliceV2"], cut([1], [8], [1], [2])),
    "slice rows": Case("Slice", [ROWS], ["StridedSliceV2"], cut([0], [1], [1], [1])),
    "slice row ends": Case("Slice", [ROWS], ["StridedSliceV2"], cut([2], [9], [2], [1])),
    "slice pair": Case("Slice", [PAIR], ["StridedSliceV2"], cut([2], [7], [1], [1])),
    "slice nothing away": Case("Slice", [EVEN], ["Reshape"], cut([0], [99], [2], [1])),
    "pad": Case("Pad", [MAP], ["PadV2"], pad(BORDER, 1.5)),
    "pad zeros": Case("Pad", [MAP], ["PadV2"], pad(BORDER)),
    "pad channels": Case("Pad", [MAP], ["PadV2"], pad([0, 2, 0, 1, 0, 3, 0, 0], -1.0)),
    "pad rows": Case("Pad", [ROWS], ["PadV2"], pad([0, 1, 2, 0, 0, 1], 0.5)),
    "pad axes": Case("Pad", [MAP], ["PadV2"], {**pad([1, 2], 0.5), 3: np.array([-1])}),
    "pad many channels": Case(
        "Pad", [MAP], ["Reshape", "PadV2", "Reshape"], pad([0, 7, 0, 0, 0, 0, 0, 0])
    ),
    "pad batch and width": Case(
        "Pad", [PAIR], ["Reshape", "PadV2", "Reshape", "PadV2", "Reshape"], pad([1, 2, 0, 3], 0.5)
    ),
    "pad five": Case(
        "Pad",
        [(1, 2, 3, 4, 5)],
        ["Reshape", "PadV2", "Reshape", "PadV2", "Reshape"],
        pad([0, 0, 1, 0, 2, 0, 0, 0, 0, 1], 0.5),
    ),
    "reflect channels": Case(
        "Pad",
        [MAP],
        ["Reshape", "PadV2", "Reshape"],
        pad([0, 2, 0, 0, 0, 1, 0, 0]),
        {"mode": "reflect"},
    ),
    "reflect": Case("Pad", [MAP], ["PadV2"], pad(BORDER), {"mode": "reflect"}),
    "edge": Case(
        "Pad",
        [MAP],
        ["StridedSliceV2", "StridedSliceV2", "Concat"] * 2,
        pad(BORDER),
        {"mode": "edge"},
    ),
    "expand": Case("Expand", [(1, 6, 1, 1)], ["Expand"], {1: np.array([1, 6, 5, 7])}),
    "expand rank": Case("Expand", [(6, 1)], ["Reshape", "Expand"], {1: np.array([1, 2, 6, 5])}),
    "expand not at all": Case("Expand", [ROWS], ["Reshape"], {1: np.array([14, 1])}),
    "gather one": Case(
        "Gather",
        [ROWS],
        ["StridedSliceV2", "Reshape"],
        {1: np.array(-1)},
        {"axis": 1},
    ),
    "gather run": Case(
        "Gather",
        [MAP],
        ["StridedSliceV2", "Reshape"],
        {1: np.array([1, 3, 5])},
        {"axis": 1},
    ),
    "gather several": Case(
        "Gather",
        [MAP],
        [*["StridedSliceV2"] * 3, "Concat", "Reshape"],
        {1: np.array([3, 2, 2])},
        {"axis": 1},
    ),
    "depth to space": Case("DepthToSpace", [EVEN], ["Reorg"], {}, {"blocksize": 2}),
    "depth to space, columns": Case(
        "DepthToSpace", [EVEN], ["Reorg"], {}, {"blocksize": 2, "mode": "CRD"}
    ),
    "space to depth": Case("SpaceToDepth", [EVEN], ["Reorg"], {}, {"blocksize": 2}),
}
