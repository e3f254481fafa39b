"""The ledger's record: what it says, and that it is read back or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.results.ledger import (
    Departure,
    Ledger,
    Norm,
    Spread,
    Start,
    TrainingData,
    plain,
)

LEDGER = Ledger(
    recipe="ade20k", size="tiny", preset="code", preset_sets={"optimizer.lr": 3e-4},
    departures=(Departure("augment.crop", [512, 512], [64, 64]), Departure("batch", 16, 2)),
    start=Start(kind="imagenet", file="topformer-T.pth", task="classification", dataset="imagenet"),
    spread=Spread(batch=2, per_device=2), amp="fp32", seed=0,
    data=TrainingData(name="ade20k", fingerprint="ab" * 32, partial="partial: train 4 of 20210"),
    versions={"topformer": "0.1", "torch": "2.9"},
)  # fmt: skip


def test_it_is_told_in_lines() -> None:
    assert dict(LEDGER.lines()) == {
        "recipe": "ade20k, tiny",
        "preset": "code: optimizer.lr 0.0003",
        "departs in": "augment.crop [64, 64] (preset [512, 512]); batch 2 (preset 16)",
        "began with": "foreign ImageNet weights (topformer-T.pth)",
        "global batch": "2 images: 2 a device, 1 accumulated, 1 processes",
        "batch norm": "plain, over 2 images",
        "amp, seed": "fp32, 0",
        "data": "ade20k abababababababab, partial: train 4 of 20210",
        "versions": "topformer 0.1, torch 2.9",
    }


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (Start(), "nothing: trained from scratch"),
        (Start(kind="unknown", file="w.pth"), "weights of unknown origin (w.pth)"),
        (
            Start(kind="other", file="w", task="segmentation", dataset="ade20k", ours=True),
            "topformer's own weights for segmentation on ade20k (w)",
        ),
        (
            Start(kind="imagenet", file="w", ours=True, left=3),
            "topformer's own ImageNet weights (w), 3 tensors of the backbone left as drawn",
        ),
    ],
)
def test_starts_are_told(start: Start, said: str) -> None:
    assert str(start) == said


@pytest.mark.parametrize(
    ("spread", "images", "said"),
    [
        (
            Spread(batch=16, per_device=4, processes=4, norm="sync"),
            16,
            "synchronised, over 16 images",
        ),
        (Spread(batch=16, per_device=4, processes=4), 4, "plain, over 4 images"),
        (
            Spread(batch=16, per_device=2, accumulation=3, processes=3, norm="sync"),
            6,
            "synchronised, over 6 images",
        ),
        (Spread(batch=16, per_device=4, accumulation=4), 4, "plain, over 4 images"),
        (Spread(batch=16, per_device=4, accumulation=4, norm="frozen"), 0, "frozen"),
    ],
)
def test_spreads_are_told(spread: Spread, images: int, said: str) -> None:
    assert (spread.norm_images, spread.norm_text) == (images, said)


@pytest.mark.parametrize(
    ("value", "text"),
    [(3e-4, "0.0003"), ([1, 0.5], "[1, 0.5]"), (True, "true"), (None, "unset"), ("a", "a")],
)
def test_values_are_told_as_people_type_them(value: Any, text: str) -> None:
    assert plain(value) == text


@given(
    per_device=st.integers(1, 64),
    processes=st.integers(1, 64),
    norm=st.sampled_from(["plain", "sync", "frozen"]),
    seed=st.integers(0, 2**31),
    changes=st.lists(st.text(max_size=20), max_size=3),
)
def test_it_survives_json(
    per_device: int, processes: int, norm: Norm, seed: int, changes: list[str]
) -> None:
    ledger = Ledger(
        recipe="r", size="base", preset="paper", preset_sets={}, departures=LEDGER.departures,
        start=LEDGER.start, amp="bf16", seed=seed, data=LEDGER.data, versions={},
        spread=Spread(batch=64, per_device=per_device, processes=processes, norm=norm),
        changes=tuple(changes),
    )  # fmt: skip
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": 2}, {"start": None}, {"start": {"colour": 1}}, {"departures": [3]},
        {"spread": {}}, {"colour": "red"}, {"data": {"name": "x"}},
    ],
)  # fmt: skip
def test_what_is_no_ledger_is_none(changed: dict[str, Any]) -> None:
    assert Ledger.from_json(LEDGER.to_json() | changed) is None


@pytest.mark.parametrize("record", [None, 3, [], {}, "ledger"])
def test_other_things_are_no_ledger(record: Any) -> None:
    assert Ledger.from_json(record) is None


@pytest.mark.parametrize("missing", ["recipe", "departures", "start", "spread", "changes"])
def test_a_ledger_with_a_hole_is_none(missing: str) -> None:
    record = LEDGER.to_json()
    del record[missing]
    assert Ledger.from_json(record) is None
