"""Measurements on several devices stand in one table, each with the name that tells it apart."""

from dataclasses import asdict, replace

import pytest

from tests.fakes.bench_sessions import PHONE, result
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
