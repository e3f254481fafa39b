"""Amounts in words."""

import pytest

from topformer_cli.units import size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_999, "1.0 MB"),
        (967_382_037, "967.4 MB"),
        (19_336_861_798, "19.3 GB"),
        (5e15, "5000.0 TB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_size_text(count: float, text: str) -> None:
    assert size_text(count) == text
