"""Curves are read as they were written, whatever happened to the file."""

import json
from pathlib import Path

from topformer_cli.report.records import Curves, ReportData, read_curves
from topformer_cli.results import StepRecord


def _step(step: int, loss: float) -> str:
    return json.dumps(StepRecord(step, loss, 1e-3, 50.0, 0).to_json())


def test_loss_and_miou_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    evaluation = json.dumps({"kind": "eval", "step": 40, "miou": 33.5})
    path.write_text("\n".join([_step(20, 1.5), _step(40, 0.75), evaluation]) + "\n")
    rates = ((20, 1e-3), (40, 1e-3))
    assert read_curves(path) == Curves(((20, 1.5), (40, 0.75)), ((40, 33.5),), rates)


def test_a_missing_and_an_empty_file_give_empty_curves(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    assert read_curves(tmp_path / "none.jsonl") == Curves()
    assert read_curves(tmp_path / "empty.jsonl") == Curves()


def test_lines_that_are_not_whole_give_no_point(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [_step(20, 1.5), "", "[]", '{"kind": "eval", "step": 30}', _step(40, 0.5)[:-9]]
    path.write_text("\n".join(lines))
    assert read_curves(path) == Curves(((20, 1.5),), (), ((20, 1e-3),))


def test_the_later_of_two_lines_of_a_step_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join([_step(40, 9.0), _step(20, 2.0), _step(40, 1.0)]))
    assert read_curves(path).loss == ((20, 2.0), (40, 1.0))


def test_sizes_and_the_worst_parity(data: ReportData) -> None:
    assert data.megabytes(".onnx") == 5.53
    assert data.megabytes(".tnnproto", ".tnnmodel") == 5.481
    assert data.worst_parity == 7.8e-7


def test_good_enough_is_the_threshold_itself_or_more(data: ReportData, poor: ReportData) -> None:
    assert data.good_enough
    assert not poor.good_enough
