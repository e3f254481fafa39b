"""Whether a number may be believed, with every reason why not in words and figures."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.bench.statistics.speeds import in_ms, two_speeds
from topformer_cli.bench.statistics.summary import (
    centres,
    crowded,
    figures_of,
    levels,
    spread,
    thirds,
)
from topformer_cli.results import CoreUse, Round, Summary, Verdict

STABLE_SPREAD: Final = 0.05
"""Rounds may differ by 5 %: the repetition bound of the MLPerf Mobile inference rules v4.0."""
DRIFT: Final = 0.05
"""The same bound for the last third of a run against its first."""
ABOVE_LEAST: Final = 0.15
"""A mean so far above the minimum tells of more than one speed where single times are not known:
noise of 2 % with one in fifty inferences taking three times as long comes to 0.11."""
TOLD_ROUNDS: Final = 3
"""Of more throttled rounds only the numbers are told."""
LEAST_IN_ROUND: Final = 30
"""Inferences that a round must have for its own thirds to be compared."""

ORDER: Final[tuple[Verdict, ...]] = (
    "incomplete",
    "emulated",
    "not pinned",
    "throttled",
    "unstable",
)
"""The first of these that has a reason is the verdict; without any reason it is `stable`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a number is not simply stable, and which verdict follows from that."""

    verdict: Verdict
    words: str


def judge(
    rounds: Sequence[Round],
    summary: Summary | None,
    core: CoreUse,
    *,
    emulated: bool,
    complete: bool,
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on a run and all reasons for it, those of the verdict first."""
    reasons = list(_of_setting(len(rounds), core, emulated, complete and summary is not None))
    if summary is not None:
        reasons += _of_heat(rounds)
        reasons += _of_load(rounds)
        reasons += _of_times(rounds, summary)
    reasons.sort(key=lambda one: ORDER.index(one.verdict))
    verdict = reasons[0].verdict if reasons else "stable"
    return verdict, tuple(dict.fromkeys(one.words for one in reasons))


def _of_setting(count: int, core: CoreUse, emulated: bool, complete: bool) -> Iterator[Reason]:
    if not complete:
        done = f"only {count} round{'s' if count != 1 else ''}" if count else "no round"
        yield Reason("incomplete", f"{done} of those asked for came to an end")
    if emulated:
        yield Reason("emulated", "instructions were translated on another processor")
    if core.asked != "any" and not core.verified:
        yield Reason("not pinned", core.describe())


def _of_heat(rounds: Sequence[Round]) -> Iterator[Reason]:
    hot = [(number, one.throttled) for number, one in enumerate(rounds, 1) if one.throttled]
    for number, why in hot[:TOLD_ROUNDS]:
        yield Reason("throttled", f"round {number}: {why}")
    if more := hot[TOLD_ROUNDS:]:
        numbers = ", ".join(str(number) for number, _ in more)
        yield Reason("throttled", f"{len(more)} more rounds were throttled: {numbers}")


def _of_load(rounds: Sequence[Round]) -> Iterator[Reason]:
    shares = [one.crowded for one in rounds if one.crowded is not None and crowded(one)]
    if shares:
        where = f"{len(shares)} of {len(rounds)} rounds"
        words = f"other programs had the core for up to {max(shares):.0%} of the time in {where}"
        yield Reason("unstable", words)


def _of_times(rounds: Sequence[Round], summary: Summary) -> Iterator[Reason]:
    speeds = two_speeds([one.samples_ms for one in rounds])
    mixed = speeds.describe() if speeds else _mixed(rounds)
    if mixed:
        yield Reason("unstable", mixed)
    if not mixed or (speeds and speeds.one_after_other):
        # Of two speeds that alternate, either may happen to fill a third.
        yield from _of_drift(rounds, heat=not any(crowded(one) for one in rounds))
    shown = levels(rounds)
    if len(shown) < 3:
        few = f"{len(rounds)} round{'s' if len(rounds) != 1 else ''}"
        if figures_of(rounds) == "inferences":
            few += f" of few inferences ({summary.count} in all)"
        yield Reason("unstable", f"{few} show no spread; at least 3 rounds do")
    elif summary.spread > STABLE_SPREAD:
        yield Reason("unstable", _apart(rounds, shown))


def _mixed(rounds: Sequence[Round]) -> str | None:
    """Tell means far above the minimum, all that betrays two speeds without single times.

    One such round may have met a few slow inferences, so two of them must be there.
    """
    if figures_of(rounds) != "round means":
        return None
    low, mean = sorted(
        ((one.min_ms, one.mean_ms) for one in rounds),
        key=lambda pair: pair[1] / pair[0] if pair[0] > 0 else 0.0,
    )[-2:][0]
    if low <= 0 or mean <= low * (1 + ABOVE_LEAST):
        return None
    return (
        f"means lie {mean / low - 1:.0%} above the minimum ({in_ms(mean)}, {in_ms(low)}): "
        "more than one speed, or another load"
    )


def _apart(rounds: Sequence[Round], shown: Sequence[float]) -> str:
    what = "rounds" if len(rounds) > 2 else "thirds of the rounds"
    words = f"{what} differ by {spread(shown):.1%} ({in_ms(min(shown))} to {in_ms(max(shown))})"
    if figures_of(rounds) == "round means" and max(one.max_ms for one in rounds) > 2 * min(shown):
        return f"{words}; these are means, which few slow inferences move"
    return words


def _of_drift(rounds: Sequence[Round], *, heat: bool) -> Iterator[Reason]:
    told = figures_of(rounds) == "inferences"
    values = [value for one in rounds for value in one.samples_ms] if told else centres(rounds)
    if len(values) >= 3:
        yield from _of_change(*_outer(values), "the run", heat=heat)
    parts = [one.samples_ms for one in rounds if len(one.samples_ms) >= LEAST_IN_ROUND]
    if len(parts) == len(rounds) > 1:
        pairs = [_outer(part) for part in parts]
        ordered = sorted(pairs, key=lambda pair: pair[1] / pair[0] if pair[0] > 0 else 1.0)
        first, last = ordered[len(pairs) // 2]
        yield from _of_change(first, last, "each round", heat=heat)


def _outer(values: Sequence[float]) -> tuple[float, float]:
    first, _, last = thirds(values)
    return statistics.median(first), statistics.median(last)


def _of_change(first: float, last: float, where: str, *, heat: bool) -> Iterator[Reason]:
    """Tell a change; becoming slower is put down to heat unless another load is known."""
    apart = f"({in_ms(first)}, then {in_ms(last)})"
    if last > first * (1 + DRIFT):
        slower = f"the last third of {where} is {last / first - 1:.1%} slower than its first"
        yield Reason("throttled" if heat else "unstable", f"{slower} {apart}")
    elif first > last * (1 + DRIFT):
        slower = f"the first third of {where} is {first / last - 1:.1%} slower than its last"
        yield Reason("unstable", f"{slower} {apart}: still warming up, or a load that ended")
