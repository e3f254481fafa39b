import pytest

from topformer_cli.bench.sessions.paper import (
    COMMAND,
    latency_of,
    paper_row,
    reproduction_text,
    statement,
)
from topformer_cli.models.baselines.table import BASELINES, Baseline


@pytest.mark.parametrize(
    ("size", "side", "ms"),
    [("tiny", 512, 43), ("tiny", 448, 32), ("small", 512, 74), ("base", 512, 110)],
)
def test_printed_latencies_are_found(size: str, side: int, ms: float) -> None:
    row = paper_row({"size": size, "head": "simple"}, (1, 3, side, side))
    assert row is not None
    assert latency_of(row) == ms


@pytest.mark.parametrize(
    ("card", "shape"),
    [
        ({"size": "tiny"}, (1, 3, 256, 256)),
        ({"size": "small"}, (1, 3, 448, 448)),
        ({"size": "tiny"}, (1, 3, 512, 683)),
        ({"size": "tiny", "task": "detection"}, (1, 3, 512, 512)),
        ({"size": "tiny", "head": "other"}, (1, 3, 512, 512)),
        ({}, (1, 3, 512, 512)),
    ],
)
def test_what_the_paper_does_not_print_has_no_row(
    card: dict[str, str], shape: tuple[int, ...]
) -> None:
    assert paper_row(card, shape) is None


def test_the_paper_s_rival_has_its_row() -> None:
    row = paper_row({"head": "lraspp"}, (1, 3, 512, 512))
    assert row is not None
    assert (row.name, latency_of(row)) == ("LR-ASPP with MobileNetV3-Large", 126)


@pytest.mark.parametrize(("key", "row"), BASELINES.items())
def test_other_networks_have_their_rows(key: str, row: Baseline) -> None:
    printed = paper_row({"head": row.head, "backbone": row.encoder}, (1, 3, 512, 512))
    assert (printed is not None) == row.of_paper
    if printed is None:
        return
    assert printed.variant == key
    assert ("of a graph edited by hand" in statement(printed)) == row.edited


def test_statement_quotes_both_conditions_in_one_line() -> None:
    row = paper_row({"size": "tiny"}, (1, 3, 512, 512))
    assert row is not None
    words = statement(row, {"classes": ["a"] * 150})
    assert words.startswith("the paper prints 43 ms for TopFormer-T at 512x512 (Table 1)")
    for part in ("Snapdragon 865", "full precision", "armeabi-v7a", "AUTO", "profiler", "OpenCL"):
        assert part in words
    assert "\n" not in words
    assert "classes" not in words
    assert "150 classes, this one 2" in statement(row, {"classes": ["a", "b"]})


def test_every_word_of_the_authors_command_is_explained() -> None:
    text = reproduction_text()
    for flag in COMMAND.split()[1:]:
        assert flag in text
    assert "capitals only" in text
