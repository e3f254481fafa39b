from dataclasses import replace

import pytest

from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.protocol import Protocol
from topformer_cli.errors import UsageError


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("precision", "fp8", "fp32, auto"),
        ("threads", 0, "at least 1"),
        ("core", "huge", "a core's number"),
    ],
)
def test_plan_refuses_unknown_values(
    host_plan: BenchPlan, field: str, value: object, word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        replace(host_plan, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["rounds", "iterations"])
def test_protocol_refuses_counts_that_measure_nothing(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field} is 0"):
        replace(Protocol(), **{field: 0})
    with pytest.raises(UsageError, match="warmup is -1"):
        Protocol(warmup=-1)


def test_bound_depends_on_engine_and_precision(host_plan: BenchPlan) -> None:
    half = replace(host_plan, precision="auto")
    assert host_plan.bound("onnxruntime") < host_plan.bound("TNN") < half.bound("TNN")
    assert replace(host_plan, tolerance=0.5).bound("TNN") == 0.5
