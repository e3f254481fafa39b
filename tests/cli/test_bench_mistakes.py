"""What a person meets who asks `bench` or `sweep` for what cannot be: told before measuring."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Road, run_cli
from tests.cli.test_mistakes import refused
from topformer_cli.api import bench_records
from topformer_cli.errors import MeasurementError

SHORT = (
    "bench", "--device", "host", "--rounds", "1", "--iterations", "2", "--seconds", "0",
    "--warmup", "0", "--warmup-seconds", "0", "--cool-seconds", "0",
)  # fmt: skip


def records(road: Road) -> set[Path]:
    return set(road.runs.glob("bench/*/result.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--seconds nan", "'--seconds': 'nan': expected a finite number"),
        ("--warmup-seconds inf", "inf is not in the range"),
        ("--cool-seconds nan", "expected a finite number"),
        ("--seconds 1e300", "is not in the range 0<=x<=86400"),
        ("--sustained 0", "expected a time such as 90s, 10m or 1h"),
        ("--sustained 999999h", "a day (24h) is the longest"),
        ("--compare LAST --fail-over nan", "expected a finite number"),
        ("--device=", "an empty name"),
        ("--device ,", "an empty name"),
        ("--device A,,B", "an empty name"),
        ("--device A,B,tcp:A", "names A more than once"),
        ("--device A,B,A", "names A more than once"),
        ("--device tcp:h:1,h:1", "names h:1 more than once"),
        ("--device all,A", "`all` stands alone"),
        ("--device tcp:bad", "expected tcp:HOST:PORT"),
        ("--device tcp:h:99999", "expected tcp:HOST:PORT"),
        ("--device tcp:", "expected tcp:HOST:PORT"),
    ],
)
def test_values_that_are_none(words: str, said: str) -> None:
    done = run_cli("bench", *words.split())
    assert said in " ".join(done.err.split())
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1"])
def test_a_budget_is_a_number(value: str) -> None:
    done = run_cli("sweep", f"--budget-ms={value}")
    assert (done.code, done.out) == (2, "")
    assert "--budget-ms" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--mlperf --sustained 10s", "--mlperf and --sustained exclude each other"),
        ("--mlperf --reproduce-paper", "--mlperf and --reproduce-paper exclude each other"),
        ("--core 0 --mask 1", "--core and --mask exclude each other"),
        ("--core=", "core ''"),
        ("--core 99", "core 99 is not there"),
        ("--mask 0", "mask '0': give bare hexadecimal"),
        ("--threads 1000", "--threads 1000: "),
        ("--accelerator gpu", "--accelerator gpu is for a phone"),
        ("--keep-awake", "--keep-awake is for a phone"),
        ("--fixed-performance", "--fixed-performance is for a phone"),
        ("--emulator qemu-aarch64-static", "--emulator starts the program of --runner PATH"),
        ("--clean", "--clean is for phones"),
        ("--engine tnn", "needs --runner PATH"),
        ("--precision auto", "onnxruntime has fp32 only"),
        ("--plot x.pdf", "ends with .png or .svg"),
    ],
)
def test_choices_that_do_not_go_together(road: Road, words: str, said: str) -> None:
    before = records(road)
    assert said in refused(road.run(*SHORT, *words.split()), 2)
    assert records(road) == before


@pytest.mark.parametrize("option", ["--csv", "--share"])
def test_a_folder_is_no_file_to_write(road: Road, option: str, tmp_path: Path) -> None:
    before = records(road)
    line = refused(road.run(*SHORT, option, tmp_path), 2)
    assert f"{option} {tmp_path}: is a folder" in line
    assert records(road) == before


def test_one_file_is_not_written_twice(road: Road, tmp_path: Path) -> None:
    file = tmp_path / "same.json"
    assert "twice" in refused(road.run(*SHORT, "--csv", file, "--share", file), 2)
    assert not file.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes no file")
def test_a_place_that_takes_no_file_is_refused_first(road: Road) -> None:
    before = records(road)
    line = refused(road.run(*SHORT, "--plot", "/proc/nowhere/x.png"), 2)
    assert "--plot /proc/nowhere/x.png: cannot write into /proc" in line
    assert records(road) == before


def test_a_work_dir_below_a_file_is_refused_first(road: Road, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    target = next((road.latest / "export").glob("*.json"))
    words = (*SHORT, target, "--work-dir", file)
    line = refused(road.run(*words, work_dir=False), 2)
    assert f"--work-dir {file}: cannot write into {file} (" in line
    assert file.read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_numbers_are_shown_when_the_record_cannot_be_kept(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The disk is full when the measurement is over, and was not before.
    def onto_a_full_disk(path: Path, record: object) -> None:  # noqa: ARG001
        with Path("/dev/full").open("w") as full:
            json.dump(record, full)

    monkeypatch.setattr(bench_records, "write_json", onto_a_full_disk)
    done = road.run(*SHORT)
    assert done.code == 1
    assert "ms median" in done.out
    line = done.err.splitlines()[-1]
    assert f"the record could not be kept in {road.runs} (No space left on device)" in line


def test_a_damaged_history_is_told(road: Road, tmp_path: Path) -> None:
    target = next((road.latest / "export").glob("*.json"))
    words = (*SHORT, target, "--work-dir", tmp_path)
    history = tmp_path / "bench" / "history.jsonl"
    history.parent.mkdir()
    history.write_text('{"schema": 1, "mod')
    line = refused(road.run(*words, "--compare", "LAST", work_dir=False), 3)
    assert f"--compare LAST: {history}, line 1 was left out: it is cut off or damaged" in line
    done = road.run(*words, work_dir=False)
    assert done.code == 0, done.err
    again = road.run(*words, "--compare", "LAST", work_dir=False)
    assert again.code == 0, again.err
    assert "line 1 was left out" in again.err


def test_a_record_of_something_else_is_named(road: Road, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"schema": 1}')
    line = refused(road.run(*SHORT, "--compare", other), 3)
    assert line.startswith(f"topformer: --compare {other}: ")


def test_an_onnx_file_without_a_manifest_is_told_what_to_type(road: Road, tmp_path: Path) -> None:
    source = next((road.latest / "export").glob("*.onnx"))
    alone = tmp_path / "foreign.onnx"
    shutil.copy(source, alone)
    line = refused(road.run(*SHORT, alone), 4)
    assert f"topformer export --from {alone}" in line


def test_files_are_written_though_nobody_reads_the_table(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topformer_cli.commands import show_bench

    def gone(session: object) -> None:  # noqa: ARG001
        raise BrokenPipeError

    monkeypatch.setattr(show_bench, "session", gone)
    done = road.run(*SHORT, "--csv", tmp_path / "x.csv")
    assert done.code == 141
    assert (tmp_path / "x.csv").stat().st_size > 0


def test_strict_and_help_say_what_they_mean(road: Road) -> None:
    done = road.run(*SHORT, "--strict")
    assert done.code == MeasurementError.exit_code
    assert "--strict: " in done.err.splitlines()[-1]
    told = run_cli("bench", "--help").out
    assert "SERIAL[,...]|tcp:HOST:PORT|all|host" in told
    assert "10M" not in told


def test_litert_without_its_program_says_how_to_get_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from topformer_cli.bench.programs.store import find_runner
    from topformer_cli.errors import DeviceError

    monkeypatch.delenv("TOPFORMER_RUNNER", raising=False)
    with pytest.raises(DeviceError, match="runner fetch litert") as told:
        find_runner(None, tmp_path, ["arm64-v8a"], "litert")
    assert "tnn-home" not in str(told.value)
