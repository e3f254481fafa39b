"""Where a measurement goes, and that it goes somewhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.bench_sessions import result, session
from topformer_cli.api.bench_records import earlier, keep_session, require_place
from topformer_cli.api.places import Places
from topformer_cli.errors import UsageError
from topformer_cli.results import BenchSession


def test_a_session_is_kept_and_remembered(tmp_path: Path) -> None:
    places = Places(tmp_path / "runs")
    require_place(places)
    kept = keep_session(session(), "net", places)
    assert kept.problem is None
    assert kept.record is not None
    assert kept.record == tmp_path / "runs/bench/net-001/result.json"
    assert BenchSession.from_json(json.loads(kept.record.read_text())) == session()
    assert len(earlier("LAST", places).entries) == len(session().results)
    assert list(kept.record.parent.parent.glob("tmp*")) == []


def test_a_place_that_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    words = r"--work-dir .*runs: cannot write into .*name another place"
    with pytest.raises(UsageError, match=words):
        require_place(Places(tmp_path / "runs"))


def test_a_measurement_outlives_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").write_text("became a file meanwhile")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = keep_session(session(), "net", Places(tmp_path / "runs"))
    assert kept.problem is not None
    assert "could not be kept in" in kept.problem
    assert kept.record is not None
    assert kept.record.parent.parent == tmp_path
    assert BenchSession.from_json(json.loads(kept.record.read_text())) == session()


def test_what_one_phone_finished_is_remembered_without_the_other(tmp_path: Path) -> None:
    places = Places(tmp_path / "runs")
    broken = replace(result(seed=1), verdict="incomplete", model="broken")
    keep_session(replace(session(result(), broken), finished=False), "net", places)
    assert [one.model for one in earlier("LAST", places).entries] == [result().model]
