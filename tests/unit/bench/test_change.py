"""Slower counts only beyond the noise, between stable numbers under equal conditions."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.bench_sessions import PHONE, result, session
from topformer_cli.bench.sessions.change import Change, change, compare, require
from topformer_cli.bench.sessions.history import Past, entries_of
from topformer_cli.errors import ThresholdError
from topformer_cli.results import BenchResult, CoreUse, Verdict

OLD = result(43.0, seed=0)
NEW = result(47.0, seed=1)


def compared(old: BenchResult, new: BenchResult) -> Change:
    (found,) = compare(session(old), session(new))
    return found


def test_a_slower_network_is_a_regression() -> None:
    found = compared(OLD, NEW)
    assert found.regression
    assert found.ratio == pytest.approx(47 / 43, rel=0.01)
    assert "REGRESSION, 4" in found.describe()
    assert not (found.unequal)
    assert not (found.changed)
    assert not (found.doubts)


@pytest.mark.parametrize(
    ("ms", "direction"),
    [(43.0, "within noise"), (43.5, "within noise"), (45.5, "slower"), (40.0, "faster")],
)
def test_direction(ms: float, direction: str) -> None:
    assert compared(OLD, result(ms, seed=2)).direction == direction


def test_overlapping_intervals_are_noise_whatever_the_ratio() -> None:
    old, new = entries_of(session(OLD))[0], entries_of(session(NEW))[0]
    wide = replace(new, summary=replace(new.summary, low_ms=old.summary.high_ms - 0.01))
    assert change(old, wide).direction == "within noise"
    scattered = replace(new, summary=replace(new.summary, spread=0.2))
    found = change(old, scattered)
    assert (found.direction, found.noise) == ("within noise", 0.2)


@pytest.mark.parametrize(
    ("differ", "words"),
    [
        (lambda one: replace(one, precision="auto"), "precision fp32 -> auto"),
        (lambda one: replace(one, accelerator="gpu"), "accelerator cpu -> gpu"),
        (lambda one: replace(one, threads=4), "threads 1 -> 4"),
        (lambda one: replace(one, core=CoreUse("any")), "core 80 -> any"),
        (
            lambda one: replace(one, input_shape=(1, 3, 448, 448)),
            "input 1x3x512x512 -> 1x3x448x448",
        ),
        (lambda one: replace(one, output="labels"), "output logits at 1/8 -> labels"),
        (lambda one: replace(one, engine="LiteRT"), "engine TNN -> LiteRT"),
        (
            lambda one: replace(one, device=replace(PHONE, model="Two")),
            "device Acme One -> Acme Two",
        ),
        (lambda one: replace(one, device=replace(PHONE, serial="other")), "another Acme One"),
        (
            lambda one: replace(one, runner=replace(one.runner, kind="TNNTest")),
            "runner topformer-tnn -> TNNTest",
        ),
    ],
)
def test_unequal_conditions_are_named_and_never_a_regression(
    differ: Callable[[BenchResult], BenchResult], words: str
) -> None:
    found = compared(OLD, differ(NEW))
    assert found.direction == "slower"
    assert not found.regression
    assert words in found.unequal
    assert f"not under equal conditions: {words}" in found.describe()


def test_new_versions_and_files_are_named_and_count() -> None:
    new = replace(
        NEW,
        engine_version="next",
        runner=replace(NEW.runner, sha256="b" * 64),
        files={"tiny.tnnproto": "2" * 64},
    )
    found = compared(OLD, new)
    assert found.regression
    assert found.changed == ("engine version f0cb081 -> next", "runner program", "model files")


@pytest.mark.parametrize("verdict", ["unstable", "throttled", "not pinned", "incomplete"])
def test_doubtful_numbers_are_marked_and_do_not_count(verdict: Verdict) -> None:
    for old, new in (
        (OLD, replace(NEW, verdict=verdict)),
        (replace(OLD, verdict=verdict), NEW),
    ):
        found = compared(old, new)
        assert found.direction == "slower"
        assert not found.regression
        assert f"number is {verdict}" in found.describe()
        require([found], 0)


def test_emulated_numbers_do_not_count_even_among_themselves() -> None:
    both = [replace(one, emulated=True, verdict="emulated") for one in (OLD, NEW)]
    found = compared(both[0], both[1])
    assert found.doubts == ("old number is emulated", "new number is emulated")
    assert not found.regression


def test_fail_over_is_a_bound_on_regressions() -> None:
    found = compared(OLD, NEW)
    require([found], 15)
    with pytest.raises(ThresholdError, match=r"slower by more than 5 %.*REGRESSION") as caught:
        require([found], 5)
    assert caught.value.exit_code == 7
    require([compared(OLD, result(43.0, seed=3))], 0)


def test_without_a_like_one_the_nearest_is_taken() -> None:
    far = replace(OLD, precision="auto", threads=4)
    near = replace(OLD, precision="auto")
    (found,) = compare(session(near, far), session(NEW))
    assert found.unequal == ("precision auto -> fp32",)


def test_nothing_before_is_said() -> None:
    (found,) = compare(Past(()), session(NEW))
    assert found.describe().endswith("nothing to compare with")
    assert not found.regression
    assert compare(session(OLD), session(replace(NEW, summary=None))) == []
