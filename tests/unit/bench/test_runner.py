import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.elf_file import BIONIC, ElfFile
from topformer_cli.bench.programs.check import check_runner
from topformer_cli.bench.programs.store import engine_of, find_runner, keep, kept_runners
from topformer_cli.bench.runner import RUNNERS
from topformer_cli.bench.runners.litert import MARK as LITERT_MARK
from topformer_cli.bench.runners.tnntest import MARK
from topformer_cli.errors import DeviceError, UsageError

ARM64 = ("arm64-v8a", "armeabi-v7a")


def elf(interpreter: str | None = None, needed: tuple[str, ...] = (), entry: int = 64) -> bytes:
    """Return a program that looks like a TNNTest for ARM."""
    file = ElfFile(interpreter=interpreter, needed=needed, entry=entry, content=MARK)
    return file.write()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "build/test").mkdir(parents=True)
    return tmp_path / "build/test/TNNTest"


def test_given_once_is_used_from_then_on(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOPFORMER_RUNNER", raising=False)
    cache = tmp_path / "cache"
    program.write_bytes(elf(BIONIC, ("libTNN.so",)))
    (program.parent / "libTNN.so").write_bytes(elf(entry=0))
    given_runner = find_runner(program, cache, ARM64)
    assert given_runner.path.is_relative_to(cache)
    program.unlink()
    kept = find_runner(None, cache, ARM64)
    assert kept == given_runner
    assert [library.name for library in kept.libraries] == ["libTNN.so"]
    with pytest.raises(DeviceError, match="no runner for a phone of ABI x86_64"):
        find_runner(None, cache, ("x86_64",))
    other = tmp_path / "other"
    other.write_bytes(elf() + b"newer")
    monkeypatch.setenv("TOPFORMER_RUNNER", str(other))
    assert find_runner(None, cache, ARM64).path == other
    monkeypatch.delenv("TOPFORMER_RUNNER")
    assert find_runner(None, cache, ARM64) == kept


@pytest.mark.parametrize("damage", ["program", "record"])
def test_damaged_kept_runner_is_never_used(program: Path, tmp_path: Path, damage: str) -> None:
    program.write_bytes(elf())
    kept = find_runner(program, tmp_path, ARM64)
    record = kept.path.parent.parent / "current.json"
    if damage == "program":
        kept.path.write_bytes(elf()[:-3])
    else:
        record.write_text(json.dumps({"kind": "TNNTest"}))
    with pytest.raises(DeviceError, match=r"is damaged; give it again with --runner"):
        find_runner(None, tmp_path, ARM64)


def test_runner_whose_keeping_was_cut_short_does_not_count(program: Path, tmp_path: Path) -> None:
    program.write_bytes(elf())
    kept = find_runner(program, tmp_path, ARM64)
    (kept.path.parent.parent / "current.json").unlink()
    with pytest.raises(DeviceError, match="no runner for a phone"):
        find_runner(None, tmp_path, ARM64)


def test_without_a_runner_the_message_says_where_one_comes_from(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as caught:
        find_runner(None, tmp_path, ARM64)
    message = str(caught.value)
    for word in ("runner build --tnn-home", "TNNTest", "--runner PATH", "runner fetch litert"):
        assert word in message
    assert "\n" not in message


def litert_program(folder: Path) -> Path:
    path = folder / "benchmark_model"
    path.write_bytes(elf().replace(MARK, b"") + LITERT_MARK)
    return path


def test_engines_are_kept_apart_and_tnn_comes_first(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOPFORMER_RUNNER", raising=False)
    cache = tmp_path / "cache"
    litert = keep(check_runner(litert_program(tmp_path), ARM64), cache)
    assert engine_of(litert) == "litert"
    assert find_runner(None, cache, ARM64) == litert
    program.write_bytes(elf())
    tnn = find_runner(program, cache, ARM64)
    assert find_runner(None, cache, ARM64) == tnn
    assert find_runner(None, cache, ARM64, "litert") == litert
    assert kept_runners(cache) == [litert, tnn]
    with pytest.raises(DeviceError, match="no LiteRT runner for a phone of ABI x86_64"):
        find_runner(None, cache, ("x86_64",), "litert")
    with pytest.raises(UsageError, match=r"is TNNTest, of TNN; --engine litert needs another"):
        find_runner(program, cache, ARM64, "litert")


def test_checker_and_origin_are_kept_with_their_program(tmp_path: Path) -> None:
    checker = tmp_path / "run_model"
    checker.write_bytes(b"checker")
    given_runner = check_runner(litert_program(tmp_path), ARM64)
    kept = keep(replace(given_runner, checker=checker, origin="litert 2"), tmp_path / "cache")
    assert kept.checker is not None
    assert kept.checker.read_bytes() == b"checker"
    assert (kept.origin, kept.libraries) == ("litert 2", ())
    assert [path.name for path in kept.files] == ["benchmark_model", "run_model"]
    assert find_runner(None, tmp_path / "cache", ARM64) == kept


def test_every_runner_file_is_in_the_table() -> None:
    folder = Path(next(iter(RUNNERS.values())).__file__).parent  # type: ignore[attr-defined]
    shared = {"__init__", "module", "events", "host"}
    files = {path.stem for path in folder.glob("*.py")} - shared
    assert {module.__name__.rpartition(".")[2] for module in RUNNERS.values()} == files  # type: ignore[attr-defined]
