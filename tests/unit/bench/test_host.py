"""The driver on this machine, whose engines run in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.stations import wait_until
from tests.unit.bench.conftest import QUICK, measured
from topformer_cli.bench.host.networks import Network
from topformer_cli.bench.host.runner import repeat
from topformer_cli.bench.host.station import HostStation
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.protocol import Protocol
from topformer_cli.bench.runner import host_engine
from topformer_cli.errors import DataError, MeasurementError, ParityError, UsageError
from topformer_cli.results import CoreUse
from topformer_cli.rundir import file_sha256


def on_host(plan: BenchPlan, protocol: Protocol = QUICK) -> Measurement:
    return Measurement(HostStation(), [Entrant(plan, host_engine("onnxruntime"))], protocol)


def test_host_measures_every_round(host_plan: BenchPlan) -> None:
    result = measured(on_host(host_plan))
    assert [len(one.samples_ms) for one in result.rounds] == [5, 5, 5]
    assert result.files == {"affine.onnx": file_sha256(host_plan.artifact)}
    assert (result.engine, result.precision, result.threads) == ("onnxruntime", "fp32", 1)
    assert result.engine_version.startswith("onnxruntime 1.")
    assert (result.context, result.input_shape) == ("process", (1, 3, 4, 4))
    assert result.parity is not None
    assert result.parity["relative"] < 1e-6
    summary = result.summary
    assert summary is not None
    assert 0 < summary.min_ms <= summary.low_ms <= summary.median_ms <= summary.high_ms
    assert summary.high_ms <= summary.max_ms
    assert summary.p90_ms is not None
    assert summary.load_ms is not None
    assert summary.first_ms is not None
    assert summary.peak_kb is not None
    assert summary.peak_kb > 1000
    assert not result.emulated


def test_statement_says_what_the_number_covers(host_plan: BenchPlan) -> None:
    statement = measured(on_host(host_plan)).latency_statement()
    for word in ("ms median", "p90", "1x3x4x4", "fp32, 1 thread", "onnxruntime", "logits at 1/8"):
        assert word in statement
    assert "no argmax" in statement


def test_a_reader_that_stalls_ends_no_round_early() -> None:
    network = Network("none", (1,), np.dtype(np.float32), lambda _: {})
    spans = []
    for at, took in repeat(1, 0.1, network, np.zeros(1, np.float32)):
        spans.append((at, at + took))
        if len(spans) == 1:
            time.sleep(0.2)
    assert len(spans) > 1
    assert spans[-1][1] - spans[0][0] >= 0.1e9


def test_round_lasts_at_least_its_time(host_plan: BenchPlan) -> None:
    protocol = replace(QUICK, warmup=0, rounds=1, iterations=1, round_s=0.05)
    [only] = measured(on_host(host_plan, protocol)).rounds
    assert only.iterations > 1
    assert sum(only.samples_ms) <= 50
    assert only.started_s is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_another_program_on_the_core_is_noticed(host_plan: BenchPlan) -> None:
    core = str(max(os.sched_getaffinity(0)))
    protocol = replace(QUICK, warmup=0, rounds=1, iterations=1, round_s=0.3)
    busy = [
        subprocess.Popen(["taskset", "-c", core, sys.executable, "-c", "while True: pass"])
        for _ in range(2)
    ]
    try:
        result = measured(on_host(replace(host_plan, core=core), protocol))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    [only] = result.rounds
    assert only.crowded is not None
    assert 0.2 < only.crowded < 0.95
    assert result.verdict == "unstable"
    assert any(one.startswith("other programs had the core") for one in result.reasons)


def test_sustained_rounds_follow_until_the_time_is_over(host_plan: BenchPlan) -> None:
    protocol = replace(QUICK, sustained_s=0.1, iterations=2)
    measurement = on_host(host_plan, protocol)
    seen: list[tuple[float, float]] = []
    measurement.run(lambda done, total, _text: seen.append((done, total)))
    [result] = measurement.session().results
    assert len(result.rounds) == 1
    assert sum(result.rounds[0].samples_ms) >= 0.5  # a sustained round runs for ten seconds
    assert all(total == 0.1 for _, total in seen)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_program_stays_on_the_core_that_was_asked_for(host_plan: BenchPlan) -> None:
    index = max(os.sched_getaffinity(0))
    result = measured(on_host(replace(host_plan, core=str(index))))
    assert result.core.mask == format(1 << index, "x")
    assert (result.core.allowed, result.core.verified) == (str(index), True)
    free = measured(on_host(replace(host_plan, core="any")))
    assert (free.core.mask, free.core.verified) == (None, None)


@pytest.mark.parametrize(
    ("ending", "error"), [("time.sleep(600)", "end within"), ("os.abort()", "SIGABRT")]
)
def test_program_that_does_not_end_well_leaves_what_it_printed(ending: str, error: str) -> None:
    station = HostStation()
    station.open()
    words = (sys.executable, "-c", f"import os, time; print('so far', flush=True); {ending}")
    with pytest.raises(MeasurementError, match=error):
        station.run(words, CoreUse("any"), "output", 2.0)
    assert "so far" in station.printed()
    assert station.close() is None


def test_programs_find_the_libraries_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/user")
    station = HostStation()
    station.open()
    words = (sys.executable, "-c", "import os; print(os.environ['LD_LIBRARY_PATH'])")
    done = station.run(words, CoreUse("any"), "output", 60.0)
    assert done.stdout.splitlines()[-1] == f"{station.folder}{os.pathsep}/of/the/user"
    station.close()


def test_wrong_output_is_refused_with_figures(host_plan: BenchPlan) -> None:
    plan = replace(host_plan, references=[host_plan.references[0] * np.float32(1.01)])
    with pytest.raises(ParityError, match=r"affine.onnx in onnxruntime on this host.*labels equal"):
        on_host(plan).run()
    unchecked = measured(on_host(replace(plan, parity=False)))
    assert unchecked.parity is None
    assert any("not checked" in note for note in unchecked.notes)


def test_wrong_input_is_a_failed_run(host_plan: BenchPlan) -> None:
    plan = replace(host_plan, inputs=np.zeros((1, 3, 5, 4), np.float32))
    with pytest.raises(MeasurementError, match=r"input.raw has 240 bytes, .* of 1x3x4x4 192"):
        on_host(plan).run()


def test_missing_and_damaged_files_are_named(host_plan: BenchPlan) -> None:
    broken = host_plan.artifact.with_name("broken.onnx")
    with pytest.raises(DataError, match=r"broken.onnx does not exist.*topformer export"):
        on_host(replace(host_plan, artifact=broken)).run()
    broken.write_bytes(host_plan.artifact.read_bytes()[:40])
    with pytest.raises(MeasurementError, match=r"broken.onnx: onnxruntime cannot load it"):
        on_host(replace(host_plan, artifact=broken)).run()


def test_engine_must_know_the_precision(host_plan: BenchPlan) -> None:
    with pytest.raises(UsageError, match="--precision auto: onnxruntime has fp32 only"):
        on_host(replace(host_plan, precision="auto")).run()


def test_host_facts_name_the_usable_cores() -> None:
    facts = HostStation().facts()
    assert facts.kind == "host"
    assert {cpu.index for cpu in facts.cpus} == os.sched_getaffinity(0)
    assert facts.name
    assert facts.page_bytes is not None
    assert facts.page_bytes >= 4096


def station_with(script: str) -> HostStation:
    station = HostStation()
    station.open()
    station.put(f"#!/bin/sh\n{script}\n".encode(), "prog", program=True)
    return station


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -11 $$", r"ended by signal 11 \(SIGSEGV"),
        ("kill -9 $$", r"ended by signal 9 \(SIGKILL"),
        ("exec sleep 60", r"did not end within 0.3 s and was killed"),
    ],
)
def test_program_that_ends_badly(script: str, words: str) -> None:
    station = station_with(script)
    with pytest.raises(MeasurementError, match=words):
        station.run(["./prog"], CoreUse("any"), "out", 0.3)
    assert station.close() is None


def test_folder_is_gone_after_close() -> None:
    station = station_with("true")
    folder = station.folder
    assert station.run(["./prog"], CoreUse("any"), "out", 10).returncode == 0
    assert station.close() is None
    assert not folder.exists()
    assert station.close() is None


def test_stream_ends_with_its_block() -> None:
    with HostStation().stream("echo $$; while :; do echo more; sleep 0.05; done") as lines:
        got: list[str] = []
        assert wait_until(lambda: bool(got.extend(lines()) or len(got) > 2))
    assert got[1] == "more"
    assert not Path(f"/proc/{got[0]}").exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into Linux's /proc")
def test_killed_measurement_leaves_no_process(host_plan: BenchPlan, tmp_path: Path) -> None:
    script = tmp_path / "measure.py"
    script.write_text(
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from tests.unit.bench.test_host import on_host\n"
        "from topformer_cli.bench.plan import BenchPlan\n"
        "from topformer_cli.bench.protocol import Protocol\n"
        "x = np.zeros((1, 3, 4, 4), np.float32)\n"
        "plan = BenchPlan('a', {}, Path(sys.argv[1]), x, x + 1)\n"
        "on_host(plan, Protocol(warmup_s=0, round_s=30)).run()\n"
    )
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(script), str(host_plan.artifact)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as measuring:
        assert wait_until(lambda: len(runners_in(tmp_path)) == 1)
        time.sleep(0.5)
        measuring.send_signal(signal.SIGINT)
        measuring.communicate()
    assert wait_until(lambda: runners_in(tmp_path) == [])
    assert list(tmp_path.glob("topformer-*")) == []


def runners_in(folder: Path) -> list[str]:
    """The processes of the host runner that work below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = os.readlink(process / "cwd")  # noqa: PTH115 - the target may be gone
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if place.startswith(str(folder)) and b"bench.host.runner" in words:
            found.append(process.name)
    return found
