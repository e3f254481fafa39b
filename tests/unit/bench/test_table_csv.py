import csv
import io
from dataclasses import replace

import pytest

from tests.fakes.bench_sessions import result, session
from topformer_cli.bench.sessions.table_csv import COLUMNS, session_csv
from topformer_cli.results import BenchSession


def rows(of: BenchSession) -> list[dict[str, str]]:
    text = session_csv(of)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_inference_has_a_row() -> None:
    one = result()
    found = rows(session(one))
    samples = [ms for part in one.rounds for ms in part.samples_ms]
    assert [float(row["ms"]) for row in found] == samples
    assert {row["row_is"] for row in found} == {"inference"}
    assert found[0]["at_s"] == "0.0"
    assert float(found[1]["at_s"]) == pytest.approx(samples[0] / 1000, abs=1e-6)
    assert (found[0]["device"], found[0]["serial"]) == ("Acme One", "R58M12ABCDE")
    assert (found[0]["core"], found[0]["input"]) == ("7, prime", "1x3x512x512")


def test_a_runner_without_samples_gives_a_row_for_each_round() -> None:
    one = result(told=False)
    found = rows(session(one))
    assert [row["row_is"] for row in found] == ["round mean"] * 5
    assert [float(row["ms"]) for row in found] == [part.mean_ms for part in one.rounds]
    assert {row["inference"] for row in found} == {""}
    medians = replace(one, rounds=tuple(replace(part, median_ms=9.0) for part in one.rounds))
    assert {(row["row_is"], row["ms"]) for row in rows(session(medians))} == {
        ("round median", "9.0")
    }


def test_rounds_set_aside_and_names_with_commas_are_kept_apart() -> None:
    one = replace(result(told=False), model='a, "b"\nc')
    one = replace(one, set_aside=(replace(one.rounds[0], throttled="hot, very"),))
    found = rows(session(one))
    assert {row["model"] for row in found} == {'a, "b"\nc'}
    assert [row["set_aside"] for row in found] == ["no"] * 5 + ["yes"]
    assert found[-1]["round_throttled"] == "hot, very"


def test_forward_times_stand_beside_their_inference() -> None:
    one = result()
    part = one.rounds[0]
    forward = tuple(ms - 1 for ms in part.samples_ms)
    found = rows(session(replace(one, rounds=(replace(part, forward_ms=forward),))))
    assert [float(row["forward_ms"]) for row in found] == list(forward)


def test_a_session_without_results_has_its_header() -> None:
    assert rows(BenchSession(())) == []
