"""scripts/benchmarks/instructions.py: the arithmetic around the counting plugin's lines."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "benchmarks" / "instructions.py"
SPEC = importlib.util.spec_from_file_location("instructions", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
instructions = importlib.util.module_from_spec(SPEC)
sys.modules["instructions"] = instructions
SPEC.loader.exec_module(instructions)

ONE_PASS = "0 1000 load\n1 20 fold\n2 300 conv\n3 40 add\n3 7 exit\n"
THREE_PASSES = (
    ONE_PASS.replace("3 7 exit\n", "") + "4 302 conv\n5 44 add\n6 302 conv\n7 40 add\n7 7 exit\n"
)


def test_loading_is_no_part_of_a_pass() -> None:
    several, one = (instructions.parse(text) for text in (THREE_PASSES, ONE_PASS))
    assert instructions.per_pass(several, one) == (302 + 44 + 302 + 40) / 2


def test_layers_are_those_of_the_middle_pass() -> None:
    several, one = (instructions.parse(text) for text in (THREE_PASSES, ONE_PASS))
    found = [instructions.total(parts) for parts in instructions.layers(several, one)]
    assert found == [302, 44]


def test_runs_that_do_not_differ_by_whole_passes_are_refused() -> None:
    several, one = (instructions.parse(text) for text in (THREE_PASSES + "8 1 add\n", ONE_PASS))
    with pytest.raises(ValueError, match="8 and 3 layers ran in 3 passes and 1"):
        list(instructions.layers(several, one))


def test_a_symbol_may_hold_blanks() -> None:
    (part,) = instructions.parse("0 12 operator new(unsigned long)\n")
    assert part == instructions.Part(0, 12, "operator new(unsigned long)")


def test_a_file_that_did_not_run_is_an_error(tmp_path: Path) -> None:
    silent = tmp_path / "qemu"
    silent.write_text("#!/bin/sh\necho Segmentation fault\n")
    silent.chmod(0o755)
    bench = instructions.Bench(tmp_path / "TNNTest", silent, tmp_path / "p.so", "HIGH", None)
    with pytest.raises(instructions.MeasurementError, match="Segmentation fault"):
        bench.count(tmp_path / "a.tnnproto", 1)
