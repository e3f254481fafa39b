"""Softmax, reductions, normalisations."""

from typing import Any, Final

import numpy as np

from tests.fakes.tnn_case import EVEN, MAP, PAIR, ROWS, TOKENS, Case, numbers

STATE = [np.abs(numbers(6, seed=seed)) + 0.5 for seed in (1, 2, 3, 4)]
LOG_SOFTMAX = ["ReduceMax", "Sub", "Exp", "ReduceSum", "Log", "Sub"]


def over(*axes: int) -> dict[int, Any]:
    return {1: np.array(axes)}


STATISTICS: Final[dict[str, Case]] = {
    "softmax channels": Case("Softmax", [MAP], ["SoftmaxCaffe"], {}, {"axis": 1}),
    "softmax rows": Case("Softmax", [TOKENS], ["SoftmaxCaffe"], {}, {"axis": 2}),
    "softmax last": Case("Softmax", [TOKENS], ["SoftmaxCaffe"]),
    "softmax of rows": Case("Softmax", [ROWS], ["SoftmaxCaffe"]),
    "softmax of a pair": Case("Softmax", [PAIR], ["SoftmaxCaffe"]),
    "log softmax": Case("LogSoftmax", [MAP], LOG_SOFTMAX, {}, {"axis": 1}),
    "log softmax of a pair": Case("LogSoftmax", [PAIR], LOG_SOFTMAX),
    "mean of the map": Case("ReduceMean", [MAP], ["Pooling"], over(2, 3)),
    "mean of the map, flat": Case(
        "ReduceMean", [MAP], ["Pooling", "Reshape"], over(-1, -2), {"keepdims": 0}
    ),
    "mean of channels": Case("ReduceMean", [MAP], ["ReduceMean"], over(1)),
    "mean of a row": Case("ReduceMean", [ROWS], ["ReduceMean"], over(2)),
    "mean of rows": Case("ReduceMean", [ROWS], ["ReduceMean", "Reshape"], over(1), {"keepdims": 0}),
    "mean of a line": Case("ReduceMean", [MAP], ["ReduceMean"], over(3)),
    "mean of all": Case("ReduceMean", [MAP], ["ReduceMean"]),
    "mean of nothing": Case("ReduceMean", [MAP], ["Reshape"], {}, {"noop_with_empty_axes": 1}),
    "sum of channels": Case("ReduceSum", [MAP], ["ReduceSum"], over(1)),
    "sum of the map": Case("ReduceSum", [MAP], ["ReduceSum"], over(2, 3)),
    "sum of a pair": Case("ReduceSum", [PAIR], ["ReduceSum"], over(1)),
    "largest of the map": Case("ReduceMax", [MAP], ["Pooling"], over(2, 3)),
    "largest of channels": Case(
        "ReduceMax", [MAP], ["ReduceMax", "Reshape"], over(1), {"keepdims": 0}
    ),
    "smallest of lines": Case("ReduceMin", [MAP], ["ReduceMin"], over(2)),
    "length": Case("ReduceL2", [MAP], ["Mul", "ReduceSum", "Sqrt"], over(1)),
    "absolute sum": Case("ReduceL1", [MAP], ["Abs", "ReduceSum"], over(1)),
    "sum of squares": Case("ReduceSumSquare", [ROWS], ["Mul", "ReduceSum"], over(2)),
    "log of sum": Case("ReduceLogSum", [MAP], ["ReduceSum", "Log"], over(1), low=0.1),
    "log of sum of exp": Case(
        "ReduceLogSumExp", [MAP], ["ReduceMax", "Sub", "Exp", "ReduceSum", "Log", "Add"], over(1)
    ),
    "argmax": Case("ArgMax", [MAP], ["ArgMaxOrMin"], {}, {"axis": 1}, integers=True),
    "argmax flat": Case(
        "ArgMax", [MAP], ["ArgMaxOrMin"], {}, {"axis": 1, "keepdims": 0}, integers=True
    ),
    "argmax last": Case("ArgMax", [PAIR], ["ArgMaxOrMin"], {}, {"axis": -1}, integers=True),
    "argmin": Case("ArgMin", [MAP], ["ArgMaxOrMin"], {}, {"axis": 2}, integers=True),
    "batch norm": Case("BatchNormalization", [MAP], ["BatchNormCxx"], dict(enumerate(STATE, 1))),
    "batch norm of rows": Case(
        "BatchNormalization", [(1, 6, 20)], ["BatchNormCxx"], dict(enumerate(STATE, 1))
    ),
    "batch norm of a pair": Case(
        "BatchNormalization", [(2, 6)], ["BatchNormCxx"], dict(enumerate(STATE, 1))
    ),
    "instance norm": Case(
        "InstanceNormalization", [MAP], ["InstBatchNormCxx"], {1: STATE[0], 2: STATE[1]}
    ),
    "instance norm of rows": Case(
        "InstanceNormalization",
        [(2, 6, 20)],
        ["Mul", "InstBatchNormCxx"],
        {1: STATE[0], 2: STATE[1]},
        {"epsilon": 1e-3},
    ),
    "layer norm": Case(
        "LayerNormalization",
        [ROWS],
        ["InstBatchNormCxx", "Mul", "Add"],
        {1: numbers(10), 2: numbers(10, seed=1)},
    ),
    "layer norm of tokens": Case(
        "LayerNormalization",
        [TOKENS],
        ["Reshape", "Mul", "InstBatchNormCxx", "Mul", "Add", "Reshape"],
        {1: numbers(10), 2: numbers(10, seed=1)},
        {"epsilon": 1e-6},
    ),
    "layer norm of the map": Case(
        "LayerNormalization",
        [EVEN],
        ["Reshape", "InstBatchNormCxx", "Mul", "Reshape"],
        {1: numbers(8, 8, 12)},
        {"axis": 1},
    ),
    "group norm": Case(
        "GroupNormalization",
        [EVEN],
        ["Reshape", "InstBatchNormCxx", "Reshape", "BatchNormCxx"],
        {1: numbers(8), 2: numbers(8, seed=1)},
        {"num_groups": 2},
        opset=21,
        shape=EVEN,
    ),
}
