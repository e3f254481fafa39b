"""The package's source as syntax trees, for the tests of this folder."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "topformer_cli"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, with the line and whether it runs when the module is imported."""

    name: str
    line: int
    top_level: bool


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by their dotted names."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    """Yield what a module imports at run time; what only type checkers see is left out."""
    yield from _imports(tree(path), top_level=True)


def _imports(node: ast.AST, *, top_level: bool) -> Iterator[Import]:
    for child in _run_time_children(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, top_level)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", child.lineno, top_level)
        else:
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, top_level=top_level and not inside)


def _run_time_children(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from child.orelse
        else:
            yield child


def own_module(name: str) -> str | None:
    """Return the module of this package that an imported name belongs to, None for others."""
    if name.split(".")[0] != PACKAGE:
        return None
    while name not in modules():
        name = name.rpartition(".")[0]
    return name
