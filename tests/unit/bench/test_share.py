"""What is given away names no phone, person, place or hour, and has the documented form."""

import json
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.fakes.bench_sessions import BOOTED_S, PHONE, result, session
from topformer_cli.bench.sessions.share import (
    SCHEMA_FILE,
    SharedSession,
    schema_text,
    shared_record,
)
from topformer_cli.results import BenchSession, CoreUse, LayerTime, Ratio

BASE = result()
NAMES = st.text(string.ascii_letters + string.digits + "-_.:", min_size=9, max_size=24).map(
    lambda text: f"q{text}z"
)
FOLDERS = st.lists(
    st.text(string.ascii_letters + string.digits + "-_.", min_size=3, max_size=9), min_size=2
).map(lambda parts: "/".join(["", *(f"q{part}z" for part in parts)]))
WINDOWS = FOLDERS.map(lambda path: "C:" + path.replace("/", "\\"))


def everywhere(secrets: list[str]) -> BenchSession:
    """Return a session that says all secrets in every free text that it has."""
    said = f"on {', '.join(secrets)}: left over in {' and '.join(secrets)}."
    one = replace(
        BASE,
        device=replace(PHONE, serial=secrets[0], fingerprint=secrets[1], boot_id=secrets[2]),
        rounds=tuple(replace(one, throttled=said) for one in BASE.rounds),
        core=CoreUse(said, "80", "7", True),
        runner=replace(BASE.runner, origin=said),
        card={**BASE.card, "dataset": said, said: [said]},
        layers=(LayerTime(said, "Conv", 1.0),),
        engine_facts={"says": {"deep": [said]}, said: said},
        reasons=(said,),
        notes=tuple(secrets),
    )
    return BenchSession((one,), (Ratio(said, "b", 1.0, 1.0, 1.0, 0.5),))


@given(NAMES, NAMES, NAMES, FOLDERS, WINDOWS)
def test_no_private_word_is_left_anywhere(
    serial: str, fingerprint: str, boot: str, path: str, other: str
) -> None:
    secrets = [serial, fingerprint, boot, path, other]
    record = shared_record(everywhere(secrets))
    text = json.dumps(record, ensure_ascii=False).casefold()
    for secret in secrets:
        assert json.dumps(secret, ensure_ascii=False)[1:-1].casefold() not in text
    TypeAdapter(SharedSession).validate_python(record)


def test_words_of_the_caller_and_addresses_are_replaced() -> None:
    notes = ("pushed net-of-jane to 192.168.1.23:5555", f"log in {Path.home()}/logs/a.txt")
    record = shared_record(session(replace(BASE, notes=notes)), private=["net-of-jane"])
    assert record["results"][0]["notes"] == [
        "pushed <private> to <address>",
        "log in <home><path>",
    ]


def test_what_was_measured_is_kept() -> None:
    record = shared_record(session(BASE))
    one = record["results"][0]
    assert one["card"] == json.loads(json.dumps(dict(BASE.card)))
    assert one["device"]["manufacturer"] == "Acme"
    assert one["output"] == "logits at 1/8"
    assert one["runner"]["sha256"] == BASE.runner.sha256
    assert one["rounds"][0]["samples_ms"] == list(BASE.rounds[0].samples_ms)
    assert BASE.summary is not None
    assert one["summary"]["median_ms"] == BASE.summary.median_ms


def test_neither_hour_nor_time_since_boot_is_told() -> None:
    record = shared_record(session(BASE))
    one = record["results"][0]
    assert one["date"] == BASE.started[:10]
    assert BASE.started not in json.dumps(record)
    assert one["rounds"][0]["started_s"] == 0
    seen = [reading["at_s"] for part in one["rounds"] for reading in part["readings"]]
    assert all(-5 < at_s < BOOTED_S / 10 for at_s in seen)


def test_a_machine_called_like_a_word_of_the_record_breaks_nothing() -> None:
    one = replace(BASE, device=replace(PHONE, serial="stable"), notes=("stable left",))
    record = shared_record(session(one))
    TypeAdapter(SharedSession).validate_python(record)
    assert record["results"][0]["verdict"] == BASE.verdict
    assert record["results"][0]["notes"] == ["<serial> left"]


def bare(part: Any) -> Any:
    """Return a schema without what older versions of pydantic leave out."""
    if isinstance(part, list):
        return [bare(one) for one in part]
    if not isinstance(part, dict):
        return part
    left_out = {"additionalProperties", "description"} if "properties" in part else set()
    return {name: bare(one) for name, one in part.items() if name not in left_out}


def test_schema_file_is_that_of_the_types() -> None:
    # After a change of the types: SCHEMA_FILE.write_text(schema_text()), and a higher version.
    assert bare(json.loads(SCHEMA_FILE.read_text())) == bare(json.loads(schema_text()))


@pytest.mark.parametrize(
    "change", [{"schema": 2}, {"kind": "other"}, {"owner": "jane"}, {"results": [{}]}]
)
def test_other_forms_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SharedSession).validate_python({**shared_record(session(BASE)), **change})
