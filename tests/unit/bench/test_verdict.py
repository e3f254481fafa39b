"""On invented streams of which the truth is known the verdict is right 99 times of 100."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.sample_streams import Machine, Times, with_samples, without_samples
from topformer_cli.bench.statistics.summary import summarise
from topformer_cli.bench.statistics.verdict import judge
from topformer_cli.results import CoreUse, Round

DRAWS = 100
RIGHT = 99
FREE = CoreUse("any")
Change = Callable[[Times, np.random.Generator], Times]


def steady(times: Times, _: np.random.Generator) -> Times:
    return times


def drifting_little(times: Times, rng: np.random.Generator) -> Times:
    return times * np.linspace(1, 1 + rng.uniform(-0.02, 0.02), times.size).reshape(times.shape)


def heating(times: Times, rng: np.random.Generator) -> Times:
    return times * np.linspace(1, 1 + rng.uniform(0.15, 0.5), times.size).reshape(times.shape)


def heating_each_round(times: Times, rng: np.random.Generator) -> Times:
    return times * np.linspace(1, rng.uniform(1.12, 1.3), times.shape[1])


def clocked_down_once(times: Times, rng: np.random.Generator) -> Times:
    start = rng.integers(times.size // 4, times.size * 6 // 10)
    slower = np.where(np.arange(times.size) < start, 1, rng.uniform(1.12, 1.6))
    return times * slower.reshape(times.shape)


def warming_up(times: Times, rng: np.random.Generator) -> Times:
    return times * np.linspace(rng.uniform(1.15, 1.5), 1, times.size).reshape(times.shape)


def changing_cores(times: Times, rng: np.random.Generator) -> Times:
    """Two speeds, of which each lasts for 1 to 20 inferences on average."""
    speed, share = rng.uniform(1.5, 1.8), rng.uniform(0.4, 0.7)
    slow = rng.random(times.size) < share
    stays = rng.random(times.size) >= 1 / rng.uniform(1, 20)
    for index in range(1, times.size):
        slow[index] = slow[index - 1] if stays[index] else slow[index]
    return times * np.where(slow, speed, 1).reshape(times.shape)


def one_slow_round(times: Times, rng: np.random.Generator) -> Times:
    slower = np.ones((times.shape[0], 1))
    slower[2] = rng.uniform(1.1, 1.3)
    return times * slower


def right_verdicts(change: Change, expected: str, told: bool) -> int:
    rng = np.random.default_rng(20220422)
    right = 0
    for _ in range(DRAWS):
        machine = Machine.drawn(rng)
        # Of means only, single slow inferences are no small matter: they have their own test.
        times = change((machine if told else replace(machine, outliers=0.0)).stream(rng), rng)
        rounds = with_samples(times) if told else without_samples(times)
        verdict, reasons = judge(rounds, summarise(rounds), FREE, emulated=False, complete=True)
        assert (verdict == "stable") == (reasons == ())
        right += verdict == expected
    return right


@pytest.mark.parametrize("told", [True, False], ids=["samples", "means"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (steady, "stable"),
        (drifting_little, "stable"),
        (heating, "throttled"),
        (clocked_down_once, "throttled"),
        (warming_up, "unstable"),
        (changing_cores, "unstable"),
        (one_slow_round, "unstable"),
    ],
)
def test_verdict_is_right(change: Change, expected: str, told: bool) -> None:
    assert right_verdicts(change, expected, told) >= RIGHT


def test_heat_that_every_pause_takes_away_is_seen_in_samples() -> None:
    assert right_verdicts(heating_each_round, "throttled", told=True) >= RIGHT


PINNED = CoreUse("7, prime", "80", "7", verified=True)
STRAYED = CoreUse("7, prime", "80", "0-7", verified=False)
EVEN = tuple(Round(50, 19.0, 21.0, mean) for mean in (20.0, 20.1, 20.05))
HOT = tuple(replace(one, throttled="limit 1.8 of 2.8 GHz") for one in EVEN)
APART = tuple(Round(50, 19.0, 25.0, mean) for mean in (20.0, 21.6, 20.0))


@pytest.mark.parametrize(
    ("rounds", "core", "emulated", "complete", "expected"),
    [
        (EVEN, PINNED, False, True, "stable"),
        (EVEN, CoreUse("any"), False, True, "stable"),
        (APART, PINNED, False, True, "unstable"),
        (HOT, PINNED, False, True, "throttled"),
        (HOT, STRAYED, False, True, "not pinned"),
        (EVEN, CoreUse("7, prime", "80"), False, True, "not pinned"),
        (EVEN, CoreUse("prime"), False, True, "not pinned"),
        (HOT, STRAYED, True, True, "emulated"),
        (HOT, STRAYED, True, False, "incomplete"),
        ((), PINNED, False, True, "incomplete"),
    ],
)
def test_the_first_reason_in_order_is_the_verdict(
    rounds: tuple[Round, ...], core: CoreUse, emulated: bool, complete: bool, expected: str
) -> None:
    summary = summarise(rounds)
    verdict, reasons = judge(rounds, summary, core, emulated=emulated, complete=complete)
    assert verdict == expected
    assert (reasons == ()) == (expected == "stable")


@pytest.mark.parametrize("change", [steady, heating, clocked_down_once])
def test_other_programs_on_the_core_are_told_and_are_no_heat(change: Change) -> None:
    rng = np.random.default_rng(5)
    rounds = with_samples(change(Machine.drawn(rng).stream(rng), rng))
    busy = [replace(rounds[0], crowded=0.0), *(replace(one, crowded=0.31) for one in rounds[1:])]
    verdict, reasons = judge(busy, summarise(busy), FREE, emulated=False, complete=True)
    assert verdict == "unstable"
    where = f"{len(busy) - 1} of {len(busy)} rounds"
    assert reasons[0] == f"other programs had the core for up to 31% of the time in {where}"
    alone = [replace(one, crowded=0.04) for one in rounds]
    [left, right] = [
        judge(some, summarise(some), FREE, emulated=False, complete=True)
        for some in (alone, rounds)
    ]
    assert left == right
    assert left[0] == ("stable" if change is steady else "throttled")


def reasons_of(*rounds: Round) -> str:
    summary = summarise(rounds)
    return "; ".join(judge(rounds, summary, PINNED, emulated=False, complete=True)[1])


def test_all_reasons_are_given_with_their_figures() -> None:
    rounds = tuple(replace(one, throttled="limit 1.8 of 2.8 GHz") for one in APART)
    verdict, reasons = judge(rounds, summarise(rounds), STRAYED, emulated=True, complete=False)
    assert verdict == "incomplete"
    assert reasons[:3] == (
        "only 3 rounds of those asked for came to an end",
        "instructions were translated on another processor",
        "core 7, prime (mask 80, but ran on 0-7)",
    )
    assert "round 2: limit 1.8 of 2.8 GHz" in reasons
    assert reasons[-1] == "rounds differ by 8.0% (20.0 ms to 21.6 ms)"


@pytest.mark.parametrize("count", [1, 2])
def test_few_rounds_without_samples_show_no_spread(count: int) -> None:
    rounds = [Round(50, 20.0, 21.0, 20.5)] * count
    assert "show no spread; at least 3 rounds do" in reasons_of(*rounds)


@pytest.mark.parametrize("count", [1, 2])
def test_few_rounds_with_samples_are_cut_in_thirds(count: int) -> None:
    rng = np.random.default_rng(count)
    even = with_samples(Machine(20, 0.01, 0.3, 0.0, 0.0, 120, count).stream(rng))
    assert reasons_of(*even) == ""
    bump = np.concatenate([np.full(40, 1.0), np.full(40, 1.09), np.full(40, 1.0)])
    uneven = with_samples(Machine(20, 0.01, 0.3, 0.0, 0.0, 120, count).stream(rng) * bump)
    assert "thirds of the rounds differ by" in reasons_of(*uneven)


def test_two_speeds_are_named() -> None:
    rng = np.random.default_rng(5)
    times = 20.1 * np.exp(0.005 * rng.standard_normal((5, 200)))
    times[:, ::3] *= 30.3 / 20.1
    words = reasons_of(*with_samples(times))
    assert (
        words
        == "two speeds: 20.1 ms and 30.3 ms, 34% at the slower (core migration, or another load)"
    )
    words = reasons_of(*without_samples(times))
    assert "above the minimum" in words
    assert "more than one speed" in words


def test_long_times_are_written_out() -> None:
    times = np.tile([1000.0, 1500.0], (3, 40))
    assert "two speeds: 1000.0 ms and 1500.0 ms" in reasons_of(*with_samples(times))


def test_a_step_down_tells_of_a_lower_clock() -> None:
    rng = np.random.default_rng(6)
    times = 20 * np.exp(0.005 * rng.standard_normal((5, 200)))
    times[3:] *= 1.5
    words = reasons_of(*with_samples(times))
    assert "slower than its first" in words
    assert "(a lower clock)" in words


def test_means_that_few_slow_inferences_move_say_so() -> None:
    rounds = [Round(50, 19.8, 62.0, mean) for mean in (20.0, 21.7, 20.0)]
    assert "which few slow inferences move" in reasons_of(*rounds)


def test_many_throttled_rounds_are_told_in_short() -> None:
    rounds = [replace(one, throttled="limit 1.8 of 2.8 GHz") for one in EVEN * 2]
    words = reasons_of(*rounds)
    assert "round 3: limit" in words
    assert "round 4" not in words
    assert words.endswith("3 more rounds were throttled: 4, 5, 6")
