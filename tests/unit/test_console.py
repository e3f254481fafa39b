"""What goes to which stream, and how it looks where nothing can be redrawn."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from topformer_cli import console


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    console.set_verbosity(0)


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the streams that pytest captures pass as a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("mIoU 61.20")
    console.note("taking the latest run")
    console.warn("partial set")
    console.detail("only with -v")
    written = capsys.readouterr()
    assert written.out == "mIoU 61.20\n"
    assert written.err == "taking the latest run\nwarning: partial set\n"


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.result_json({"name": "straße [bold]", "iou": [1.5, None]})
    written = capsys.readouterr()
    assert json.loads(written.out) == {"name": "straße [bold]", "iou": [1.5, None]}
    assert written.err == ""


def test_results_make_room_for_a_picture_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with console.results_beside(picture=True):
        console.result("seen.png  sky 61%")
        console.result_json({"sky": 0.61})
    console.result("after it")
    written = capsys.readouterr()
    assert written.out == "after it\n"
    first, rest = written.err.split("\n", 1)
    assert first == "seen.png  sky 61%"
    assert json.loads(rest) == {"sky": 0.61}


def test_brackets_and_long_lines_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "runs/[red]x[/red]/" + "long " * 60 + ":smile:"
    console.result(text)
    console.note(text)
    written = capsys.readouterr()
    assert written.out == written.err == text + "\n"


def test_verbosity(capsys: pytest.CaptureFixture[str]) -> None:
    console.set_verbosity(-1)
    console.note("hidden")
    console.warn("shown")
    with console.progress("train") as update:
        update(1, 2)
    console.set_verbosity(1)
    console.detail("shown too")
    assert capsys.readouterr().err == "warning: shown\nshown too\n"


def test_plain_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("train", "steps") as update:
        for step in range(10, 101, 10):
            update(step, 100, "loss 1.0")
            now[0] += 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("train 40/100 steps, ")
    assert lines[0].endswith(" left loss 1.0")
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


def test_plain_progress_of_a_resumed_run_counts_only_what_it_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("train", "steps") as update:
        update(1000, 1020)
        now[0] = 10.0
        update(1010, 1020)
    assert capsys.readouterr().err == "train 1010/1020 steps, 0:10 left\n"


def test_a_total_that_is_not_known_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("detect", "frames") as update:
        update(1, 0)
        now[0] = 10.0
        update(11, 0)
    assert capsys.readouterr().err == "detect 11 frames\n"


def test_plain_progress_shows_the_time_left_that_it_is_told_and_slows_down(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("train", "steps") as update:
        for step in range(1, 100_001):
            now[0] += 1
            update(step, 200_000, "", 3661.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train 5/200000 steps, 1:01:01 left"
    # One each 5 s for 250 s, then one each fiftieth of the time so far.
    assert 300 < len(lines) < 400


def test_a_terminal_shows_the_time_left_that_it_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "120")
    with console.progress("train", "steps") as update:
        update(1, 200, "loss 1.0", 3661.0)
    assert "1:01:01" in capsys.readouterr().err


def test_bytes_are_shown_in_units_with_a_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with console.progress("download", console.BYTES) as update:
        update(1_000_000_000, 4_000_000_000)
        now[0] = 10.0
        update(1_500_000_000, 4_000_000_000, "2 archives")
        now[0] = 20.0
        update(1_500_000_000, 0)
    assert capsys.readouterr().err.splitlines() == [
        "download 1.5 GB of 4.0 GB, 50.0 MB/s, 0:50 left 2 archives",
        "download 1.5 GB, 25.0 MB/s",
    ]


def test_a_terminal_shows_bytes_with_a_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "120")
    with console.progress("download", console.BYTES) as update:
        for done in range(0, 5_000_000, 1_000_000):
            update(done, 5_000_000)
    written = capsys.readouterr().err
    assert "4.0 MB of 5.0 MB" in written
    assert "/s" in written


def test_a_terminal_gets_colour_and_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    console.warn("partial set")
    assert "\x1b[" in capsys.readouterr().err
    with console.progress("train", "steps") as update:
        update(1, 2, "loss 1.0")
    written = capsys.readouterr()
    assert "1/2" in written.err
    assert "\x1b[" in written.err
    assert written.out == ""


def test_no_color_is_honoured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    console.warn("partial set")
    console.table("title", ("a", "b"), [("x", "1")])
    written = capsys.readouterr()
    assert "\x1b[3" not in written.err + written.out
    assert "\x1b[9" not in written.err + written.out


def test_a_dumb_terminal_gets_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    console.warn("partial set")
    with console.progress("train", "steps") as update:
        update(1, 2)
    assert capsys.readouterr().err == "warning: partial set\n"


def test_table_keeps_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("scores [of] all", ("class", "IoU"), [("[bold]road", "1.00"), ("sky", "–")])
    text = capsys.readouterr().out
    assert all(word in text for word in ("scores [of] all", "[bold]road", "1.00", "–"))


def test_facts_wrap_between_words_and_break_none(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/folder-name" * 20
    console.facts([("terms", "word " * 40), ("folder", path), ("homepage", "")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("terms     word word")
    assert lines[1].startswith(" " * 10 + "word")
    assert all(len(line) <= 120 for line in lines[:2])
    assert sum(line.count("word") for line in lines) == 40
    assert lines[-2:] == [f"folder    {path}", "homepage"]


def test_notes_are_copied_into_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with console.logging_to(tmp_path / "log.txt"):
        console.note("one")
        console.warn("two")
        console.detail("three")
    console.note("four")
    assert (tmp_path / "log.txt").read_text() == "one\nwarning: two\nthree\n"
    assert "three" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (42.4, "0:42"), (187, "3:07"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert console.clock(seconds) == text
