"""Records of evaluations are read back whatever their task and version."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_evaluation_records import CLASSIFIED, DETECTED, SCORED, SEGMENTED
from topformer_cli.results.comparison import Beside, Comparison
from topformer_cli.results.kept import KeptEvaluation

COMPARISON = Comparison(
    beside=(Beside(source="paper Table 1", value=36.1, difference=-0.5),),
    nearest="paper Table 1",
    condition="if the file is the authors' own",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_every_task_is_read_back() -> None:
    for result in (SEGMENTED, CLASSIFIED, DETECTED):
        kept = KeptEvaluation.from_json(result.to_json())
        assert kept is not None
        assert kept.headline == result.headline
        assert (kept.model, kept.dataset, kept.images) == (result.model, "d", 3)
        assert kept.conditions == "d val, 3 images; p; weights w"


def test_what_is_not_known_is_passed_over_and_what_is_said_is_kept() -> None:
    record = SEGMENTED.to_json() | {"later": 1, "comparison": COMPARISON.to_json(), "notes": ["n"]}
    kept = KeptEvaluation.from_json(record)
    assert kept is not None
    assert kept.comparison == COMPARISON
    assert kept.conditions.endswith("weights w; n; if the file is the authors' own")


def test_what_is_no_evaluation_of_a_network_is_none() -> None:
    # The boxes of a results file are of no known network.
    assert KeptEvaluation.from_json(SCORED.to_json()) is None
    assert KeptEvaluation.from_json({"kind": "topformer bench"}) is None
    lacking = {key: value for key, value in SEGMENTED.to_json().items() if key != "protocol"}
    assert KeptEvaluation.from_json(lacking) is None
    assert KeptEvaluation.from_json(SEGMENTED.to_json() | {"miou": "much"}) is None


@given(JSON)
def test_nothing_that_a_file_holds_is_an_error(value: object) -> None:
    assert KeptEvaluation.from_json(value) is None
    assert Comparison.from_json(value) is None
    kept = KeptEvaluation.from_json(SEGMENTED.to_json() | {"comparison": value})
    assert kept is not None
    assert (kept.protocol, kept.comparison) == (SEGMENTED.protocol, None)
