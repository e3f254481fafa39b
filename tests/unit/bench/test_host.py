import json
import os
from dataclasses import replace

import numpy as np
import pytest

from topformer_cli.bench.host import host_facts, measure_host
from topformer_cli.bench.plan import BenchPlan, Protocol, file_sha256
from topformer_cli.errors import DataError, MeasurementError, ParityError, UsageError
from topformer_cli.results import BenchResult


def test_host_measures_every_round(host_plan: BenchPlan) -> None:
    seen: list[tuple[int, int]] = []
    result = measure_host(host_plan, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [len(one.samples_ms) for one in result.rounds] == [5, 5, 5]
    assert result.warmup == 2
    assert result.files == {"affine.onnx": file_sha256(host_plan.artifact)}
    assert (result.engine, result.precision, result.threads) == ("onnxruntime", "fp32", 1)
    assert result.input_shape == (1, 3, 4, 4)
    assert result.parity is not None
    assert result.parity["relative"] < 1e-6
    assert result.summary is not None
    assert 0 < result.summary.min_ms <= result.summary.median_ms <= result.summary.max_ms
    assert result.summary.p90_ms is not None
    assert not result.emulated


def test_result_survives_json(host_plan: BenchPlan) -> None:
    result = measure_host(host_plan)
    assert BenchResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_statement_says_what_the_number_covers(host_plan: BenchPlan) -> None:
    statement = measure_host(host_plan).latency_statement()
    for word in ("ms median", "p90", "1x3x4x4", "fp32, 1 thread", "onnxruntime", "logits at 1/8"):
        assert word in statement
    assert "no argmax" in statement


def test_round_lasts_at_least_its_time(host_plan: BenchPlan) -> None:
    protocol = Protocol(0, rounds=1, iterations=1, min_warmup_s=0, min_round_s=0.05)
    result = measure_host(replace(host_plan, protocol=protocol))
    assert result.warmup == 0
    assert result.rounds[0].iterations > 1


def test_wrong_output_is_refused_with_figures(host_plan: BenchPlan) -> None:
    plan = replace(host_plan, reference=host_plan.reference * np.float32(1.01))
    with pytest.raises(ParityError, match=r"affine.onnx in onnxruntime.*labels equal"):
        measure_host(plan)


def test_wrong_input_shape_is_a_failed_run(host_plan: BenchPlan) -> None:
    plan = replace(host_plan, inputs=np.zeros((1, 3, 5, 4), np.float32))
    with pytest.raises(MeasurementError, match="failed on its input"):
        measure_host(plan)


def test_missing_and_damaged_files_are_named(host_plan: BenchPlan) -> None:
    broken = host_plan.artifact.with_name("broken.onnx")
    with pytest.raises(DataError, match=r"broken.onnx does not exist.*topformer export"):
        measure_host(replace(host_plan, artifact=broken))
    broken.write_bytes(host_plan.artifact.read_bytes()[:40])
    with pytest.raises(DataError, match=r"broken.onnx: onnxruntime cannot load it"):
        measure_host(replace(host_plan, artifact=broken))


@pytest.mark.parametrize(("field", "value"), [("precision", "auto"), ("core", "3")])
def test_host_refuses_what_it_does_not_do(host_plan: BenchPlan, field: str, value: str) -> None:
    changed = BenchPlan(
        name="x",
        card={},
        artifact=host_plan.artifact,
        inputs=host_plan.inputs,
        reference=host_plan.reference,
        precision="auto" if field == "precision" else "fp32",
        core=value if field == "core" else "prime",
    )
    with pytest.raises(UsageError, match=value):
        measure_host(changed)


def test_host_facts_name_the_usable_cores() -> None:
    facts = host_facts()
    assert facts.kind == "host"
    assert {cpu.index for cpu in facts.cpus} == os.sched_getaffinity(0)
    assert facts.name
