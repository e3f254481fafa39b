import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.fakes.elf_file import ElfFile
from tests.fakes.http_server import Page, serving
from topformer_cli.bench.programs.fetch import PROGRAMS
from topformer_cli.bench.runners import litert, tflite
from topformer_cli.commands.runner_fetch import fetch
from topformer_cli.errors import DeviceError

PROGRAM = ElfFile(content=litert.MARK).write()
OTHER = ElfFile(content=b" ".join(tflite.MARKS)).write()


def test_the_command_says_what_came_and_from_where(tmp_path: Path) -> None:
    with serving() as server:
        url = server.put("b", Page(PROGRAM))
        server.put("run_model", Page(PROGRAM))
        words = ["--url", url, "--cache-dir", str(tmp_path)]
        ran = CliRunner().invoke(fetch, words, catch_exceptions=False)
        as_json = CliRunner().invoke(fetch, [*words, "--json", "-q"], catch_exceptions=False)
    assert ran.exit_code == 0
    for word in ("litert 2.2.0, arm64-v8a", url, "first use", "Apache-2.0", "run_model shows"):
        assert word in " ".join(ran.output.split())
    record = json.loads(as_json.stdout)
    assert (record["how"], record["source"]) == ("as before", url)
    assert Path(record["path"]).read_bytes() == PROGRAM
    assert Path(record["companion"]).name == "run_model"


def test_a_missing_companion_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(PROGRAM)
    words = ["--from", str(tmp_path / "mine"), "--cache-dir", str(tmp_path)]
    ran = CliRunner().invoke(fetch, words, catch_exceptions=False)
    assert ran.exit_code == 0
    assert "no program to compare outputs with" in ran.stderr


def test_a_file_of_the_users_and_the_other_program(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(OTHER)
    words = ["tflite", "--from", str(tmp_path / "mine"), "--cache-dir", str(tmp_path), "--json"]
    ran = CliRunner().invoke(fetch, words, catch_exceptions=False)
    assert json.loads(ran.stdout)["version"] == "nightly"


def test_errors_are_left_to_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    words = ["--from", str(tmp_path / "text"), "--cache-dir", str(tmp_path)]
    with pytest.raises(DeviceError, match="is no compiled program for Android"):
        CliRunner().invoke(fetch, words, catch_exceptions=False)


def test_the_choices_are_the_published_programs() -> None:
    (argument,) = [one for one in fetch.params if one.name == "name"]
    assert list(argument.type.choices) == list(PROGRAMS)  # type: ignore[attr-defined]
