"""Bench records as phones would give them, invented: every part of them is filled."""

from dataclasses import replace

import numpy as np

from tests.fakes.sample_streams import Machine, with_samples, without_samples
from topformer_cli.bench.statistics.summary import summarise
from topformer_cli.bench.statistics.verdict import judge
from topformer_cli.results import (
    Battery,
    BenchResult,
    BenchSession,
    CoreUse,
    CpuFacts,
    DeviceFacts,
    Reading,
    Round,
    RunnerFacts,
    ThermalZone,
)

PHONE = DeviceFacts(
    kind="phone",
    serial="R58M12ABCDE",
    manufacturer="Acme",
    model="One",
    device="one",
    board="kona",
    soc="SM8250",
    fingerprint="acme/one/one:12/SKQ1.211006.001/22.3.9:user/release-keys",
    release="12",
    sdk=31,
    abis=("arm64-v8a", "armeabi-v7a"),
    machine="aarch64",
    kernel="4.19.157-perf",
    cpus=tuple(CpuFacts(index, 2_841_600 if index == 7 else 1_804_800) for index in range(8)),
    zones=(ThermalZone("cpu-1-7", 41.5),),
    thermal_status=0,
    battery=Battery(83, 31.0, charging=True),
    awake=True,
    boot_id="6c9e2a60-6d2d-4a3c-8a6e-111111111111",
    transport="usb",
)
PINNED = CoreUse("7, prime", "80", "7", verified=True)
BOOTED_S = 4321.0


def watched(rounds: tuple[Round, ...], rng: np.random.Generator) -> tuple[Round, ...]:
    """Give rounds a start, pauses of 8 s and readings at 5 Hz of clock, limit and temperature."""
    clock, celsius = BOOTED_S, 42.0
    found = []
    for index, one in enumerate(rounds):
        length = one.iterations * one.mean_ms / 1000
        readings = []
        for at_s in np.arange(clock - 1, clock + length + 0.5, 0.2):
            celsius += 0.02 + 0.15 * float(rng.standard_normal())
            khz = 2_841_600 if rng.random() < 0.95 else 2_457_600
            readings.append(Reading(float(at_s), khz, 2_841_600, round(celsius, 1), 0))
        waited = 8.0 if index else 0.0
        found.append(
            replace(
                one, started_s=clock, waited_s=waited, readings=tuple(readings), load_ms=31.0,
                first_ms=one.max_ms, peak_kb=64_000,
            )
        )  # fmt: skip
        clock += length + 8.0
        celsius -= 2.0
    return tuple(found)


def result(
    median_ms: float = 43.0, *, seed: int = 0, told: bool = True, slower: float = 1.0
) -> BenchResult:
    """Return a result of five rounds; the last two are slower by a factor, throttled if so."""
    rng = np.random.default_rng(seed)
    times = Machine(median_ms, 0.008, 0.3, 0.005, 0.002, 80).stream(rng)
    times[3:] *= slower
    rounds = watched(with_samples(times) if told else without_samples(times), rng)
    summary = summarise(rounds)
    verdict, reasons = judge(rounds, summary, PINNED, emulated=False, complete=True)
    return BenchResult(
        model="topformer-tiny-ade20k",
        card={
            "size": "tiny",
            "head": "simple",
            "task": "segmentation",
            "classes": [f"class {index}" for index in range(150)],
            "data_terms": "ADE20K: research only, see https://groups.csail.mit.edu/vision/terms",
        },
        files={"tiny.tnnproto": "0" * 64, "tiny.tnnmodel": "1" * 64},
        engine="TNN",
        engine_version="f0cb081",
        runner=RunnerFacts("topformer-tnn", "static", "arm64-v8a", "a" * 64, "f0cb081"),
        device=PHONE,
        precision="fp32",
        threads=1,
        core=PINNED,
        input_shape=(1, 3, 512, 512),
        output="logits at 1/8",
        covers="timed: input and output conversion too",
        protocol={"warmup": 10, "rounds": 5},
        rounds=rounds,
        summary=summary,
        verdict=verdict,
        reasons=reasons,
        parity={"relative": 1e-6},
        started=f"2026-01-0{seed % 8 + 1}T10:11:12+00:00",
    )


def session(*results: BenchResult) -> BenchSession:
    """Return a session of these results, or of one."""
    return BenchSession(results or (result(),))
