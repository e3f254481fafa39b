"""The cases of test_tnn_layers: operator, inputs, and the layers that come of it."""

from typing import Final

from tests.contract.tnn_cases.arithmetic import ARITHMETIC
from tests.contract.tnn_cases.products import PRODUCTS
from tests.contract.tnn_cases.shapes import SHAPES
from tests.contract.tnn_cases.statistics import STATISTICS
from tests.contract.tnn_cases.windows import WINDOWS
from tests.fakes.tnn_case import Case

CASES: Final[dict[str, Case]] = {**WINDOWS, **ARITHMETIC, **PRODUCTS, **SHAPES, **STATISTICS}
