"""Measurements on several devices stand in one table, each with the name that tells it apart."""

from dataclasses import asdict, replace

import pytest
from rich.console import Console

from tests.fakes.bench_sessions import PHONE, result
from topformer_cli import console
from topformer_cli.bench.protocol import Protocol
from topformer_cli.commands import show_bench
from topformer_cli.results import BenchSession, Ratio

TWIN = replace(PHONE, serial="R58M99ZZZZZ")
OTHER = replace(PHONE, serial="HT7", model="Two")
LANES = ((PHONE, "fp32"), (PHONE, "auto"), (TWIN, "fp32"), (TWIN, "auto"), (OTHER, "fp32"))


def test_twins_are_told_apart_and_have_ratios_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    protocol = asdict(Protocol())
    rows = [
        replace(result(seed=seed), device=device, precision=precision, protocol=protocol)
        for seed, (device, precision) in enumerate(LANES)
    ]
    ratios = tuple(
        Ratio(rows[row].label, rows[row - 1].label, value, value - 0.01, value + 0.01, 0.95, row)
        for row, value in ((1, 0.61), (3, 0.72))
    )
    show_bench.session(BenchSession(tuple(rows), ratios))
    lines = capsys.readouterr().out.splitlines()
    places = [place for place, line in enumerate(lines) if "   TNN   " in line]
    names = [" ".join(lines[at].split()) for at in places]
    assert [name.startswith("Acme One") for name in names] == [True] * 4 + [False]
    assert ["R58M12ABCDE" in name for name in names] == [True, True, False, False, False]
    assert ["R58M99ZZZZZ" in name for name in names] == [False, False, True, True, False]
    assert not any("HT7" in line for line in lines)
    assert ["0.610" in lines[at] for at in places] == [False, True, False, False, False]
    assert ["0.720" in lines[at] for at in places] == [False, False, False, True, False]
    assert lines.count("Acme One R58M99ZZZZZ:") == 2


@pytest.mark.parametrize("width", [80, 120])
def test_no_word_of_long_names_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    def of_width(*, stderr: bool) -> Console:
        return Console(stderr=stderr, width=width, emoji=False)

    monkeypatch.setattr(console, "_console", of_width)
    names = ("topformer-tiny-coco-tiny-320x416", "topformer-tiny-coco-tiny-320x416-boxes")
    protocol = asdict(Protocol())
    rows = [replace(result(seed=seed), model=n, protocol=protocol) for seed, n in enumerate(names)]
    ratio = Ratio(rows[1].label, rows[0].label, 1.2, 1.19, 1.21, 0.95, 1)
    show_bench.session(BenchSession(tuple(rows), (ratio,)))
    lines = capsys.readouterr().out.splitlines()
    for letter, name in zip("AB", names, strict=True):
        assert f"{letter}  {name}" in lines
        [row] = [line.split() for line in lines if line.split()[:2] == [letter, "TNN"]]
        assert row[2] == "fp32"
        assert row[-1] == "stable"
    words = {word for line in lines for word in line.split()}
    assert {"precision", "1.200", "(1.190"} <= words
