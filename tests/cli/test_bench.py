"""`topformer bench` on this host: engines, what it writes, comparisons and thresholds."""

import csv
import importlib.util
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Road

FAST = (
    "--device", "host", "--rounds", "3", "--iterations", "5", "--seconds", "0",
    "--warmup-seconds", "0", "--warmup", "1",
)  # fmt: skip


def well(done: Ran) -> Ran:
    assert done.code == 0, done.err
    return done


def last_line(done: Ran, code: int) -> str:
    assert done.code == code, done.err
    return done.err.splitlines()[-1]


@pytest.fixture(scope="module")
def manifest(road: Road) -> Path:
    """The export of the road's run."""
    [path] = (path for path in road.latest.glob("export/*.json") if "tiny" in path.name)
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, ...]:
    """A work folder of its own, so that no other measurement is in its history."""
    return ("--work-dir", str(tmp_path / "runs"))


def bench(road: Road, *words: str | Path) -> Ran:
    return road.run("bench", *words, *FAST, work_dir=False)


def test_pytorch_runs_the_checkpoint_and_no_export(road: Road, manifest: Path) -> None:
    words = ("bench", road.latest, "--engine", "torch", "--json", *FAST, "--rounds", "1")
    [result] = well(road.run(*words)).record["results"]
    assert (result["engine"], result["runner"]["kind"]) == ("PyTorch", "torch")
    assert result["engine_version"].startswith("torch ")
    assert result["parity"]["relative"] < 1e-4
    refused = road.run("bench", manifest, "--engine", "torch", *FAST)
    assert "is an export; --engine torch takes a run or a checkpoint" in last_line(refused, 2)


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("ai_edge_litert", "litert_torch"))),
    reason="needs the extra litert",
)
def test_litert_runs_its_own_export(road: Road, tmp_path: Path) -> None:
    well(road.run("export", "--format", "onnx,tflite", "--output-dir", tmp_path))
    [path] = tmp_path.glob("*.json")
    [result] = well(bench(road, path, "--engine", "litert", "--json")).record["results"]
    assert result["engine"] == "LiteRT"
    assert result["parity"]["relative"] < 5e-4


def test_engine_without_its_files_says_what_to_type(road: Road, manifest: Path) -> None:
    line = last_line(bench(road, manifest, "--engine", "litert"), 2)
    assert "has no tflite files" in line
    assert "topformer export --format tflite" in line


def test_what_was_asked_for_is_written(
    road: Road, manifest: Path, runs: tuple[str, ...], tmp_path: Path
) -> None:
    names = {name: tmp_path / f"files.{name}" for name in ("csv", "png", "json")}
    words = ("--csv", names["csv"], "--plot", names["png"], "--share", names["json"])
    done = well(bench(road, manifest, *runs, *words))
    with names["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["round"], row["inference"]) for row in rows] == [
        (str(one), str(number)) for one in (1, 2, 3) for number in (1, 2, 3, 4, 5)
    ]
    assert names["png"].read_bytes().startswith(b"\x89PNG")
    shared = json.loads(names["json"].read_text())
    assert shared["kind"] == "topformer shared bench"
    assert str(tmp_path) not in names["json"].read_text()
    for path in names.values():
        assert f"written: {path}" in done.err
    assert re.search(r"^ *1 +5 ", done.out, re.MULTILINE)  # round 1, five inferences
    assert "output agrees with the reference" in done.out
    svg = tmp_path / "plot.svg"
    well(bench(road, manifest, *runs, "--plot", svg, "--json"))
    assert "<svg" in svg.read_text()


def test_a_plot_of_another_format_is_refused_before_anything(
    road: Road, manifest: Path, runs: tuple[str, ...], tmp_path: Path
) -> None:
    line = last_line(bench(road, manifest, *runs, "--plot", tmp_path / "plot.pdf"), 2)
    assert "give a name that ends with .png or .svg" in line
    assert list(tmp_path.iterdir()) == []


def test_comparing_with_the_last_and_with_a_file(
    road: Road, manifest: Path, runs: tuple[str, ...], tmp_path: Path
) -> None:
    first = bench(road, manifest, *runs, "--compare", "LAST")
    assert "nothing was measured under" in last_line(first, 3)
    well(bench(road, manifest, *runs))
    again = well(bench(road, manifest, *runs, "--compare", "LAST"))
    [change] = re.findall(r"^.* onnxruntime fp32: .*$", again.out, re.MULTILINE)
    assert re.search(r"\d+\.\d\d ms on \S+ -> \d+\.\d\d ms, [-+]\d+\.\d%", change)
    # As if it had run a hundred times as fast, and stably.
    record = json.loads((tmp_path / "runs" / "bench" / "latest" / "result.json").read_text())
    [result] = record["results"]
    for name in ("median_ms", "low_ms", "high_ms", "min_ms", "max_ms", "mean_ms"):
        result["summary"][name] /= 100
    result |= {"verdict": "stable", "reasons": []}
    (tmp_path / "old.json").write_text(json.dumps(record))
    words = ("--compare", tmp_path / "old.json", "--fail-over", "10", "--json")
    slow = bench(road, manifest, *runs, *words)
    [now] = slow.record["results"]
    # A number that is not stable is compared, and fails nothing.
    assert slow.code == (7 if now["verdict"] == "stable" else 0)


def test_fail_over_needs_something_to_compare_with(road: Road, manifest: Path) -> None:
    line = last_line(bench(road, manifest, "--fail-over", "5"), 2)
    assert "--fail-over goes with --compare" in line


def test_strict_accepts_only_stable_numbers(
    road: Road, manifest: Path, runs: tuple[str, ...]
) -> None:
    words = ("--strict", "--json", "--rounds", "1", "--iterations", "2")
    done = road.run("bench", manifest, *runs, *FAST, *words, work_dir=False)
    [result] = done.record["results"]
    assert result["verdict"] != "stable"  # one round of two inferences shows no spread
    assert f"--strict: {result['model']} onnxruntime fp32: unstable" in last_line(done, 6)
