"""`runner`: how programs are judged on the command line, and why building them is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import run_cli
from tests.fakes.elf_file import ElfFile
from topformer_cli.bench.runners.native import MARK

STATIC = ElfFile(content=MARK + b"1 TNN f0cb081\0", align=0x10000)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "topformer-runner"
    path.write_bytes(STATIC.write())
    return path


def test_a_good_program_is_said_to_fit(program: Path) -> None:
    done = run_cli("runner", "check", program)
    assert (done.code, done.err) == (0, "")
    assert "phones that run arm64-v8a, pages of 4 KB or 16 KB" in done.out
    assert "topformer-runner, TNN f0cb081" in done.out
    record = run_cli("runner", "check", program, "--json").record
    assert all(one["remedy"] == "" for one in record["findings"])


def test_what_stands_in_the_way_ends_with_5(program: Path) -> None:
    program.write_bytes(replace(STATIC, needed=("libomp.so",)).write())
    done = run_cli("runner", "check", program)
    assert done.code == 5
    assert "to do: needs libomp.so, which is neither beside it" in done.out
    program.write_text("#!/bin/sh\n")
    done = run_cli("runner", "check", program)
    assert (done.code, done.out) == (5, "")
    assert "is no compiled program for Android or Linux" in done.err


def test_building_without_a_tnn_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TNN_HOME", raising=False)
    done = run_cli("runner", "build")
    assert done.code == 2
    assert "give its folder with --tnn-home DIR, or set TNN_HOME" in done.err


def test_building_with_what_is_not_there_ends_with_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TNN_HOME", str(tmp_path))
    done = run_cli("runner", "build", "--ndk", tmp_path)
    assert done.code == 5
    assert "give the folder that holds `toolchains`" in done.err
    done = run_cli("runner", "build", "--cxx", "no-such-compiler")
    assert done.code == 5
    assert "compiler 'no-such-compiler' is not installed" in done.err
