"""Running another program."""

import sys
from pathlib import Path

import pytest

from topformer_cli.cache import cache_dir
from topformer_cli.process import OvertimeError, run


def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['A']); sys.stderr.write('e'); sys.exit(3)"
    done = run([sys.executable, "-c", code], timeout_s=60, cwd=tmp_path, env={"A": "b"})
    assert (done.returncode, done.stdout.split(), done.stderr) == (3, [str(tmp_path), "b"], "e")


def test_bytes_that_are_no_text_are_replaced() -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xffb')"
    assert run([sys.executable, "-c", code], timeout_s=60).stdout == "a\ufffdb"


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(TimeoutError, match=r"did not end within 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(600)"], timeout_s=0.2)


def test_what_a_program_printed_before_it_was_ended_is_kept() -> None:
    code = "import time; print('so far \u00fc', flush=True); time.sleep(600)"
    with pytest.raises(OvertimeError) as caught:
        run([sys.executable, "-X", "utf8", "-c", code], timeout_s=2)
    assert caught.value.stdout == "so far \u00fc\n"


def test_no_such_program() -> None:
    with pytest.raises(FileNotFoundError):
        run(["no-such-program-anywhere"], timeout_s=1)


def test_cache_is_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPFORMER_HOME", "/from-variable")
    assert cache_dir(tmp_path) == tmp_path
    assert cache_dir() == Path("/from-variable")
    monkeypatch.delenv("TOPFORMER_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_dir() == Path("/xdg/topformer")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert cache_dir() == Path("/somebody/.cache/topformer")
