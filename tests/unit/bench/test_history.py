"""The store keeps every line that was written whole, and tells of the others."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.bench_sessions import PHONE, result, session
from topformer_cli.bench.sessions.history import SCHEMA, Entry, History, device_id, entries_of
from topformer_cli.errors import DataError, MeasurementError


def entry(seed: int = 0) -> Entry:
    return entries_of(session(result(seed=seed)), Path("runs/bench/a.json"))[0]


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    store = History(tmp_path / "deep" / "history.jsonl")
    assert store.read().entries == ()
    store.append([])
    assert not store.path.exists()
    store.append([entry(0)])
    store.append([entry(1), entry(2)])
    past = store.read()
    assert past.entries == (entry(0), entry(1), entry(2))
    assert past.problems == ()
    assert past.entries[0].path == str(Path("runs/bench/a.json"))


def test_a_result_without_latency_leaves_no_entry() -> None:
    assert Entry.of(replace(result(), summary=None)) is None


@pytest.mark.parametrize("keep", [1, 40, -2])
def test_a_torn_last_line_is_told_and_costs_nothing_else(tmp_path: Path, keep: int) -> None:
    store = History(tmp_path / "history.jsonl")
    store.append([entry(0)])
    whole = store.path.read_bytes()
    store.path.write_bytes(whole + whole[:keep])
    past = store.read()
    assert past.entries == (entry(0),)
    assert [problem.split(": ")[1] for problem in past.problems] == ["it is cut off or damaged"]
    assert "line 2" in past.problems[0]
    store.append([entry(1)])
    past = store.read()
    assert past.entries == (entry(0), entry(1))
    assert len(past.problems) == 1


def test_a_line_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    store = History(tmp_path / "history.jsonl")
    store.append([entry(0)])
    store.path.write_bytes(store.path.read_bytes()[:-1])
    store.append([entry(1)])
    past = store.read()
    assert past.entries == (entry(0), entry(1))
    assert past.problems == ()


def test_lines_of_other_schemas_and_forms_are_told(tmp_path: Path) -> None:
    store = History(tmp_path / "history.jsonl")
    store.append([entry(0)])
    with store.path.open("ab") as file:
        file.write(b'{"schema": 99}\n[]\n{"schema": %d, "model": 3}\n\xff\n' % SCHEMA)
    problems = store.read().problems
    assert len(problems) == 4
    assert "schema 99" in problems[0]
    assert "model" in problems[2]


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    store = History(tmp_path / "history.jsonl")
    code = (
        "import sys; from pathlib import Path; from tests.unit.bench.test_history import entry\n"
        "from topformer_cli.bench.sessions.history import History\n"
        "[History(Path(sys.argv[1])).append([entry(int(sys.argv[2]))]) for _ in range(20)]"
    )
    words = [[sys.executable, "-c", code, str(store.path), str(seed)] for seed in range(3)]
    running = [subprocess.Popen(one, cwd=Path(__file__).parents[3]) for one in words]
    assert [one.wait() for one in running] == [0, 0, 0]
    past = store.read()
    assert past.problems == ()
    assert [past.entries.count(entry(seed)) for seed in range(3)] == [20, 20, 20]


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = History(tmp_path / "file" / "history.jsonl")
    with pytest.raises(MeasurementError, match=r"history\.jsonl"):
        store.append([entry()])
    with pytest.raises(DataError, match="cannot read"):
        store.read()


def test_last_like_is_the_last_stable_one_of_the_same_kind(tmp_path: Path) -> None:
    store = History(tmp_path / "history.jsonl")
    hot = replace(entry(3), verdict="throttled")
    other = replace(entry(4), model="other")
    store.append([entry(0), entry(1), hot, other])
    assert store.read().last_like(entry(5)) == entry(1)
    assert store.read().last_like(hot) == entry(1)
    assert store.read().last_like(replace(entry(5), model="new")) is None
    assert History(store.path).read().last_like(replace(entry(5), device_id="0")) is None


def test_equal_phones_are_told_apart_without_their_serial(tmp_path: Path) -> None:
    store = History(tmp_path / "history.jsonl")
    store.append([entry()])
    assert str(PHONE.serial) not in store.path.read_text()
    assert device_id(PHONE) != device_id(replace(PHONE, serial="R58M12ABCDF"))
    assert device_id(PHONE) == device_id(replace(PHONE, boot_id="x", release="13"))
