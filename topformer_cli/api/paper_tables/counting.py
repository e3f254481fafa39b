"""What the tables say of the two ways in which they count."""

from typing import Final

_STRICT: Final = "strict: convolutions and the products within attention only"
MMCV: Final = (
    "counted as by mmcv: convolutions with biases, batch normalisation twice and activations once "
    f"a value, no products within attention; {_STRICT}"
)
WITH_PRODUCTS: Final = (
    "counted as by mmcv: convolutions with biases, batch normalisation twice and activations once "
    f"a value; and the products within attention, which this table needs; {_STRICT}"
)
