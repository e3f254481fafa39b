import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.device_root import DeviceRoot
from tests.fakes.runners import script_runner
from tests.unit.bench.conftest import QUICK, StartDevice, measured, on_phone
from topformer_cli.bench.lane import Entrant
from topformer_cli.bench.measure import Measurement
from topformer_cli.bench.phone.discover import choose_device
from topformer_cli.bench.phone.station import PhoneStation
from topformer_cli.bench.plan import BenchPlan
from topformer_cli.bench.runner import Runner
from topformer_cli.errors import DataError, DeviceError, MeasurementError, UsageError
from topformer_cli.rundir import file_sha256


def test_whole_run_leaves_a_result_and_nothing_else(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    seen: list[float] = []
    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "well"))
    measurement.run(lambda done, _total, _text: seen.append(done))
    session = measurement.session()
    [result] = session.results
    assert session.finished
    assert session.ratios == ()
    assert seen[0] == 0
    assert seen[-1] == 3
    assert seen == sorted(seen)
    assert device.root.remains() == []
    assert [one.mean_ms for one in result.rounds] == [1.5] * 3
    assert all(one.samples_ms == () and one.iterations == 5 for one in result.rounds)
    assert result.summary is not None
    assert (result.summary.median_ms, result.summary.p90_ms) == (1.5, None)
    assert result.summary.of == "round means"
    assert (result.core.mask, result.core.allowed, result.core.verified) == ("80", "7", True)
    assert (result.engine, result.precision, result.context) == ("TNN", "fp32", "shell")
    assert result.device.name == "Standin Eight Cores"
    assert (result.device.sdk, result.device.soc) == (33, "SM8250")
    assert result.device.cpus[7].max_khz == 2841600
    assert result.parity is not None
    assert result.parity["relative"] < 1e-6
    pair = [phone_plan.artifact, phone_plan.artifact.with_suffix(".tnnmodel")]
    assert result.files == {path.name: file_sha256(path) for path in pair}


def test_stand_in_is_labelled_emulated(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    result = measured(on_phone(start_device(), phone_plan, script_runner(tmp_path, "well")))
    assert result.emulated
    assert result.verdict == "emulated"
    assert result.latency_statement().startswith("emulated, not a latency")
    if platform.machine() == "x86_64":
        assert "the runner is arm64-v8a, the kernel x86_64" in result.notes[0]


def test_runner_is_called_with_labelled_precision_and_one_thread(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    runner = script_runner(tmp_path, "well")
    measured(on_phone(device, phone_plan, runner))
    half = measured(on_phone(device, replace(phone_plan, precision="auto", core="any"), runner))
    runs = [command for command in device.commands if "./TNNTest" in command]
    assert half.precision == "auto"
    assert half.core.mask is None
    assert len(runs) == 8  # each once for its output, then three rounds
    assert all("-th 1 -wc 2 -ic 5" in runs[index] for index in (1, 2, 3, 5, 6, 7))
    assert all("-th 1 -wc 1 -ic 1" in runs[index] for index in (0, 4))
    assert all("-pr HIGH" in command and "taskset 80" in command for command in runs[:4])
    assert all("-pr AUTO" in command and "taskset 80" not in command for command in runs[4:])


def test_runner_that_only_counts_gets_times_as_counts(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    protocol = replace(QUICK, rounds=1, warmup_s=0.06, round_s=0.3)
    measured(on_phone(device, phone_plan, script_runner(tmp_path, "well"), protocol))
    [_, timed] = [command for command in device.commands if "./TNNTest" in command]
    assert "-wc 40 -ic 200" in timed  # at 1.5 ms each, as the first process told


def test_several_take_turns_in_every_round(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    other = tmp_path / "other.tnnproto"
    other.write_bytes(phone_plan.artifact.read_bytes())
    other.with_suffix(".tnnmodel").write_bytes(
        phone_plan.artifact.with_suffix(".tnnmodel").read_bytes()
    )
    device = start_device()
    runner = script_runner(tmp_path, "either")
    entrants = [
        Entrant(phone_plan, runner),
        Entrant(replace(phone_plan, name="other", artifact=other), runner),
    ]
    station = PhoneStation(choose_device(f"tcp:{device.serial}"))
    measurement = Measurement(station, entrants, QUICK)
    measurement.run()
    session = measurement.session()
    runs = [command for command in device.commands if "./TNNTest" in command][2:]
    order = ["0/net" if "0/net.tnnproto" in command else "1/other" for command in runs]
    assert order == ["0/net", "1/other", "1/other", "0/net", "0/net", "1/other"]
    [found] = session.ratios
    assert (found.of, found.to) == (session.results[1].label, session.results[0].label)
    assert found.low <= found.value <= found.high
    assert device.root.remains() == []


@pytest.mark.parametrize(
    ("taskset", "verified", "allowed"), [("ignored", False, "0-7"), ("unreadable", None, None)]
)
def test_core_that_was_not_kept_is_told(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    taskset: str,
    verified: bool | None,
    allowed: str | None,
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    root = DeviceRoot(folder, taskset=taskset)  # type: ignore[arg-type]
    device = start_device(root=root)
    result = measured(on_phone(device, phone_plan, script_runner(tmp_path, "well")))
    assert (result.core.verified, result.core.allowed) == (verified, allowed)
    assert "verified)" not in result.latency_statement().replace("not verified)", "")


def test_unreadable_clocks_stay_unknown(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    device = start_device(root=DeviceRoot(folder, clocks_readable=False))
    result = measured(on_phone(device, phone_plan, script_runner(tmp_path, "well")))
    assert {cpu.max_khz for cpu in result.device.cpus} == {None}
    assert result.core.mask == "80"
    assert all(one.residency is None for one in result.rounds)


def test_nothing_is_pushed_when_the_run_cannot_be(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "root"
    folder.mkdir()
    device = start_device(root=DeviceRoot(folder, free_kb=1))
    runner = script_runner(tmp_path, "well")
    with pytest.raises(DeviceError, match=r"0.0 MB free in /data/local/tmp, the run needs 0.\d MB"):
        measured(on_phone(device, phone_plan, runner))
    with pytest.raises(UsageError, match=r"core 9 is not there.*0, 1, 2, 3, 4, 5, 6, 7 online"):
        measured(on_phone(device, replace(phone_plan, core="9"), runner))
    phone_plan.artifact.with_suffix(".tnnmodel").unlink()
    with pytest.raises(DataError, match=r"net.tnnmodel does not exist"):
        measured(on_phone(device, phone_plan, runner))
    assert device.root.remains() == []


@pytest.mark.parametrize("after", [0, 2])
def test_interrupt_keeps_the_rounds_and_removes_the_folder(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path, after: int
) -> None:
    device = start_device()

    def interrupt(done: float, _total: float, _text: str) -> None:
        assert len(device.root.remains()) == 1
        if done == after:
            raise KeyboardInterrupt

    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "well"))
    with pytest.raises(KeyboardInterrupt):
        measurement.run(interrupt)
    assert device.root.remains() == []
    [result] = measurement.session().results
    assert not measurement.session().finished
    assert (len(result.rounds), result.verdict) == (after, "incomplete")


def test_interrupted_long_run_is_incomplete_however_many_rounds_it_had(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    measurement = on_phone(
        start_device(),
        phone_plan,
        script_runner(tmp_path, "well"),
        replace(QUICK, rounds=1, sustained_s=60),
    )

    def interrupt(_done: float, _total: float, _text: str) -> None:
        if any(len(lane.rounds) == 3 for lane in measurement.lanes):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measurement.run(interrupt)
    [result] = measurement.session().results
    assert (len(result.rounds), result.verdict) == (3, "incomplete")


def test_folders_of_dead_runs_are_told_and_left_alone(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    (device.root.work / "topformer-dead").mkdir()
    result = measured(on_phone(device, phone_plan, script_runner(tmp_path, "well")))
    assert any("1 folder(s) of other measurements on" in note for note in result.notes)
    assert device.root.remains() == ["topformer-dead"]


def test_output_is_pulled_once_and_known_by_its_hash(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    pulled: list[str] = []
    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "well"))
    get = measurement.station.get
    measurement.station.get = lambda name: pulled.append(name) or get(name)  # type: ignore[method-assign,func-returns-value]
    measurement.run()
    assert pulled == ["0/output"]


def test_output_that_changes_later_is_refused(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()
    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "wrong at last"))
    with pytest.raises(Exception, match=r"net.tnnproto in TNN on .*max difference"):
        measurement.run()
    assert len(measurement.session().results[0].rounds) == 2
    assert device.root.remains() == []


def heat(root: DeviceRoot) -> None:
    root.set_thermal_status(3)


def hold_the_clock(root: DeviceRoot) -> None:
    limit = root.path / "sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq"
    limit.write_text("1804800\n")


@pytest.mark.parametrize(
    ("slow", "words"),
    [(heat, r"thermal status 3 \(severe\)"), (hold_the_clock, r"held to 1805 of 2842 MHz")],
)
def test_throttled_rounds_are_flagged_repeated_and_kept(
    start_device: StartDevice,
    phone_plan: BenchPlan,
    tmp_path: Path,
    slow: Callable[[DeviceRoot], None],
    words: str,
) -> None:
    device = start_device()
    slow(device.root)
    protocol = replace(QUICK, rounds=2, retries=1)
    runner = script_runner(tmp_path, "well, slowly")
    result = measured(on_phone(device, phone_plan, runner, protocol))
    assert len(result.rounds) == 2
    assert len(result.set_aside) == 2
    for one in (*result.rounds, *result.set_aside):
        assert one.throttled is not None
    assert any(words.replace("\\", "") in reason for reason in result.reasons)


def test_rounds_that_began_too_warm_are_told(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    device = start_device()

    def heat(done: float, _total: float, _text: str) -> None:
        if done == 1:
            device.root.sysfs.heat(90)

    measurement = on_phone(device, phone_plan, script_runner(tmp_path, "well"))
    measurement.run(heat)
    [result] = measurement.session().results
    assert [one.cooled for one in result.rounds] == [None, False, False]
    assert all(one.waited_s >= QUICK.cool_s for one in result.rounds[1:])
    assert any("2 of 3 rounds began warmer" in note for note in result.notes)


TELLS_AND_DIES = r"""
n=$(ls | grep -c '^again'); touch again$n; count=$((n ? 5 : 1)); warm=$((n ? 2 : 1))
cat <<END
{"event":"start","runner":"topformer-runner 1","origin":"TNN"}
{"event":"loaded","ms":3,"input":[1,3,4,4]}
{"event":"first","ms":2.0}
{"event":"warm","iterations":$warm}
END
for i in $(seq $count); do
  echo '{"event":"run","at_ns":'$i'000000000,"in_ns":100000,"forward_ns":1900000,"out_ns":500000}'
  if [ $n -gt 1 ] && [ $i -eq 3 ]; then kill -9 $$; fi
done
echo '{"outputs":[{"name":"logits","shape":[1,3,4,4],"dtype":"float32"}]}' | cat - raw > 0/output
echo '{"event":"done","iterations":'$count',"peak_kb":1234,"allowed":"7"}'
"""


def test_the_round_in_which_a_runner_died_is_kept_apart(
    start_device: StartDevice, phone_plan: BenchPlan, tmp_path: Path
) -> None:
    script, raw = tmp_path / "topformer-runner", tmp_path / "raw"
    script.write_text(f"#!/bin/sh\n{TELLS_AND_DIES}")
    raw.write_bytes(phone_plan.references[0].astype("<f4").tobytes())
    runner = Runner("topformer-runner", script, "arm64-v8a", "static", "0" * 64, (raw,))
    device = start_device()
    measurement = on_phone(device, phone_plan, runner)
    with pytest.raises(MeasurementError, match=r"round 2: .*signal 9.*; 1 complete before it"):
        measurement.run()
    [result] = measurement.session().results
    [whole] = result.rounds
    assert whole.samples_ms == (2.5,) * 5
    assert (whole.load_ms, whole.first_ms, whole.peak_kb) == (3, 2, 1234)
    assert result.broken is not None
    assert result.broken.samples_ms == (2.5,) * 3
    assert result.verdict == "incomplete"
    assert result.summary is not None
    assert result.summary.count == 5
