"""The recipes are found in a wheel and in a checkout."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from topformer_cli import __version__
from topformer_cli.recipe import recipe_names, recipes_dir

ROOT = Path(__file__).resolve().parents[2]
ASK = "from topformer_cli.recipe import *; print(recipes_dir(), *recipe_names())"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheel")
    code = "import sys, hatchling.build; hatchling.build.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    return done.stdout


def test_wheel_holds_recipes_and_every_module(unpacked: Path) -> None:
    def modules(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}

    assert modules(unpacked / "topformer_cli") == modules(ROOT / "topformer_cli")

    def recipes(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    assert recipes(unpacked / "topformer_cli/recipes") == recipes(ROOT / "recipes")
    assert not (unpacked / "tests").exists()


def test_wheel_holds_the_files_beside_the_modules(unpacked: Path) -> None:
    beside = {
        path.relative_to(ROOT)
        for path in (ROOT / "topformer_cli").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert [path for path in beside if not (unpacked / path).is_file()] == []


def test_recipes_are_found_from_the_wheel(unpacked: Path) -> None:
    found, *names = python(unpacked, "-c", ASK).split()
    assert Path(found) == unpacked / "topformer_cli" / "recipes"
    assert names == recipe_names()
    assert "lr: 0.0003" in python(
        unpacked, "-m", "topformer_cli", "train", "--size", "tiny", "--dry-run"
    )


def test_recipes_are_found_from_a_checkout() -> None:
    assert recipes_dir() == ROOT / "recipes"
    assert "ade20k" in recipe_names()


def test_wheel_names_console_script_and_extras(unpacked: Path) -> None:
    (info,) = unpacked.glob("*.dist-info")
    assert "topformer = topformer_cli.cli:main" in (info / "entry_points.txt").read_text()
    metadata = (info / "METADATA").read_text()
    for line in (
        f"Version: {__version__}", "License-Expression: Apache-2.0", "Requires-Python: >=3.11",
        "Provides-Extra: test", "Provides-Extra: tensorboard",
    ):  # fmt: skip
        assert line in metadata


def test_an_installed_package_has_this_version() -> None:
    try:
        installed = distribution("topformer-cli")
    except PackageNotFoundError:
        pytest.skip("run from a checkout that is not installed")
    assert installed.version == __version__
