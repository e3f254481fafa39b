"""Matrix products."""

from typing import Final

import numpy as np

from tests.fakes.tnn_case import PAIR, ROWS, TOKENS, Case, numbers

WEIGHT = numbers(7, 10)
PRODUCTS: Final[dict[str, Case]] = {
    "matmul": Case("MatMul", [TOKENS, (1, 3, 10, 7)], ["MatMul"]),
    "matmul left": Case("MatMul", [TOKENS], ["MatMul"], {0: numbers(5, 16)}),
    "matmul right": Case("MatMul", [TOKENS], ["MatMul"], {1: numbers(10, 5)}),
    "matmul rows": Case("MatMul", [ROWS], ["MatMul"], {1: numbers(10, 5)}),
    "matmul of rows": Case("MatMul", [ROWS, (1, 10, 6)], ["MatMul"]),
    "matmul pair": Case("MatMul", [PAIR], ["InnerProduct"], {1: numbers(10, 5)}),
    "matmul of two": Case("MatMul", [PAIR, (10, 6)], ["MatMul"]),
    "matmul vector": Case("MatMul", [TOKENS], ["MatMul", "Reshape"], {1: numbers(10)}),
    "matmul one for all": Case("MatMul", [(1, 4, 16, 10), (10, 6)], ["Reshape", "MatMul"]),
    "matmul batches": Case("MatMul", [(2, 3, 5, 10), (2, 3, 10, 4)], ["MatMul"]),
    "matmul broadcast": Case("MatMul", [(2, 3, 5, 10), (1, 3, 10, 4)], ["Expand", "MatMul"]),
    "gemm": Case("Gemm", [PAIR], ["InnerProduct"], {1: WEIGHT, 2: numbers(7)}, {"transB": 1}),
    "gemm one row": Case(
        "Gemm",
        [(1, 10)],
        ["InnerProduct"],
        {1: WEIGHT, 2: numbers(7)},
        {"transB": 1},
    ),
    "gemm scaled": Case(
        "Gemm",
        [PAIR],
        ["InnerProduct"],
        {1: WEIGHT.T, 2: numbers(1, 7)},
        {"alpha": 0.5, "beta": 2.0},
    ),
    "gemm no bias": Case("Gemm", [PAIR], ["InnerProduct"], {1: WEIGHT.T}),
    "gemm turned": Case(
        "Gemm",
        [(10, 2)],
        ["Permute", "InnerProduct"],
        {1: WEIGHT.T, 2: np.float32([3])},
        {"transA": 1},
    ),
    "gemm full addend": Case(
        "Gemm",
        [PAIR],
        ["InnerProduct", "Add"],
        {1: WEIGHT.T, 2: numbers(2, 7)},
        {"alpha": 0.5},
    ),
    "gemm of three": Case(
        "Gemm",
        [PAIR, (7, 10), (7,)],
        ["Permute", "MatMul", "Mul", "Reshape", "Mul", "Add"],
        {},
        {"transB": 1, "alpha": 0.5, "beta": 0.3},
    ),
    "gemm stored left": Case("Gemm", [(10, 3)], ["MatMul", "Mul", "Reshape"], {0: numbers(2, 10)}),
}
