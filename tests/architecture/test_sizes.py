"""The size budget of modules and functions; tests obey it too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, tree

MODULE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 5
ALLOWED = {
    "make_scenes": "two counts, a size and a seed, as people say them; progress besides",
}
"""Functions over the bound, with the reason; this list only shrinks."""

FOLDERS = ("topformer_cli", "tests", "scripts")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def parameters(function: Function) -> int:
    """Count what a caller passes: not self, nor what pytest or click passes by name.

    A kernel's are its memory and its shape, which it has no records for.
    """
    if function.name.startswith("test_") or any(
        word in ast.unparse(decorator)
        for decorator in function.decorator_list
        for word in (".command(", "fixture", "triton.jit")
    ):
        return 0
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_modules_are_short() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in files()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}
    assert len(lengths) > 100


def test_functions_are_short() -> None:
    long = [
        f"{path}:{function.lineno} {function.name} has {lines} lines"
        for path in files()
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_functions_take_few_parameters() -> None:
    many = [
        f"{path}:{function.lineno} {function.name} takes {count} parameters"
        for path in files()
        for function in functions(path)
        if (count := parameters(function)) > PARAMETERS and function.name not in ALLOWED
    ]
    assert many == []


@pytest.mark.parametrize("word", ["**kwargs", "except Exception"])
def test_nothing_is_passed_through_or_swallowed(word: str) -> None:
    found = [
        f"{path}:{number}"
        for path in sorted((ROOT / "topformer_cli").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word in line and not (path.name == "cli.py" and "the last net" in line)
    ]
    assert found == []


def test_no_module_is_a_dumping_ground() -> None:
    names = {path.stem for path in files()}
    assert names & {"utils", "helpers", "common", "misc"} == set()
