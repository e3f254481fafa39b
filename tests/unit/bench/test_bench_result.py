import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sample_streams import round_of
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.statistics.summary import summarise
from topformer_cli.errors import DataError
from topformer_cli.results import (
    BenchResult,
    BenchSession,
    CoreUse,
    CpuFacts,
    DeviceFacts,
    Round,
    RunnerFacts,
    Verdict,
)

MS = st.floats(0.001, 1e5)
TEXT = st.none() | st.text(max_size=12)
ROUNDS = st.lists(
    st.builds(Round, st.integers(1, 9), MS, MS, MS) | st.lists(MS, min_size=1).map(round_of),
    max_size=4,
).map(tuple)
DEVICES = st.builds(
    DeviceFacts,
    kind=st.sampled_from(["host", "phone"]),
    serial=TEXT,
    manufacturer=TEXT,
    model=TEXT,
    soc=TEXT,
    sdk=st.none() | st.integers(21, 40),
    abis=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    cpus=st.lists(st.builds(CpuFacts, st.integers(0, 9), st.none() | st.integers(0, 9))).map(tuple),
)
BASE = BenchResult(
    model="topformer-tiny",
    card={"size": "tiny", "classes": ["road", "sky"]},
    files={"a.tnnproto": "0" * 64, "a.tnnmodel": "1" * 64},
    engine="TNN",
    engine_version="TNNTest",
    runner=RunnerFacts("TNNTest", "static", "arm64-v8a", "2" * 64),
    device=DeviceFacts(kind="phone", serial="S1", manufacturer="Acme", model="One"),
    precision="fp32",
    threads=1,
    core=CoreUse("prime", "80", "7", verified=True),
    input_shape=(1, 3, 512, 512),
    output="logits at 1/8",
    covers="timed: input and output conversion too",
    protocol=asdict(Protocol()),
    rounds=(Round(50, 40.0, 45.0, 42.0),),
    summary=summarise([Round(50, 40.0, 45.0, 42.0)]),
    verdict="stable",
    parity={"relative": 1e-6},
    started="2026-01-01T00:00:00+00:00",
)


@given(ROUNDS, DEVICES, st.sampled_from(get_args(Verdict)), st.lists(st.text()).map(tuple))
def test_every_result_survives_json(
    rounds: tuple[Round, ...], device: DeviceFacts, verdict: Verdict, notes: tuple[str, ...]
) -> None:
    result = replace(
        BASE,
        rounds=rounds,
        summary=summarise(rounds),
        device=device,
        verdict=verdict,
        notes=notes,
    )
    session = BenchSession((result,))
    assert BenchSession.from_json(json.loads(json.dumps(session.to_json()))) == session


def test_statement_names_every_condition() -> None:
    statement = BASE.latency_statement()
    assert statement.startswith("42.00 ms median of round means: topformer-tiny at 1x3x512x512")
    for words in ("fp32, 1 thread", "core prime (mask 80, verified)", "TNN on Acme One"):
        assert words in statement
    assert "p90" not in statement


def test_statement_of_an_emulated_run_leads_with_it() -> None:
    statement = replace(BASE, emulated=True, verdict="emulated").latency_statement()
    assert statement.startswith("emulated, not a latency (42.00 ms")


def test_statement_says_why_a_number_is_not_to_be_trusted() -> None:
    strayed = replace(BASE, core=CoreUse("prime", "80", "0-7", False), verdict="not pinned")
    assert "42.00 ms median of round means [not pinned]" in strayed.latency_statement()
    assert "but ran on 0-7" in strayed.latency_statement()
    nothing = replace(BASE, rounds=(), summary=None, verdict="incomplete")
    assert nothing.latency_statement().startswith("no latency")


@pytest.mark.parametrize(
    "change", [{"schema": 99}, {"kind": "else"}, {"results": [{}]}, {"results": None}]
)
def test_foreign_records_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="topformer bench"):
        BenchSession.from_json({**BenchSession((BASE,)).to_json(), **change})


def test_results_import_neither_numpy_nor_torch() -> None:
    code = "import sys, topformer_cli.results; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
