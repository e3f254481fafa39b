from dataclasses import replace

from topformer_cli.results.sweep import SweepPoint, best_under, frontier

BASE = SweepPoint(
    label="tiny-256", size="tiny", input=(256, 256), engine="TNN", precision="fp32",
    device="Acme One", median_ms=12.0, miou=25.0, multiply_adds=150_000_000,
)  # fmt: skip
SLOW = replace(BASE, label="slow", median_ms=30.0, miou=24.0)
GOOD = replace(BASE, label="good", median_ms=31.0, miou=33.0)
SHAKY = replace(BASE, label="shaky", median_ms=11.0, miou=34.0, verdict="unstable")


def test_frontier_holds_what_nothing_beats() -> None:
    assert frontier([SLOW, GOOD, BASE]) == [BASE, GOOD]
    assert frontier([]) == []


def test_best_under_a_budget_is_a_stable_one() -> None:
    points = [SLOW, GOOD, BASE, SHAKY]
    assert best_under(points, 40) == GOOD
    assert best_under(points, 20) == BASE
    assert best_under(points, 5) is None


def test_without_any_accuracy_work_counts() -> None:
    rough = [replace(one, miou=None) for one in (BASE, replace(GOOD, multiply_adds=600_000_000))]
    assert frontier(rough) == rough
    assert frontier([*rough, GOOD]) == [GOOD]
