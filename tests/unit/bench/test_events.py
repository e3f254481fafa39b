import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.runner_lines import ALLOWED, FAILED, TNN_LOG, WELL, call, done, told
from topformer_cli.bench.formats import events
from topformer_cli.errors import MeasurementError
from topformer_cli.results import Residency

START = {"event": "start", "runner": "some runner", "engine": "TNN", "origin": "abc", "pid": 1}
NANOSECONDS = st.integers(0, 10**11)
PARTS = st.lists(
    st.tuples(NANOSECONDS, st.integers(1, 10**11), NANOSECONDS), min_size=1, max_size=9
)


def run(at: int, parts: tuple[int, int, int] = (1, 2, 3)) -> dict[str, Any]:
    names = ("in_ns", "forward_ns", "out_ns")
    return {"event": "run", "at_ns": at, **dict(zip(names, parts, strict=True))}


def finish(count: int, **more: Any) -> dict[str, Any]:
    return {"event": "done", "iterations": count, **more}


def test_lines_of_the_real_runner_are_read() -> None:
    asked = call(warmup=2, warmup_s=0.1, iterations=3, per_layer=True)
    one = events.parse_round(done(ALLOWED + WELL, TNN_LOG), asked)
    assert one.samples_ms == (63.447571, 53.18147, 53.594075)
    assert (one.iterations, one.min_ms, one.max_ms, one.median_ms) == (
        3, 53.18147, 63.447571, 53.594075
    )  # fmt: skip
    assert one.forward_ms == (62.989508, 52.722996, 53.143883)
    assert (one.load_ms, one.first_ms, one.peak_kb) == (82.258348, 73.882755, 73024)
    assert one.started_s == 12647.740923861
    assert one.residency == Residency(((300000, 0), (576000, 0), (2841600, 170)), "timed")


def test_time_that_others_had_the_core_is_a_share_of_the_timed_region() -> None:
    runs = (START, run(0, (0, 400, 0)), run(500, (0, 500, 0)))
    for waited, share in ((250, 0.25), (0, 0.0), (2000, 1.0), (-1, None), ("1", None)):
        crowded = {"event": "crowded", "waited_ns": waited}
        one = events.parse_round(told(*runs, crowded, finish(2)), call(iterations=2))
        assert one.crowded == share
    assert events.parse_round(told(*runs, finish(2)), call(iterations=2)).crowded is None


def test_runner_says_what_it_is() -> None:
    assert events.tells(done(ALLOWED + WELL)) == {
        "origin": "f0cb08129a05",
        "fp16_kernels": False,
        "fp16_processor": False,
        "notes": [
            "no times of layers: this TNN was built without TNN_PROFILER_ENABLE "
            "(with GCC it also needs CMAKE_CXX_FLAGS='-include algorithm')"
        ],
    }


@given(PARTS, st.lists(st.text(max_size=40).filter(lambda text: "{" not in text), max_size=4))
def test_every_time_that_is_told_is_read(
    parts: list[tuple[int, int, int]], noise: list[str]
) -> None:
    told_runs, at = [], 5
    for one in parts:
        told_runs.append(run(at, one))
        at += sum(one)
    lines = [json.dumps(one) for one in (START, *told_runs, finish(len(parts)))]
    text = "\n".join([*noise, *lines, *noise])
    one_round = events.parse_round(done(text), call(iterations=len(parts)))
    assert one_round.samples_ms == tuple(sum(one) / 1e6 for one in parts)
    assert one_round.forward_ms == tuple(one[1] / 1e6 for one in parts)
    assert (one_round.load_ms, one_round.first_ms, one_round.residency) == (None, None, None)
    assert one_round.started_s == 5e-9


@given(st.text(max_size=300), st.text(max_size=300))
def test_anything_else_is_a_failed_run_in_one_line(stdout: str, stderr: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        events.parse_round(done(stdout, stderr), call())
    assert str(caught.value).isprintable()


@given(st.data())
def test_output_that_lost_its_end_is_never_a_round(data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(WELL) - 2))
    with pytest.raises(MeasurementError) as caught:
        events.parse_round(done(WELL[:kept]), call())
    assert str(caught.value).isprintable()


@given(st.data())
def test_a_changed_character_does_no_worse_than_a_measurement_error(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(WELL) - 1))
    text = WELL[:place] + data.draw(st.characters()) + WELL[place + 1 :]
    try:
        one = events.parse_round(done(text), call(iterations=3))
    except MeasurementError as error:
        assert str(error).isprintable()  # noqa: PT017 - most changes do no harm
    else:
        assert len(one.samples_ms) == 3
        assert min(one.samples_ms) > 0


@pytest.mark.parametrize(
    ("stdout", "words"),
    [
        (FAILED, r"failed: create the network: TNN code: 0x9000 msg: device is nil"),
        ("", r"did not begin as one; it printed: nothing"),
        ("read proto_file failed!\n", r"did not begin as one; it printed: read proto_file failed!"),
        (WELL[WELL.index("\n") + 1 :], "did not begin as one"),
        (WELL + WELL, "did not begin as one"),
        (WELL.replace('"done"', '"gone"'), "ended before it was done"),
        (WELL.replace('"iterations":3', '"iterations":4'), "counted 4 inferences and told 3"),
        (WELL.replace('"warm","iterations":2', '"warm","iterations":1'), "with 1 inferences, 2"),
        (WELL.replace('"in_ns":160820', '"in_ns":-1'), "times that are none"),
        (WELL.replace('"in_ns":160820', '"in_ns":"160820"'), "times that are none"),
        (WELL.replace('"in_ns":160820', '"in_ns":true'), "times that are none"),
        (WELL.replace('"in_ns":160820', '"in_ns":3600000000000'), "times that are none"),
        (WELL.replace('"in_ns":160820,', ""), "times that are none"),
        (WELL.replace('"at_ns":12647804376710', '"at_ns":12647740923862'), "but the next began"),
        (WELL.replace('"ms":82.258348', '"ms":NaN'), r"none: loaded nan ms"),
        (WELL.replace('"ms":73.882755', '"ms":-1'), r"none: first -1 ms"),
        (WELL.replace('"at_ns":12647804376710,', '"at_ns":12647804376'), "damaged line"),
    ],
)
def test_runs_that_must_not_be_believed(stdout: str, words: str) -> None:
    with pytest.raises(MeasurementError, match=words) as caught:
        events.parse_round(done(stdout), call(warmup=2, iterations=3))
    assert str(caught.value).isprintable()


def test_fewer_and_shorter_than_asked_is_refused() -> None:
    with pytest.raises(MeasurementError, match="told 3; 4 were asked for"):
        events.parse_round(done(WELL), call(iterations=4))
    with pytest.raises(MeasurementError, match=r"ran 0\.17 s, 0\.3 s were asked for"):
        events.parse_round(done(WELL), call(seconds=0.3))
    assert events.parse_round(done(WELL), call(seconds=0.17)).iterations == 3


def test_done_and_then_a_bad_end_is_refused() -> None:
    with pytest.raises(MeasurementError, match="was done, then ended with code 3"):
        events.parse_round(done(WELL, returncode=3), call())


def test_killed_run_keeps_what_it_told() -> None:
    cut = WELL[: WELL.index('"forward_ns":53143883') + 4]
    partial = events.parse_partial(cut)
    assert partial is not None
    assert partial.samples_ms == (63.447571, 53.18147)
    assert events.parse_partial(WELL[:200]) is None


@pytest.mark.parametrize("texts", [("",), ("300 1\n",), ("300 1\n", "500 2\n"), ("300 2", "300 1")])
def test_residency_that_cannot_be_read_is_none(texts: tuple[str, ...]) -> None:
    spoken = [{"event": "residency", "text": text} for text in texts]
    one = events.parse_round(told(START, *spoken, run(7), finish(1)), call())
    assert one.residency is None


def test_memory_that_is_not_told_is_none() -> None:
    for more in ({}, {"peak_kb": 0}, {"peak_kb": "many"}):
        one = events.parse_round(told(START, run(7), finish(1, **more)), call())
        assert one.peak_kb is None
